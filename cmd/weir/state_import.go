package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// exportVersion is that of docs/FORMAT.md, "Exported states".
const exportVersion = 1

// exportHead is the first line of an exported state.
type exportHead struct {
	Weir     string `json:"weir"`
	Version  int    `json:"version"`
	Operator string `json:"operator"`
	Key      string `json:"key"`
	Value    string `json:"value"`
	Batch    int64  `json:"batch"`
	Time     string `json:"time"`
}

// exportEnd is the last line: without it a file that was cut would read as a smaller state.
type exportEnd struct {
	Weir string `json:"weir"`
	Keys int64  `json:"keys"`
}

func stateExport() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:   "export DIR STATE [FILE]",
		Short: "Write a state as lines of JSON",
		Long: "Writes a state to a FILE, which must not be there, or to standard output: lines of JSON, the first\n" +
			"about the state, the last with the number of keys, the others with a key each, its value and when\n" +
			"it was touched last. It is what import reads, into this checkpoint or another one. The checkpoint\n" +
			"may be in use.",
		Example: "  weir state export ./ckpt counts counts.jsonl\n" +
			"  weir state export ./ckpt counts --at 120 | gzip > counts.jsonl.gz",
		Args: takesUpTo(2, 3, "a DIR, a STATE and perhaps a FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return inContext(c.Context(), func(sc *rdd.Context) error {
				v, err := viewState(c, sc, args[0], args[1], at)
				if err != nil {
					return err
				}
				return toFile(c.OutOrStdout(), args[2:], func(out io.Writer) error {
					return v.export(c.Context(), out)
				})
			})
		},
	}
	c.Flags().StringVar(&at, "at", "", atHelp)
	return c
}

// toFile has f write to a new file, or to standard output if none is named. A file that could not be finished is
// removed.
func toFile(stdout io.Writer, name []string, f func(io.Writer) error) error {
	if len(name) == 0 || name[0] == "-" {
		return buffered(stdout, f)
	}
	file, err := os.OpenFile(name[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already: remove it, or name another file", name[0])
	}
	if err != nil {
		return err
	}
	// Some file systems say at the close only that they could not write.
	if err := errors.Join(buffered(file, f), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name[0]))
	}
	return nil
}

func buffered(to io.Writer, f func(io.Writer) error) error {
	out := bufio.NewWriter(to)
	if err := f(out); err != nil {
		return err
	}
	return out.Flush()
}

func (v *stateView) export(ctx context.Context, out io.Writer) error {
	head, err := json.Marshal(exportHead{"state", exportVersion, v.Info.Operator, v.Info.Key, v.Info.Value,
		v.Info.Version.Sequence, timeText(v.Info.Version.Time)})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s\n", head); err != nil {
		return err
	}
	keys, err := v.scan(ctx, out, 0, true)
	if err != nil {
		return err
	}
	end, err := json.Marshal(exportEnd{"end", keys})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", end)
	return err
}

// An importer is the command import.
type importer struct {
	dryRun, whole, yes bool
}

func stateImport() *cobra.Command {
	i := &importer{}
	c := &cobra.Command{
		Use:   "import DIR STATE [FILE]",
		Short: "Change a state by lines of JSON",
		Long: "Reads what export writes, from a FILE or standard input, and makes it the state's next version:\n" +
			"all of it, or nothing. The program must have been stopped (weir stop), and goes on with that. Keys\n" +
			"that the file does not have stay as they are, unless --whole is given; {\"key\":K,\"removed\":true}\n" +
			"takes a key out. A file with a first line about the state must be of the state of that name, and\n" +
			"have the last line with the number of keys, or it was cut; lines of one's own need neither. The\n" +
			"version before stays readable for as long as others do. The lines are held in memory. A checkpoint\n" +
			"that a program holds is refused, with the exit code 3; --dry-run says what would be changed then, too.",
		Example: "  weir state import ./ckpt counts counts.jsonl --dry-run\n" +
			"  echo '{\"key\":\"alice\",\"value\":7}' | weir state import ./ckpt counts --yes",
		Args: takesUpTo(2, 3, "a DIR, a STATE and perhaps a FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return inContext(c.Context(), func(sc *rdd.Context) error { return i.run(c, sc, args) })
		},
	}
	c.Flags().BoolVar(&i.dryRun, "dry-run", false, "say what would be changed, and do nothing")
	c.Flags().BoolVar(&i.whole, "whole", false, "take out all keys that the file does not have")
	c.Flags().BoolVar(&i.yes, "yes", false, "change values that are there, and take keys out")
	return c
}

func (i *importer) run(c *cobra.Command, sc *rdd.Context, args []string) error {
	v, err := viewState(c, sc, args[0], args[1], "")
	if err != nil {
		return err
	}
	name, in := "standard input", c.InOrStdin()
	if len(args) > 2 && args[2] != "-" {
		file, err := os.Open(args[2])
		if err != nil {
			return err
		}
		defer file.Close()
		name, in = args[2], file
	}
	updates, err := readUpdates(v, in, i.whole)
	if err != nil {
		return fmt.Errorf("%s%w", name, err)
	}
	opts := []dstream.ImportOption{dstream.ImportReason("weir state import of " + name)}
	if i.dryRun {
		opts = append(opts, dstream.ImportDryRun())
	}
	if i.whole {
		opts = append(opts, dstream.ImportWhole())
	}
	if i.yes {
		opts = append(opts, dstream.ImportOverwriting())
	}
	done, err := dstream.ImportRawState(c.Context(), sc, args[0], args[1], updates, opts...)
	if errors.Is(err, dstream.ErrOverwrite) {
		return fmt.Errorf("%w: look at what would be changed with --dry-run, and add --yes", err)
	}
	if err != nil && !showsAnyway(i.dryRun, err) {
		return err
	}
	return errors.Join(i.show(c.OutOrStdout(), done), err)
}

func (i *importer) show(out io.Writer, done dstream.StateImport) error {
	changes := done.Came + done.Changed + done.Removed
	what := "it is " + batchText(done.Version) + " in the checkpoint"
	switch {
	case i.dryRun:
		what = "that would be; nothing was changed (--dry-run)"
	case changes == 0:
		what = "nothing was changed"
	}
	_, err := fmt.Fprintf(out, "came %d, changed %d, removed %d, the same %d: %s\n", done.Came, done.Changed,
		done.Removed, done.Same, what)
	return err
}

// stateLine is a line of an exported state.
type stateLine struct {
	exportHead                 // of the first line
	Key        json.RawMessage `json:"key"`
	Value      json.RawMessage `json:"value"`
	Touched    *time.Time      `json:"touched"`
	Removed    bool            `json:"removed"`
	Keys       *int64          `json:"keys"` // of the last line
}

// A stateFile is what was read of an exported state.
type stateFile struct {
	view    *stateView
	updates []dstream.StateUpdate[[]byte, []byte]
	seen    map[string]int // on which line a key was
	head    int            // the line of the head, 0 for none
	end     int            // that of the end
}

// readUpdates reads the lines of a file. Its errors go on behind the file's name.
func readUpdates(v *stateView, in io.Reader, whole bool) ([]dstream.StateUpdate[[]byte, []byte], error) {
	r, f := bufio.NewReader(in), &stateFile{view: v, seen: map[string]int{}}
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf(": %w", err)
		}
		last := err == io.EOF
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := f.take(n, line); err != nil {
				return nil, fmt.Errorf(", line %d: %w", n, err)
			}
		}
		if last {
			return f.updates, f.check(whole)
		}
	}
}

// check refuses what was cut, which would take keys out where the whole state is meant.
func (f *stateFile) check(whole bool) error {
	switch {
	case f.head > 0 && f.end == 0:
		return errors.New(`: it was cut: its last line, {"weir":"end",...}, is not there; export it again, or take ` +
			"the head out if these lines are all that is meant")
	case whole && f.head == 0 && len(f.updates) == 0:
		return errors.New(": it has no lines, and with --whole all keys would go: what was to write it has failed; a " +
			"state without keys has the first and the last line of an export")
	}
	return nil
}

// take takes in line n.
func (f *stateFile) take(n int, line []byte) error {
	var l stateLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return fmt.Errorf("the line is not one of an exported state: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("a second value follows on the line: each has a line of its own")
	}
	switch {
	case f.end > 0:
		return fmt.Errorf("the file ends on line %d: are these two files?", f.end)
	case l.Weir == "end":
		return f.close(n, l)
	case l.Weir == "":
		return f.update(n, l)
	case f.head > 0 || len(f.updates) > 0:
		return errors.New("a second head: are these two files?")
	}
	f.head = n
	return f.view.fits(l)
}

// close takes the last line in.
func (f *stateFile) close(n int, l stateLine) error {
	if l.Keys == nil || *l.Keys != int64(len(f.updates)) {
		return fmt.Errorf("%d lines with keys come before, and not as many as the last line says: the file was cut, "+
			"or changed; if they are what is meant, correct the number", len(f.updates))
	}
	f.end = n
	return nil
}

// update takes the line of a key in.
func (f *stateFile) update(n int, l stateLine) error {
	u, err := f.view.update(l)
	if first := f.seen[string(u.Key)]; err == nil && first > 0 {
		err = fmt.Errorf("its key was on line %d already: keep the line that counts", first)
	}
	if err != nil {
		return err
	}
	f.seen[string(u.Key)] = n
	f.updates = append(f.updates, u)
	return nil
}

// update is what the line of a key means.
func (v *stateView) update(l stateLine) (u dstream.StateUpdate[[]byte, []byte], err error) {
	if v.Keys == nil {
		return u, errors.New("the state has no schema yet: let the program commit a batch")
	}
	if l.Key == nil || l.Keys != nil || (l.Value == nil) != l.Removed {
		return u, errors.New(`a line has a key, and a value or "removed":true`)
	}
	if u.Key, err = v.Keys.AppendKey(nil, l.Key); err != nil {
		return u, fmt.Errorf("the key: %w", err)
	}
	if u.Removed = l.Removed; u.Removed {
		return u, nil
	}
	if l.Touched != nil {
		u.Touched = dstream.Time(l.Touched.UnixMilli())
	}
	if u.Value, err = v.Values.AppendValue(nil, l.Value); err != nil {
		err = fmt.Errorf("the value: %w", err)
	}
	return u, err
}

// fits refuses a head of another version, and that of another state: one of the same types would be taken for this one.
func (v *stateView) fits(l stateLine) error {
	var key, value string
	_ = json.Unmarshal(l.Key, &key)
	_ = json.Unmarshal(l.Value, &value)
	switch {
	case l.Weir != "state" || l.Version != exportVersion:
		return fmt.Errorf("version %d of %q is none that this release knows: it reads version %d of \"state\"",
			l.Version, l.Weir, exportVersion)
	case l.Operator != v.Info.Operator:
		return fmt.Errorf("the file is of the state %q: if it is meant for %q, correct the name in its first line",
			l.Operator, v.Info.Operator)
	case key != v.Info.Key || value != v.Info.Value:
		return fmt.Errorf("the file has keys %s and values %s, and the state %s and %s: what differs must be rewritten",
			cmp.Or(key, "-"), cmp.Or(value, "-"), cmp.Or(v.Info.Key, "-"), cmp.Or(v.Info.Value, "-"))
	}
	return nil
}
