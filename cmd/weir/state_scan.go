package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func stateScan() *cobra.Command {
	var (
		at     string
		limit  int64
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "scan DIR STATE",
		Short: "Show the keys of a state and their values",
		Long: "Writes a line for each key of a state, in an order that does not change while the state does not:\n" +
			"key, value and the time of the batch that touched it last, with tabs between. The checkpoint may\n" +
			"be in use. Keys are written while the state is read: it need not fit into memory.",
		Example: "  weir state scan ./ckpt counts -n 10\n  weir state scan ./ckpt counts --at -15m --json | jq .value",
		Args:    takes(2, false, "a DIR and a STATE"),
		PreRunE: func(c *cobra.Command, _ []string) error { return checkLimit(limit, c.Flags().Changed("max")) },
		RunE: func(c *cobra.Command, args []string) error {
			return inContext(c.Context(), func(sc *rdd.Context) error {
				v, err := viewState(c, sc, args[0], args[1], at)
				if err != nil {
					return err
				}
				out := bufio.NewWriter(c.OutOrStdout())
				if _, err := v.scan(c.Context(), out, limit, asJSON); err != nil {
					return err
				}
				return out.Flush()
			})
		},
	}
	c.Flags().StringVar(&at, "at", "", atHelp)
	c.Flags().Int64VarP(&limit, "max", "n", 0, "end after `NUMBER` keys (default all)")
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object for each key")
	return c
}

func checkLimit(limit int64, given bool) error {
	if limit < 0 || limit == 0 && given {
		return usagef("-n must be at least 1, not %d", limit)
	}
	return nil
}

// scan writes up to limit entries, or all for 0, and counts them.
func (v *stateView) scan(ctx context.Context, out io.Writer, limit int64, asJSON bool) (n int64, err error) {
	for e, err := range v.Reader.All(ctx) {
		var text string
		if err == nil {
			text, err = v.shown(e, asJSON)
		}
		if err == nil {
			_, err = fmt.Fprintln(out, text)
		}
		if err != nil {
			return n, err
		}
		if n++; n == limit {
			break
		}
	}
	return n, nil
}

// shown is an entry as a line.
func (v *stateView) shown(e rawEntry, asJSON bool) (string, error) {
	if asJSON {
		return v.Row(e)
	}
	key, err := v.KeyJSON(e.Key)
	if err != nil {
		return "", err
	}
	value, err := v.ValueJSON(e.Value)
	return key + "\t" + value + "\t" + timeText(e.Touched), err
}

func stateDiff() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff DIR STATE BATCH [BATCH]",
		Short: "Show what has changed in a state between two batches",
		Long: "Writes a line for each key whose value as of the second batch, or the newest one, is another than\n" +
			"as of the first: + for keys that came, - for those that are gone, ~ for others. A BATCH is its\n" +
			"number, or a time, for the last one that is not after it and no import, whose time is not kept. The\n" +
			"checkpoint may be in use.",
		Example: "  weir state diff ./ckpt counts 120\n  weir state diff ./ckpt counts 120 130 --json\n" +
			"  weir state diff ./ckpt counts -- -15m",
		Args: takesUpTo(3, 4, "a DIR, a STATE and one BATCH or two"),
		RunE: func(c *cobra.Command, args []string) error {
			return inContext(c.Context(), func(sc *rdd.Context) error {
				to := ""
				if len(args) > 3 {
					to = args[3]
				}
				v, err := viewState(c, sc, args[0], args[1], to)
				if err != nil {
					return err
				}
				since, err := sequenceOf(c, v.Reader, args[2])
				if err != nil {
					return err
				}
				out := bufio.NewWriter(c.OutOrStdout())
				if err := v.diff(c.Context(), out, since, asJSON); err != nil {
					return err
				}
				return out.Flush()
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object for each key, with before and after")
	return c
}

// takesUpTo is takes for commands whose last arguments may be left out.
func takesUpTo(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > most {
			return usagef("%s takes only %s: %q is one too many", c.CommandPath(), what, args[most])
		}
		return takes(least, true, what)(c, args)
	}
}

func (v *stateView) diff(ctx context.Context, out io.Writer, since int64, asJSON bool) error {
	var came, gone, changed int
	for d, err := range v.Reader.Diff(ctx, since) {
		if err != nil {
			return err
		}
		text, err := v.diffText(d, asJSON)
		if err == nil {
			_, err = fmt.Fprintln(out, text)
		}
		if err != nil {
			return err
		}
		switch {
		case !d.Before.Present:
			came++
		case !d.After.Present:
			gone++
		default:
			changed++
		}
	}
	if asJSON {
		return nil
	}
	_, err := fmt.Fprintf(out, "from batch %d to %s: came %d, gone %d, changed %d\n", since,
		batchText(v.Info.Version), came, gone, changed)
	return err
}

func (v *stateView) diffText(d dstream.StateDiff[[]byte, []byte], asJSON bool) (string, error) {
	key, err := v.KeyJSON(d.Key)
	if err != nil {
		return "", err
	}
	texts := [2]string{}
	for i, e := range []rdd.Optional[rawEntry]{d.Before, d.After} {
		if !e.Present {
			continue
		}
		if texts[i], err = v.ValueJSON(e.Value.Value); err != nil {
			return "", err
		}
	}
	before, after := texts[0], texts[1]
	if asJSON {
		text := `{"key":` + key
		if d.Before.Present {
			text += `,"before":` + before
		}
		if d.After.Present {
			text += `,"after":` + after
		}
		return text + "}", nil
	}
	switch {
	case !d.Before.Present:
		return "+\t" + key + "\t" + after, nil
	case !d.After.Present:
		return "-\t" + key + "\t" + before, nil
	}
	return "~\t" + key + "\t" + before + "\t" + after, nil
}
