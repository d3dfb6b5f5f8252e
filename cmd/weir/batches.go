package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// batchJSON is a batch for programs.
type batchJSON struct {
	Sequence int64        `json:"sequence"`
	Time     time.Time    `json:"time"`
	Status   string       `json:"status"`
	Idle     int64        `json:"idle,omitempty"` // batches before it that had nothing to do
	Inputs   []rangeJSON  `json:"inputs"`
	Wrote    []string     `json:"wrote,omitempty"`
	GivenUp  *givenUpJSON `json:"given_up,omitempty"` // of a batch that was skipped
}

// givenUpJSON is why a batch was given up, and which outputs have its records, have them not, and cannot be asked.
type givenUpJSON struct {
	Reason  string   `json:"reason"`
	Written []string `json:"written"`
	Burned  []string `json:"burned"`
	Unknown []string `json:"unknown"`
}

type rangeJSON struct {
	Input   string       `json:"input"`
	Records int64        `json:"records"`
	Offsets []offsetJSON `json:"offsets,omitempty"`
	Range   []byte       `json:"range,omitempty"`
}

type offsetJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	Until     int64  `json:"until"`
}

func batches() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "batches DIR",
		Short: "List the batches that a checkpoint holds",
		Long: "Lists the batches that are still kept in a program's checkpoint, the oldest first: what each takes\n" +
			"from its inputs, whether it is committed, and which outputs have written. One that is imported has\n" +
			"no inputs: states were changed by hand (weir state import). Of idle ones, which had nothing to do,\n" +
			"nothing is kept. Of one that was given up (skipped) it is said why, and which outputs have its\n" +
			"records; that is kept for ever, its inputs as long as those of others. The checkpoint may be in use.",
		Example: "  weir batches ./ckpt\n  weir batches ./ckpt --json",
		Args:    takes(1, false, "a DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			info, err := readCheckpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), batchesJSON(info))
			}
			return showBatches(c.OutOrStdout(), info)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON array")
	return c
}

func readCheckpoint(ctx context.Context, dir string) (info *dstream.CheckpointInfo, err error) {
	err = inContext(ctx, func(sc *rdd.Context) error {
		info, err = dstream.ReadCheckpoint(ctx, sc, dir)
		return err
	})
	return info, err
}

func batchesJSON(info *dstream.CheckpointInfo) []batchJSON {
	all, givenUp := []batchJSON{}, map[int64]*givenUpJSON{}
	for _, s := range info.Skipped {
		givenUp[s.Sequence] = &givenUpJSON{s.Reason, append([]string{}, s.In...), append([]string{}, s.Burned...),
			append([]string{}, s.Unknown...)}
	}
	for _, b := range info.Batches {
		j := batchJSON{Sequence: b.Sequence, Time: b.Time.Std().UTC(), Status: b.Status, Idle: b.Idle,
			Inputs: []rangeJSON{}, Wrote: b.Wrote, GivenUp: givenUp[b.Sequence]}
		delete(givenUp, b.Sequence)
		for _, in := range b.Inputs {
			j.Inputs = append(j.Inputs, rangeOf(in))
		}
		all = append(all, j)
	}
	for _, s := range info.Skipped { // Those of which nothing else is kept.
		if g := givenUp[s.Sequence]; g != nil {
			all = append(all, batchJSON{Sequence: s.Sequence, Time: s.Time.Std().UTC(), Status: "skipped",
				Inputs: []rangeJSON{}, GivenUp: g})
		}
	}
	slices.SortFunc(all, func(a, b batchJSON) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all
}

func rangeOf(in dstream.InputRecord) rangeJSON {
	r := rangeJSON{Input: in.Input, Records: in.Records}
	ranges, ok := kafka.ParseRange(in.Range)
	if !ok {
		r.Range = in.Range
	}
	for _, o := range ranges {
		r.Offsets = append(r.Offsets, offsetJSON{o.Topic, o.Partition, o.FromOffset, o.UntilOffset})
	}
	return r
}

func showBatches(out io.Writer, info *dstream.CheckpointInfo) error {
	fmt.Fprintf(out, "job %s, epoch %d of %s: %s\n", info.Job, info.Epoch, info.Owner, info.Standing())
	w := table(out)
	fmt.Fprintln(w, "BATCH\tTIME\tSTATUS\tINPUT\tRECORDS\tRANGE")
	for _, b := range info.Batches {
		if text := idleText(b); text != "" {
			fmt.Fprintf(w, "%s\t-\tidle\t-\t-\t-\n", text)
		}
		at := b.Time.Std().UTC().Format("2006-01-02T15:04:05.000Z")
		head := []string{strconv.FormatInt(b.Sequence, 10), at, b.Status}
		if len(b.Inputs) == 0 { // Its states were changed by hand.
			fmt.Fprintf(w, "%s\t%s\t%s\t-\t-\t-\n", head[0], head[1], head[2])
		}
		for _, in := range b.Inputs {
			for i, text := range rangeTexts(in.Range) {
				name, records := in.Input, strconv.FormatInt(in.Records, 10)
				if i > 0 {
					name, records = "", ""
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", head[0], head[1], head[2], name, records, text)
				head = []string{"", "", ""}
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range info.Skipped {
		fmt.Fprintf(out, "batch %d was given up; outputs without its records: %s; outputs that have them: %s; "+
			"not known of: %s; why: %s\n", s.Sequence, listOr(s.Burned), listOr(s.In), listOr(s.Unknown), s.Reason)
	}
	return nil
}

// idleText names the batches before one that had nothing to do, "" for none.
func idleText(b dstream.BatchRecord) string {
	switch b.Idle {
	case 0:
		return ""
	case 1:
		return strconv.FormatInt(b.Sequence-1, 10)
	}
	return fmt.Sprintf("%d-%d", b.Sequence-b.Idle, b.Sequence-1)
}

// listOr gives a list as text, a dash for an empty one.
func listOr(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

// rangeTexts says what a range holds, a line each.
func rangeTexts(rng []byte) (lines []string) {
	ranges, ok := kafka.ParseRange(rng)
	if !ok {
		return []string{strconv.Quote(string(rng))}
	}
	for _, r := range ranges {
		if r.Count() > 0 {
			lines = append(lines, fmt.Sprintf("%s-%d %d to %d", r.Topic, r.Partition, r.FromOffset, r.UntilOffset))
		}
	}
	if lines == nil {
		lines = []string{"nothing"}
	}
	return lines
}
