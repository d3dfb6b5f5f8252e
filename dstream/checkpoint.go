package dstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
// The checkpoint also keeps a seed, drawn at random when it is made, under which all keys of the program are dealt to
// partitions, so that nobody can choose keys that fill one partition: the order in which keys come is so another one in
// each new checkpoint, and the same in all runs on it.
//
// A program that has changed goes on as long as what the checkpoint holds has its place in it: inputs, outputs and
// states are found by their names, or by what they are made of if they have none. Start refuses, with [ErrUnfit] and
// before anything runs, a program in which one of them has gone while another one of its kind is new, unless
// weir.checkpoint.rename or weir.checkpoint.drop says what is meant, a state whose keys or values are of other types,
// and a graph or a setting that would split a batch differently that is planned already. After a graceful stop there is
// no such batch; [Context.CheckCheckpoint] says all that without starting. Outputs are told apart only where they have
// written through a sink.
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

// ErrStandby is wrapped by the error of a Start that was ended while it waited as a standby: nothing has run, and the
// checkpoint is its owner's.
var ErrStandby = checkpoint.ErrWaited

// ErrSetting is wrapped by the error of a Start whose settings do not go with its program. Nothing has run.
var ErrSetting = errors.New("a setting does not go with the program")

// A settingError is an ErrSetting, and says what is wrong and no more.
type settingError struct{ error }

func (settingError) Is(target error) bool { return target == ErrSetting }

func (e settingError) Unwrap() error { return e.error }

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
	// untouched tells that the log was clean when it was taken over, or new, and that nothing of the program has run.
	untouched bool
	// replays tells that the states are only looked at.
	replays bool
	// anew are the batches that are to be planned anew when the sinks have been asked.
	anew []resplit
}

// findLog finds where the checkpoint lies, if the program has one.
func (ssc *Context) findLog() (err error) {
	d := &ssc.durable
	if d.dir == "" {
		d.dir = conf.CheckpointDirectory.Get(ssc.conf)
	}
	if err := errors.Join(ssc.maySkip(), ssc.mayAccept()); err != nil {
		return err
	}
	if _, err := ssc.renames(); err != nil {
		return err
	}
	if d.dir == "" {
		return ssc.noLog()
	}
	ssc.keepWindows()
	if err := ssc.mustTell(); err != nil {
		return err
	}
	if d.fs, d.path, err = ssc.sc.FileSystem(d.dir); err != nil {
		return fmt.Errorf("checkpoint %s: %w", d.dir, err)
	}
	return nil
}

// ownerSettings are those that the log has of its owner.
func (ssc *Context) ownerSettings() map[string]string {
	return map[string]string{conf.Interval.Name(): ssc.interval.String(),
		conf.MasterURL.Name(): conf.MasterURL.Get(ssc.conf).String()}
}

// openLog takes the checkpoint over, if the program has one. It waits as long as ctx lasts where it is a standby.
func (ssc *Context) openLog(ctx context.Context) error {
	d := &ssc.durable
	if err := ssc.findLog(); err != nil || d.dir == "" {
		return err
	}
	log, r, err := checkpoint.Open(ctx, d.fs, d.path, checkpoint.Here(conf.AppName.Get(ssc.conf)), checkpoint.Options{
		Settings:    ssc.ownerSettings(),
		Fingerprint: ssc.fingerprint(),
		GivenUp:     ssc.dropped(),
		Wait:        conf.Standby.Get(ssc.conf),
		Report:      func(message string, err error) { ssc.warn(message, err) },
		Waiting:     ssc.sayWaiting,
	})
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", d.dir, err)
	}
	ssc.log, ssc.job, ssc.epoch = log, log.Job(), log.Epoch()
	d.found, d.opened, d.untouched = r.State, true, r.Stopped || r.First
	if !r.First {
		ssc.logger.Info("going on from a checkpoint", "checkpoint", d.dir, "epoch", r.Epoch, "committed",
			r.Committed.Sequence, "planned", r.Planned.Sequence, "stoppedCleanly", r.Stopped)
	}
	return ssc.fit(ctx)
}

// sayWaiting tells why the program does not begin.
func (ssc *Context) sayWaiting(epoch int64, owner checkpoint.Owner) {
	message := "waiting for a sign of life of the checkpoint's owner; without one the program goes on"
	if conf.Standby.Get(ssc.conf) {
		message = "waiting as a standby for the end of the checkpoint's owner"
	}
	ssc.logger.Info(message, "checkpoint", ssc.durable.dir, "owner", owner.String(), "epoch", epoch)
}

// fit refuses a program that does not fit what the log holds, and has the log know what was renamed.
func (ssc *Context) fit(ctx context.Context) error {
	f, err := ssc.compareWith(ctx, ssc.durable.found)
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return err
	}
	f.say()
	ssc.durable.anew = f.resplits
	ssc.sayShort()
	ssc.sayWidth()
	if len(f.entries) == 0 {
		return nil
	}
	ssc.sayDropped(f)
	if err := ssc.log.Append(ctx, f.entries...); err != nil {
		return err
	}
	ssc.durable.found, err = ssc.log.State()
	return err
}

// sayShort warns of batches that windows look back to and the log does not hold any more.
func (ssc *Context) sayShort() {
	found := ssc.durable.found
	if ssc.recall == 0 || found.Released < 0 || len(found.Batches) == 0 {
		return
	}
	from := Time(found.Committed.Time).Floor(ssc.interval).Add(-ssc.recall)
	if first := Time(found.Batches[0].Plan.Time); first > from {
		ssc.warn("what windows hold lacks the batches that the log does not hold any more", nil, "lookBackTo",
			from.String(), "heldFrom", first.String())
	}
}

// sayDropped warns of records that windows look back to and that go with what is given up.
func (ssc *Context) sayDropped(f *fitting) {
	for _, id := range names(f.renames) {
		records := int64(0)
		for _, b := range ssc.rerun() {
			records += b.Plan.Ranges[id].Records
		}
		if f.renames[id] == "" && records > 0 {
			ssc.warn("an input is given up, and windows lack what it had given", nil, "input", id, "records", records)
		}
	}
}

// noLog refuses what needs a checkpoint where there is none.
func (ssc *Context) noLog() error {
	for _, in := range ssc.inputs {
		if in.logs() {
			return fmt.Errorf("%w: %s=true for %s needs a checkpoint, where the log lies: say where by Checkpoint, "+
				"--checkpoint or %s, or leave the setting out: what the receiver holds is then lost with the process",
				ErrGraph, conf.ReceiverWriteAheadLog.Name(), in.where(), conf.CheckpointDirectory.Name())
		}
	}
	return nil
}

// closeLog gives the checkpoint back. That the stop was clean is written only if no batch is open and nothing failed: a
// call that came too late was ignored, and is no reason.
func (ssc *Context) closeLog(ctx context.Context) {
	if !ssc.durable.opened {
		return
	}
	ssc.mu.Lock()
	failed := ssc.err != nil
	ssc.mu.Unlock()
	clean := ssc.durable.clean && !failed || ssc.leftClean()
	err := tell(ctx, func(ctx context.Context) (err error) { // A disk that does not answer cannot be interrupted.
		if clean {
			err = ssc.log.Append(ctx, checkpoint.Stop{})
		}
		return errors.Join(err, ssc.log.Close(ctx))
	})
	if err != nil {
		ssc.fail(fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err))
	}
}

// leftClean tells that a start that failed leaves the log as clean as it was. A sink that was opened may have announced
// transactions, which are for the next owner to fence.
func (ssc *Context) leftClean() bool {
	if !ssc.durable.untouched {
		return false
	}
	state, err := ssc.log.State()
	return err == nil && len(state.Transactions) == 0
}

// mustTell refuses what could not be told apart in a log: inputs, outputs and states whose ids differ by their number
// only. What stands in a name is no number.
func (ssc *Context) mustTell() error {
	ids := ssc.markedIDs()
	var errs []error
	seen := map[string]*node{}
	check := func(n *node) {
		bare := number.ReplaceAllString(ids[n], "")
		if first := seen[bare]; first != nil && (bare != ids[n] || bare != ids[first]) {
			errs = append(errs, fmt.Errorf("%s at %s and at %s are alike, and a checkpoint could not tell them apart: "+
				"give each a name with Named", n.op, first.site, n.site))
			return
		}
		seen[bare] = n
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

// names are the keys of a map, in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
