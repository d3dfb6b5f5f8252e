package dstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A Replay says how [Context.Replay] runs a batch again.
type Replay struct {
	// Sequence is the batch, which the checkpoint must still hold: weir.checkpoint.retainedBatches.
	Sequence int64
	// Records is how many records of each output are shown at most; 0 is all.
	Records int
	// Effects has the outputs do what they do, instead of showing what they would be given: bodies and the functions of
	// tasks are called, and sinks written to. The checkpoint is owned meanwhile, so that the program must have stopped,
	// and nothing may be open. A sink that stores batches together with their identities leaves out what it holds; any
	// other effect is there twice then.
	Effects bool
}

// A Replayed is what came of a [Context.Replay].
type Replayed struct {
	Time     Time
	Sequence int64
	// Outputs are those that have an RDD in the batch, in order of definition.
	Outputs []ReplayedOutput
}

// A ReplayedOutput is what an output was given. With Effects it is not looked at, and Records is -1.
type ReplayedOutput struct {
	Name, Op, Site string
	Records        int64
}

// Replay runs, instead of Start, one batch of the checkpoint once more, with its plan, on the states and windows that
// it had: to see what it gave, or to go through it with a debugger. It writes the records that each output is given to
// [Context.Output], by fmt's %v on a line each, and changes nothing: the checkpoint is only read, and may be in use; no
// output is run, nothing is committed, inputs are told nothing. With the program that ran the batch, its inputs still
// there and its functions deterministic, it gives what it gave; functions may be others, the graph may not, which is an
// error that wraps [ErrUnfit]. A batch whose windows look back to batches that are not kept any more is refused, and so
// is one of which the process that received it has taken records with it.
//
// The records that are shown are held in memory as texts. The context is stopped afterwards.
func (ssc *Context) Replay(ctx context.Context, how Replay) (*Replayed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if ssc.claim(cancel) != Initialized {
		return nil, fmt.Errorf("Replay: %w", ErrStarted)
	}
	defer close(ssc.begun)
	done, err := ssc.replay(ctx, how)
	if err != nil {
		ssc.fail(err)
	}
	ssc.finish(context.WithoutCancel(ctx))
	return done, ssc.failure()
}

func (ssc *Context) replay(ctx context.Context, how Replay) (*Replayed, error) {
	standing, err := ssc.readLog(ctx)
	if err != nil {
		return nil, err
	}
	found := standing.State
	was, err := found.Rewound(how.Sequence)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err)
	}
	if err := ssc.replayable(ctx, was); err != nil {
		return nil, err
	}
	if err := ssc.takeRDDs(); err != nil {
		return nil, err
	}
	if err := ssc.toReplay(ctx, found, was, how.Effects); err != nil {
		return nil, ssc.gone(ctx, found, how.Sequence, err)
	}
	ssc.properties = batchProperties(ctx)
	go ssc.bus.run(ssc.sc.Inside(), ssc.listenerPanicked, ssc.listenerBehind)
	l := newLoop(ssc, ssc.inputIDs())
	l.replays = true
	ssc.mu.Lock()
	ssc.loop = l
	ssc.mu.Unlock()
	defer context.AfterFunc(ctx, func() { l.kill(context.Cause(ctx)) })()
	if ssc.durable.opened {
		go l.watchLog()
	}
	done, err := l.replay(how)
	close(l.over)
	l.letGo()
	return done, ssc.gone(ctx, found, how.Sequence, err)
}

// gone says of a file of the checkpoint that is not there whether the program, which may run beside the replay, has
// released meanwhile what the batch needs. found is the log as it was read before.
func (ssc *Context) gone(ctx context.Context, found *checkpoint.State, sequence int64, err error) error {
	if damage, ok := errors.AsType[*checkpoint.DamageError](err); !ok || !errors.Is(damage, fs.ErrNotExist) {
		return err
	}
	now, readErr := checkpoint.Read(ctx, ssc.durable.fs, ssc.durable.path)
	if readErr != nil || now == nil || now.Released <= found.Released {
		return err
	}
	return fmt.Errorf("checkpoint %s: batches up to %d were released while batch %d was replayed, and what it needs "+
		"has gone with them: replay a later one, or have more kept (%s)", ssc.durable.dir, now.Released, sequence,
		conf.RetainedInCheckpoint.Name())
}

// replayable refuses a batch that would not be what it was.
func (ssc *Context) replayable(ctx context.Context, was *checkpoint.State) error {
	f := &fitting{ssc: ssc, found: was, ids: ssc.operatorIDs()}
	if err := f.types(ctx); err != nil {
		return err
	}
	if err := ssc.takeDealing(was); err != nil {
		return err
	}
	ssc.findRecall(was, f.before)
	plan := was.Batches[len(was.Batches)-1].Plan
	if what := f.differently(plan.Split); what != "" {
		f.errs = append(f.errs, fmt.Errorf("batch %d would not be what it was: %s; replay it with the program that "+
			"planned it", plan.Sequence, what))
	}
	if err := f.err(); err != nil {
		return err
	}
	for i, id := range ssc.inputIDs() {
		if in := ssc.inputs[i]; plan.Ranges[id].Records > 0 && in.forgone(plan.Ranges[id].Data) {
			return fmt.Errorf("batch %d cannot be replayed: %d records of %s were held by the process that had "+
				"received them", plan.Sequence, plan.Ranges[id].Records, in.where())
		}
	}
	from := Time(was.Committed.Time).Floor(ssc.interval).Add(-ssc.recall)
	if first := was.Batches[0].Plan; ssc.recall > 0 && was.Released >= 0 && Time(first.Time) > from {
		return fmt.Errorf("batch %d cannot be replayed: its windows look back to %v, and the batches before %v are "+
			"not kept any more: more are if %s is larger", plan.Sequence, from, Time(first.Time),
			conf.RetainedInCheckpoint.Name())
	}
	return nil
}

// toReplay brings states and inputs to where the batch found them. found is the end of the log.
func (ssc *Context) toReplay(ctx context.Context, found, was *checkpoint.State, effects bool) error {
	d := &ssc.durable
	if effects {
		if err := ssc.ownToReplay(ctx, found, was); err != nil {
			return err
		}
	} else {
		d.fs = vfs.ReadOnly(d.fs)
		ssc.job = found.Job
	}
	if err := ssc.takeDealing(was); err != nil {
		return err
	}
	ssc.sayWidth()
	if effects {
		if err := ssc.openAll(ctx); err != nil { // Sinks are compared with the end of the log.
			return err
		}
	}
	d.found, d.replays = was, true
	if err := ssc.openStateStore(ctx); err != nil {
		return err
	}
	if err := ssc.loadStates(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the inputs did not answer in time"))
	defer cancel()
	plan := was.Batches[len(was.Batches)-1].Plan
	for i, id := range ssc.inputIDs() {
		in := ssc.inputs[i]
		in.rate = newRateControl(ssc.conf, ssc.interval)
		r, planned := plan.Ranges[id]
		if !planned || in.received() || in.logs() {
			continue // What is logged is read as it is; a receiver is not even begun.
		}
		if _, err := resolve(ctx, in, r.Data); err != nil {
			return fmt.Errorf("replay of %s: %w", in.where(), err)
		}
	}
	return nil
}

// ownToReplay takes the checkpoint over. Effects of a batch that is open, or in doubt, are for Finish.
func (ssc *Context) ownToReplay(ctx context.Context, found, was *checkpoint.State) error {
	n := was.Planned.Sequence
	if open := found.Opened(); len(open) > 0 {
		if err := checkpoint.Held(ctx, ssc.durable.fs, ssc.durable.path); err != nil { // Its owner may be at it.
			return fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err)
		}
		return fmt.Errorf("checkpoint %s: batch %d cannot be replayed with its effects while batch %d is planned and "+
			"not committed: finish it first (weir finish)", ssc.durable.dir, n, open[0].Plan.Sequence)
	}
	if found.Batch(n).Skip != nil {
		return fmt.Errorf("checkpoint %s: batch %d was given up, and its effects are burned", ssc.durable.dir, n)
	}
	if err := ssc.openLog(ctx); err != nil {
		return err
	}
	ssc.durable.clean = true
	if now := ssc.durable.found; now.Planned != found.Planned || now.Committed != found.Committed {
		return fmt.Errorf("checkpoint %s: the program ran while its batch was to be replayed; try again",
			ssc.durable.dir)
	}
	return nil
}

// replay runs the batch.
func (l *loop) replay(how Replay) (*Replayed, error) {
	if err := l.bringBack(); err != nil {
		return nil, err
	}
	b := l.batchOf(l.ssc.durable.found.Opened()[0])
	l.ssc.letters.begin(b)
	done := &Replayed{Time: b.Time, Sequence: b.Sequence}
	err := l.inParallelism(b, func() error {
		g := l.newGeneration(b)
		runs, shows, err := l.prepareReplay(b, g, how)
		if err != nil {
			return err
		}
		first, last := l.ssc.letters.split(l.ssc.outputs)
		if err := l.runList(b, runs, first); err != nil {
			return err
		}
		if last != nil {
			if err := l.collectLetters(b); err != nil {
				return err
			}
		}
		if err := l.runList(b, runs, last); err != nil {
			return err
		}
		for i, run := range runs {
			if run != nil {
				done.Outputs = append(done.Outputs, *shows[i])
			}
		}
		return nil
	})
	return done, err
}

// prepareReplay is prepare, with outputs that show what they are given.
func (l *loop) prepareReplay(b *Batch, g *generation, how Replay) ([]func(context.Context) error, []*ReplayedOutput,
	error) {
	shows := make([]*ReplayedOutput, len(l.ssc.outputs))
	for i, o := range l.ssc.outputs {
		shows[i] = &ReplayedOutput{Name: o.label(), Op: o.node.op, Site: o.node.site.String(), Records: -1}
	}
	if how.Effects {
		runs, err := l.prepare(b, g)
		return runs, shows, err
	}
	runs := make([]func(context.Context) error, len(l.ssc.outputs))
	err := l.apart(func() error {
		l.past[b.Time] = g
		if err := l.runSteps(b, g); err != nil {
			return err
		}
		for i, o := range l.ssc.outputs {
			if err := guardShow(o, g, how.Records, shows[i], &runs[i]); err != nil {
				return fmt.Errorf("batch %d (%v): making the RDDs of %s (%s): %w", b.Sequence, b.Time, o.label(),
					o.node.site, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return runs, shows, nil
}

func guardShow(o *Output, g *generation, most int, into *ReplayedOutput, run *func(context.Context) error) (err error) {
	defer recovered(&err)
	*run = o.show(g, most, into)
	return nil
}

// showing gives what an output of the stream does when its batch is replayed: it writes out the records that it would
// be given.
func showing[T any](d *DStream[T]) func(g *generation, most int, into *ReplayedOutput) func(context.Context) error {
	type shown struct {
		texts []string
		n     int64
	}
	return func(g *generation, most int, into *ReplayedOutput) func(context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error {
			parts := make([]shown, r.NumPartitions())
			err := rdd.RunJob(ctx, r, nil, func(_ *rdd.TaskContext, in iter.Seq[T]) (s shown, err error) {
				in(func(v T) bool {
					if s.n++; most == 0 || s.n <= int64(most) {
						s.texts = append(s.texts, fmt.Sprintln(v))
					}
					return true
				})
				return s, nil
			}, func(i int, s shown) error { parts[i] = s; return nil })
			if err != nil {
				return err
			}
			var texts []string
			into.Records = 0
			for _, s := range parts {
				texts, into.Records = append(texts, s.texts...), into.Records+s.n
			}
			return d.node.ssc.write(ctx, into.text(g.batch.Time, texts, most))
		}
	}
}

// text is what is written of an output.
func (o *ReplayedOutput) text(t Time, texts []string, most int) []byte {
	var w bytes.Buffer
	fmt.Fprintf(&w, "%s\nTime: %v  %s (%s at %s), records: %d\n%[1]s\n", rule, t, o.Name, o.Op, o.Site, o.Records)
	if most > 0 && len(texts) > most {
		texts = texts[:most]
	}
	w.WriteString(strings.Join(texts, ""))
	if more := o.Records - int64(len(texts)); more > 0 {
		fmt.Fprintf(&w, "... and %d more\n", more)
	}
	w.WriteByte('\n')
	return w.Bytes()
}
