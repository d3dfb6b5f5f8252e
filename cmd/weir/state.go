package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func state() *cobra.Command {
	c := &cobra.Command{
		Use:   "state",
		Short: "Show, compare, export and import the states in a checkpoint",
		Long: "Shows what a program keeps from batch to batch (UpdateStateByKey, MapWithState), as of any batch\n" +
			"that its checkpoint still holds, and changes it while the program does not run. A state is known\n" +
			"by the name that the program gave its operator. Keys and values are JSON, by the schemas that the\n" +
			"checkpoint has of them; the program is not needed.",
		Example: "  weir state list ./ckpt\n" +
			"  weir state get ./ckpt counts alice\n" +
			"  weir state scan ./ckpt counts --at 2026-01-31T08:00 -n 10\n" +
			"  weir state diff ./ckpt counts 120 130\n" +
			"  weir state export ./ckpt counts counts.jsonl\n" +
			"  weir state import ./ckpt counts counts.jsonl --dry-run",
		Args: knownCommand,
		RunE: oneOf,
	}
	c.AddCommand(stateList(), stateGet(), stateScan(), stateDiff(), stateExport(), stateImport())
	return c
}

// inContext calls f with a context for files alone.
func inContext(ctx context.Context, f func(sc *rdd.Context) error) error {
	sc, err := rdd.NewContext(conf.New().Set(conf.MasterURL.Name(), "local[1]"))
	if err != nil {
		return err
	}
	defer sc.Stop(context.WithoutCancel(ctx))
	return f(sc)
}

// rawState is a reader of a state whose program is not there.
type rawState = dstream.StateReader[[]byte, []byte]

type rawEntry = dstream.StateEntry[[]byte, []byte]

// atHelp is what --at takes.
const atHelp = "as of `BATCH`: its number, or a time, for the last one that is not after it and no import " +
	"(default the newest)"

// A stateView is a version of a state, with what shows it.
type stateView struct{ *dstream.StateView }

// viewState finds a version of a state: a number, a time, or "" for the newest.
func viewState(c *cobra.Command, sc *rdd.Context, dir, name, at string) (*stateView, error) {
	r := dstream.OpenRawState(sc, dir, name)
	sequence, err := sequenceOf(c, r, at)
	if err != nil {
		return nil, err
	}
	if sequence >= 0 {
		r = r.At(sequence)
	}
	v, err := dstream.ViewState(c.Context(), r)
	return &stateView{v}, err
}

// sequenceOf finds the batch that is meant, -1 for the newest.
func sequenceOf(c *cobra.Command, r *rawState, at string) (int64, error) {
	if at == "" {
		return -1, nil
	}
	if n, err := strconv.ParseInt(at, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	t, ok := parseTime(at, time.Now())
	if !ok {
		return 0, usagef("a batch is given by its number or a time (%s), not by %q", timeForms, at)
	}
	versions, err := r.Versions(c.Context())
	if err != nil || len(versions) == 0 {
		return -1, err
	}
	found, imported := lastNotAfter(versions, t)
	switch {
	case found < 0 && imported >= 0:
		return 0, fmt.Errorf("of the batches that are not after %s only imports are kept, up to number %d, and when "+
			"those were made is not: give a number", at, imported)
	case found < 0:
		return 0, fmt.Errorf("the oldest batch that is kept is number %d, of %s, which is after %s",
			versions[0].Sequence, timeText(versions[0].Time), at)
	case imported > found:
		warn(c.ErrOrStderr(), fmt.Errorf("that is batch %d: states were changed by hand after it, up to batch %d, and "+
			"when is not kept; to see them as of then, give the number", found, imported))
	}
	return found, nil
}

// lastNotAfter finds the last batch that is not after a time, and the last import before the next one, -1 for none. An
// import has no time of its own: it may be younger than t.
func lastNotAfter(versions []dstream.StateVersion, t time.Time) (found, imported int64) {
	found, imported = -1, -1
	for _, v := range versions {
		switch {
		case v.Time.Std().After(t):
			return found, imported
		case v.Imported:
			imported = v.Sequence
		default:
			found = v.Sequence
		}
	}
	return found, imported
}

func timeText(t dstream.Time) string { return t.Std().UTC().Format("2006-01-02T15:04:05.000Z") }

// batchText names a version.
func batchText(v dstream.StateVersion) string {
	if v.Time == 0 {
		return fmt.Sprintf("batch %d", v.Sequence)
	}
	return fmt.Sprintf("batch %d of %s", v.Sequence, timeText(v.Time))
}

// stateJSON is a state for programs.
type stateJSON struct {
	State string `json:"state"`
	Key   string `json:"key"`
	Value string `json:"value"`
	Batch int64  `json:"batch"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func stateList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list DIR",
		Short: "List the states that a checkpoint holds",
		Long: "Lists the operators that keep a state, with the schemas of keys and values (docs/FORMAT.md), the\n" +
			"batch that the newest version is of, and the files that it is in. The checkpoint may be in use.",
		Example: "  weir state list ./ckpt\n  weir state list ./ckpt --json",
		Args:    takes(1, false, "a DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			var list []stateJSON
			err := inContext(c.Context(), func(sc *rdd.Context) (err error) {
				list, err = listStates(c.Context(), sc, args[0])
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), list)
			}
			w := table(c.OutOrStdout())
			fmt.Fprintln(w, "STATE\tKEY\tVALUE\tBATCH\tFILES\tBYTES")
			for _, s := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\n", s.State, s.Key, s.Value, s.Batch, s.Files, s.Bytes)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON array")
	return c
}

func listStates(ctx context.Context, sc *rdd.Context, dir string) ([]stateJSON, error) {
	info, err := dstream.ReadCheckpoint(ctx, sc, dir)
	if err != nil {
		return nil, err
	}
	list := []stateJSON{}
	for _, name := range info.States {
		s, err := dstream.OpenRawState(sc, dir, name).Info(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, stateJSON{name, s.Key, s.Value, s.Version.Sequence, s.Files, s.Bytes})
	}
	return list, nil
}

func stateGet() *cobra.Command {
	var (
		at     string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "get DIR STATE KEY",
		Short: "Show what a state holds of a key",
		Long: "Writes the value that a state has for a key, as JSON. The KEY is JSON, too; where keys are strings\n" +
			"it may be given as it is. The checkpoint may be in use. The exit code is 1 if there is no such\n" +
			"key.",
		Example: "  weir state get ./ckpt counts alice\n" +
			"  weir state get ./ckpt balances -- -5\n" +
			"  weir state get ./ckpt orders '{\"Shop\": 3, \"Order\": 17}' --at 120 --json",
		Args: takes(3, false, "a DIR, a STATE and a KEY"),
		RunE: func(c *cobra.Command, args []string) error {
			return inContext(c.Context(), func(sc *rdd.Context) error {
				v, err := viewState(c, sc, args[0], args[1], at)
				if err != nil {
					return err
				}
				text, err := v.get(c.Context(), args[2], asJSON)
				if err == nil {
					_, err = fmt.Fprintln(c.OutOrStdout(), text)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&at, "at", "", atHelp)
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object, with the key and when it was touched")
	return c
}

func (v *stateView) get(ctx context.Context, text string, asJSON bool) (string, error) {
	key, err := v.Key(text)
	if err != nil {
		return "", usagef("%w", err)
	}
	e, ok, err := v.Reader.Get(ctx, key)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", fmt.Errorf("the state %q has no key %s as of %s", v.Info.Operator, text, batchText(v.Info.Version))
	case asJSON:
		return v.Row(e)
	}
	return v.ValueJSON(e.Value)
}
