package dstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
)

// GetOrCreate makes a context whose program is durable: build makes its graph, at the first start and at each one that
// follows, and the checkpoint in dir says where it goes on. The program may be another one by then, as far as what the
// checkpoint holds has a place in it; see [Context.Checkpoint].
func GetOrCreate(dir string, c *conf.Conf, interval time.Duration, build func(*Context) error) (*Context, error) {
	if build == nil {
		return nil, errors.New("GetOrCreate needs a build function, not nil")
	}
	ssc, err := NewContext(c, interval)
	if err != nil {
		return nil, err
	}
	ssc.Checkpoint(dir)
	if err := build(ssc); err != nil {
		return nil, errors.Join(fmt.Errorf("build the program: %w", err), ssc.Stop(context.Background()))
	}
	return ssc, nil
}

// Checkpoint has the program keep its plans, commits and state in dir, a folder of its own that is made if it is not
// there, on any file system that was handed in. It is called before Start, or said by
// spark.streaming.checkpoint.directory.
//
// A start that finds a checkpoint goes on where that ends: a batch that was planned and not committed runs again, with
// the same ranges, before any other. One process at a time owns a checkpoint; while it is alive, Start gives a
// [*HeldError], or waits if weir.checkpoint.standby is set. The owner that was taken for dead and wakes up can neither
// plan nor commit any more, and its program ends.
//
// A program that has changed goes on as long as what the checkpoint holds has its place in it: inputs, outputs and
// states are found by their names, or by what they are made of if they have none. Start refuses, with [ErrUnfit] and
// before anything runs, a program in which one of them has gone while another one of its kind is new, unless
// weir.checkpoint.rename or weir.checkpoint.drop says what is meant, and a graph or a setting that would split a batch
// differently that is planned already. After a graceful stop there is no such batch.
func (ssc *Context) Checkpoint(dir string) {
	switch {
	case ssc.State() != Initialized:
		ssc.tooLate(fmt.Errorf("%s: Checkpoint: %w", exec.Caller(), ErrStarted))
	case dir == "":
		ssc.misbuilt("Checkpoint needs a directory")
	case ssc.durable.dir != "" && ssc.durable.dir != dir:
		ssc.misbuilt("Checkpoint was called with %s and %s", ssc.durable.dir, dir)
	default:
		ssc.durable.dir = dir
	}
}

// HeldError is the error of a Start whose checkpoint is owned by another process that is alive.
type HeldError = checkpoint.HeldError

// FencedError is the error of a program whose checkpoint was taken over by another process.
type FencedError = checkpoint.FencedError

// ErrUnfit is wrapped by the error of a Start whose program does not fit the checkpoint. Nothing has run.
var ErrUnfit = errors.New("the checkpoint does not fit the program")

// A durability is what a context knows of its checkpoint.
type durability struct {
	dir  string // as it was given; "" if there is none
	fs   vfs.FS
	path string
	// found is what the log held when it was taken over; nil without a checkpoint.
	found *checkpoint.State
	// opened tells that the log is to be closed, clean that nothing is open in it.
	opened, clean bool
}

// openLog takes the checkpoint over, if the program has one. It waits as long as ctx lasts where it is a standby.
func (ssc *Context) openLog(ctx context.Context) error {
	d := &ssc.durable
	if d.dir == "" {
		d.dir = conf.CheckpointDirectory.Get(ssc.conf)
	}
	if err := ssc.maySkip(); err != nil || d.dir == "" {
		return err
	}
	if err := ssc.mustTell(); err != nil {
		return err
	}
	var err error
	if d.fs, d.path, err = ssc.sc.FileSystem(d.dir); err != nil {
		return fmt.Errorf("checkpoint %s: %w", d.dir, err)
	}
	log, r, err := checkpoint.Open(ctx, d.fs, d.path, checkpoint.Here(conf.AppName.Get(ssc.conf)), checkpoint.Options{
		Settings: map[string]string{conf.Interval.Name(): ssc.interval.String(),
			conf.MasterURL.Name(): conf.MasterURL.Get(ssc.conf).String()},
		Fingerprint: ssc.fingerprint(),
		Wait:        conf.Standby.Get(ssc.conf),
		Report:      func(message string, err error) { ssc.warn(message, err) },
	})
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", d.dir, err)
	}
	ssc.log, ssc.job, ssc.epoch = log, log.Job(), log.Epoch()
	d.found, d.opened = r.State, true
	if !r.First {
		ssc.logger.Info("going on from a checkpoint", "checkpoint", d.dir, "epoch", r.Epoch, "committed",
			r.Committed.Sequence, "planned", r.Planned.Sequence, "stoppedCleanly", r.Stopped)
	}
	return ssc.fit(ctx)
}

// closeLog gives the checkpoint back. That the stop was clean is written only if no batch is open.
func (ssc *Context) closeLog(ctx context.Context) {
	if !ssc.durable.opened {
		return
	}
	var err error
	if ssc.durable.clean && ssc.failure() == nil {
		err = ssc.log.Append(ctx, checkpoint.Stop{})
	}
	if err = errors.Join(err, ssc.log.Close(ctx)); err != nil && ssc.failure() == nil {
		ssc.fail(fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err))
	}
}

// mustTell refuses what could not be told apart in a log: inputs, outputs and states whose ids differ by their number
// only.
func (ssc *Context) mustTell() error {
	ids := ssc.operatorIDs()
	var errs []error
	seen := map[string]*node{}
	check := func(n *node) {
		id, _, numbered := strings.Cut(ids[n], "#")
		if first := seen[id]; first != nil && (numbered || strings.Contains(ids[first], "#")) {
			errs = append(errs, fmt.Errorf("%s at %s and at %s are alike, and a checkpoint could not tell them apart: "+
				"give each a name with Named", n.op, first.site, n.site))
			return
		}
		seen[id] = n
	}
	for _, in := range ssc.inputs {
		check(in.node)
	}
	for _, k := range ssc.states {
		check(k.node)
	}
	for _, o := range ssc.outputs {
		check(o.node)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w:\n%w", ErrGraph, err)
	}
	return nil
}

// fit compares the program with what the log holds: what has gone while something of its kind is new must be said by
// the user.
func (ssc *Context) fit(ctx context.Context) error {
	found, ids := ssc.durable.found, ssc.operatorIDs()
	var inputs, states []string
	for _, in := range ssc.inputs {
		inputs = append(inputs, ids[in.node])
	}
	for _, k := range ssc.states {
		states = append(states, ids[k.node])
	}
	renames, err := ssc.renames()
	if err != nil {
		return err
	}
	var errs []error
	errs = append(errs, unfit("input", names(found.Positions), inputs, renames))
	errs = append(errs, unfit("state", names(found.States), states, renames))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w (%s):\n%w", ErrUnfit, ssc.durable.dir, err)
	}
	var entries []checkpoint.Entry
	for from, to := range renames {
		_, input := found.Positions[from]
		_, state := found.States[from]
		if input || state {
			entries = append(entries, checkpoint.Rename{From: from, To: to})
		}
	}
	if len(entries) > 0 {
		if len(found.Opened()) > 0 {
			return fmt.Errorf("%w (%s): a batch is planned that needs what is to be renamed or dropped: finish it "+
				"with the old program first", ErrUnfit, ssc.durable.dir)
		}
		if err := ssc.log.Append(ctx, entries...); err != nil {
			return err
		}
		if ssc.durable.found, err = ssc.log.State(); err != nil {
			return err
		}
	}
	return ssc.fitOpen()
}

// names are the keys of a map, in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// unfit is the error of what has gone while something of its kind is new.
func unfit(kind string, before, now []string, renames map[string]string) error {
	var gone, fresh []string
	for _, id := range before {
		if _, said := renames[id]; !said && !slices.Contains(now, id) {
			gone = append(gone, id)
		}
	}
	for _, id := range now {
		if !slices.Contains(before, id) && !slices.Contains(slices.Collect(maps.Values(renames)), id) {
			fresh = append(fresh, id)
		}
	}
	if len(gone) == 0 || len(fresh) == 0 {
		return nil
	}
	return fmt.Errorf("the %s %q of the checkpoint is not in the program, and %q is new: set %s to %q if it is the "+
		"same one, or %s to %q if it is to be given up", kind, gone[0], fresh[0], conf.CheckpointRename.Name(),
		gone[0]+" => "+fresh[0], conf.CheckpointDrop.Name(), gone[0])
}

// renames are what the settings say has another name now, and with an empty one what is dropped.
func (ssc *Context) renames() (map[string]string, error) {
	all := map[string]string{}
	for _, text := range listed(conf.CheckpointRename.Get(ssc.conf)) {
		from, to, ok := strings.Cut(text, "=>")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if !ok || from == "" || to == "" {
			return nil, fmt.Errorf("%s: %q is not of the form OLD => NEW", conf.CheckpointRename.Name(), text)
		}
		all[from] = to
	}
	for _, id := range listed(conf.CheckpointDrop.Get(ssc.conf)) {
		all[id] = ""
	}
	return all, nil
}

// listed gives the parts between semicolons; ids hold commas.
func listed(text string) (parts []string) {
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// split is what decides, but for the ranges, which record lands where.
func (ssc *Context) split() *checkpoint.Split {
	ids := ssc.operatorIDs()
	s := &checkpoint.Split{
		Fingerprint: ssc.fingerprint(),
		Partitions:  map[string]int{defaultPartitions: ssc.sc.DefaultParallelism()},
	}
	for _, k := range ssc.states {
		if s.Buckets == nil {
			s.Buckets = map[string]checkpoint.Deal{}
		}
		s.Buckets[ids[k.node]] = k.deal()
	}
	return s
}

// defaultPartitions is the place of the default parallelism among a split's partitions.
const defaultPartitions = "default"

// fitOpen refuses a program that would split a planned batch differently. Where the default parallelism is that of
// inputs only it may differ: a batch runs with that of its plan.
func (ssc *Context) fitOpen() error {
	now := ssc.split()
	for _, b := range ssc.durable.found.Opened() {
		was, what := b.Plan.Split, ""
		switch {
		case was == nil:
		case was.Fingerprint != now.Fingerprint:
			what = "the graph is another one"
		case ssc.byDefault && was.Partitions[defaultPartitions] != now.Partitions[defaultPartitions]:
			what = fmt.Sprintf("shuffles without a number of partitions have %d in its plan, not %d (set %s to that)",
				was.Partitions[defaultPartitions], now.Partitions[defaultPartitions], conf.Parallelism.Name())
		default:
			for id, deal := range was.Buckets {
				if now.Buckets[id] != deal {
					what = fmt.Sprintf("the state %q lies in %d partitions, not %d", id, deal.Partitions,
						now.Buckets[id].Partitions)
				}
			}
		}
		if what != "" {
			return fmt.Errorf("%w (%s): batch %d is planned and not committed, and would be split differently now: "+
				"%s; let the old program finish it (start that, and stop it gracefully), then start this one", ErrUnfit,
				ssc.durable.dir, b.Plan.Sequence, what)
		}
	}
	return nil
}
