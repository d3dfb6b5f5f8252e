package dstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
)

// The loop is two goroutines: the planner fixes the ranges of each batch when its time has come and queues
// it; the runner runs the queued batches one after the other and commits them. A third waits for both and
// closes the context, and a fourth has them end in time when the program has failed. The queue is bounded:
// while it is full the planner waits, and the times that pass meanwhile are missed.
type loop struct {
	ssc       *Context
	ids       []string // operator ids of the inputs
	outputIDs []string
	stateIDs  []string
	replays   bool              // one batch is run again, and nothing logged of it
	split     *checkpoint.Split // of the batches to come; nil once it has been logged
	each      bool              // missed times get batches of their own
	failed    failurePolicy
	outputs   []int         // in the order in which they run
	lettersTo []int         // those that read dead letters, and run after the others
	patience  time.Duration // how long planning may fail before the job does

	queue chan *Batch

	life  context.Context // ends when the loop must stop at once
	kill  context.CancelCauseFunc
	drain chan struct{} // closed when no further time is to be awaited
	// times ends with life, and when drain is closed.
	times    context.Context
	endTimes context.CancelFunc
	gone     chan struct{} // closed when bodies that hang are abandoned
	ran      chan struct{} // closed when the runner has ended
	// loaded is closed when what earlier batches left has been brought back, restored when what they planned has run,
	// too.
	loaded, restored chan struct{}
	over             chan struct{} // closed when the planner has ended, too, and the context is about to be closed
	bounded          chan struct{} // closed when nothing is given up any more for an error of the program

	abandoning          chan struct{} // held by who gives up what hangs, until it is said
	drainOnce, goneOnce sync.Once
	deadline            time.Time // of a drain; set before drain is closed
	draining            bool      // the planner plans what receivers left

	mu        sync.Mutex
	running   map[*Output]int
	afterStop error // the first one after a stop had cut all off
	concluded bool

	next int64 // sequence of the next plan
	last Time  // time of the last plan

	ahead time.Duration // of the clock, as it was said last; 0 for not at all

	missed     *TimesMissed // times that have passed before the one that is next; nil for none
	saidMissed Time         // up to which time of those it has been said

	logged    int64        // sequence of the last plan in the log, -1 for none
	loggedAt  Time         // of the last plan that this process has logged
	waiting   atomic.Int64 // batches that are planned and not over, since the start
	undecided *unlogged    // the last batch, if it is not known yet whether it will be in the log

	outboxes map[*Output]*outbox // nil where each batch is committed before the next one runs
	following

	// What follows belongs to who commits: the runner, or the goroutine of following while batches are with it.
	committed int64 // batches
	unread    []*Batch
	releases  []*Batch // of which the log learns with the next commit that nothing asks for them
	onItsWay  *committing

	generating     chan struct{}        // held by who makes RDDs, and so reads or changes what follows
	making         atomic.Pointer[node] // whose function runs; nil for none
	past           map[Time]*generation // of this batch and earlier ones, as far as they are needed
	kept           map[int]int          // how many streams of these have the RDD of that ID
	oldest, newest Time                 // batches that have run
	strange        []Time               // of them those whose times are none of the interval, for it was another one
}

func newLoop(ssc *Context, ids []string) *loop {
	l := &loop{
		ssc:       ssc,
		ids:       ids,
		outputIDs: ssc.outputIDs(),
		stateIDs:  ssc.stateIDs(),
		split:     ssc.split(),
		each:      ssc.eachTime(),
		failed:    ssc.failurePolicy(),
		patience:  conf.NetworkTimeout.Get(ssc.conf),
		queue:     make(chan *Batch, conf.MaxQueuedBatches.Get(ssc.conf)),
		drain:     make(chan struct{}),
		gone:      make(chan struct{}),
		ran:       make(chan struct{}),
		loaded:    make(chan struct{}),
		restored:  make(chan struct{}),
		over:      make(chan struct{}),
		bounded:   make(chan struct{}),

		abandoning: make(chan struct{}, 1),
		generating: make(chan struct{}, 1),
		past:       map[Time]*generation{},
		kept:       map[int]int{},
	}
	l.logged = -1
	l.outputs, l.lettersTo = ssc.letters.split(ssc.outputs)
	if found := ssc.durable.found; found != nil {
		l.next, l.last = found.Planned.Sequence+1, Time(found.Planned.Time)
		l.logged = found.Planned.Sequence
		l.committed = l.next - int64(len(found.Opened()))
		if found.Split != nil && reflect.DeepEqual(found.Split, l.split) {
			l.split = nil
		}
	}
	l.life, l.kill = context.WithCancelCause(exec.WithProperties(context.Background(), ssc.properties))
	l.times, l.endTimes = context.WithCancel(l.life)
	return l
}

// eachTime tells whether a time that was missed must have a batch of its own: when an operator depends on
// batch times, unless a setting says otherwise.
func (ssc *Context) eachTime() bool {
	switch conf.Missed.Get(ssc.conf) {
	case conf.EachMissed:
		return true
	case conf.MergeMissed:
		return false
	}
	for _, n := range ssc.nodes {
		if n.timed || n.slide != ssc.interval {
			return true
		}
	}
	return false
}

func (l *loop) start() {
	planned := make(chan struct{})
	go func() {
		defer close(planned)
		defer close(l.queue)
		err := l.planAll()
		if stack := stackOf(err); stack != nil {
			l.ssc.logger.Error("a function panicked while a batch was planned", append(stack, "error", err)...)
		}
		l.end(err)
	}()
	go func() {
		defer close(l.ran)
		l.follow()
		err := l.runAll()
		l.end(errors.Join(err, l.awaitFollowing()))
		l.followNoMore()
	}()
	go l.boundEnd()
	go func() {
		<-planned
		<-l.ran
		l.takeBackIdle()
		l.sealInputs()
		l.conclude()
		close(l.over)
		<-l.bounded
		l.abandoning <- struct{}{} // Listeners hear what was given up, for which all of this has ended.
		<-l.abandoning
		l.letGo()
		l.ssc.finish(context.Background())
	}()
}

// runAll runs the batches that an earlier process has planned, and then those that the planner queues.
func (l *loop) runAll() error {
	if err := l.goOn(); err != nil {
		return err
	}
	for b := range l.queue {
		if err := l.runBatch(b); err != nil {
			return err
		}
	}
	return nil
}

// conclude keeps how the program has ended, when nothing of the loop runs any more. What fails after a stop has cut it
// off may fail of that: if a drain was cut, that is the error.
func (l *loop) conclude() {
	left, stopped := l.left(), errors.Is(context.Cause(l.life), ErrStopped)
	if l.verdict(stopped, left) == nil && stopped && left != "" {
		l.ssc.leaveOpen(left)
	}
	l.ssc.durable.clean = l.committed == l.next
}

// verdict is the error of a stop that has left something, or of what came after it, nil for none of these.
func (l *loop) verdict(stopped bool, left string) (err error) {
	cut := l.cutShort()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.concluded = true
	if cut {
		err = drainCut(left)
	} else if stopped {
		err = l.afterStop
	}
	if err != nil {
		l.ssc.fail(err)
	}
	return err
}

// cutShort tells, when nothing of the loop runs any more, whether a drain that had begun has left something: a stop cut
// it, or a receiver that had been given up stored more.
func (l *loop) cutShort() bool {
	select {
	case <-l.drain:
	default:
		return false
	}
	if failed := context.Cause(l.life); failed != nil && !errors.Is(failed, ErrStopped) {
		return false
	}
	return l.committed < l.next || l.ssc.pending() > 0
}

// end stops the loop for an error of the program; that it was stopped is none.
func (l *loop) end(err error) {
	if err == nil {
		return
	}
	// A body that is cut off may say so in the words of its context.
	stopped := errors.Is(err, ErrStopped) || errors.Is(err, context.Canceled)
	switch {
	case !errors.Is(context.Cause(l.life), ErrStopped):
		l.ssc.fail(err)
	case !stopped:
		l.failAfterStop(err)
	}
	l.kill(err)
}

// failAfterStop has conclude decide whether the program failed of what came after a stop, unless it has done so.
func (l *loop) failAfterStop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.concluded {
		l.ssc.fail(err)
	}
	l.afterStop = cmp.Or(l.afterStop, err)
}

// finishing tells the planner that no further time is to be awaited, and by when all must be done.
func (l *loop) finishing(deadline time.Time) {
	l.drainOnce.Do(func() {
		l.deadline = deadline
		close(l.drain)
		l.endTimes()
	})
}

// abandonBodies gives up the outputs that still run, and who makes RDDs, and names them.
func (l *loop) abandonBodies() error {
	l.mu.Lock()
	var names []string
	for o := range l.running {
		names = append(names, fmt.Sprintf("%s (%s)", o.label(), o.node.site))
	}
	l.mu.Unlock()
	made := l.making.Load()
	l.goneOnce.Do(func() { close(l.gone) })
	var err error
	if made != nil {
		err = fmt.Errorf("abandoned at the deadline, for its function does not return: %s (%s)", made.op, made.site)
	}
	if len(names) == 0 {
		return err
	}
	slices.Sort(names)
	return errors.Join(err, fmt.Errorf("abandoned at the deadline, for it ignores that its context has ended: output "+
		"%s", strings.Join(names, ", ")))
}

// enter keeps which outputs run; leave ends that.
func (l *loop) enter(o *Output) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil {
		l.running = map[*Output]int{}
	}
	l.running[o]++ // A batch may be written while the next one is computed.
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running[o]--; l.running[o] == 0 {
			delete(l.running, o)
		}
	}
}

// planAll plans a batch at each time until the loop is drained or killed, then what is left of receivers.
func (l *loop) planAll() error {
	ssc := l.ssc
	select {
	case <-l.restored:
	case <-l.life.Done():
		return nil
	}
	if ssc.finishes {
		l.finishing(time.Now().Add(ssc.stopTimeout(true)))
	}
	t := now().Floor(ssc.interval).Add(ssc.interval)
	if l.last > 0 {
		t = l.after(l.last.Floor(ssc.interval))
	}
	for l.await(t) {
		if err := l.planNext(t); err != nil {
			return err
		}
		t = l.after(t)
	}
	if l.life.Err() != nil {
		return nil
	}
	stopped := l.drainInputs()
	l.draining = true
	return l.planLeft(t, stopped)
}

// drainInputs stops all receivers at the same time, and gives what is closed when none of them stores any more, or at
// the drain's deadline. A while is waited for that, so that one batch takes what they had in hand; but one that is slow
// may not use up the time in which what it has brought in is to be processed.
func (l *loop) drainInputs() (stopped <-chan struct{}) {
	patience := min(receiverStopTimeout, max(time.Until(l.deadline)/3, 0))
	ctx, cancel := context.WithDeadlineCause(l.life, l.deadline, errors.New("the receiver does not stop"))
	all := make(chan struct{})
	go func() {
		defer close(all)
		defer cancel()
		var wg sync.WaitGroup
		for _, in := range l.ssc.inputs {
			wg.Go(func() { l.drainInput(ctx, in, patience) })
		}
		wg.Wait()
	}()
	l.awaitStopped(all, patience)
	return all
}

func (l *loop) drainInput(ctx context.Context, in *input, patience time.Duration) {
	defer time.AfterFunc(patience, func() {
		l.ssc.warn("a receiver has not stopped yet; what it stores is processed meanwhile", nil, "input", in.label(),
			"waited", patience)
	}).Stop()
	if err := in.drain(ctx); err != nil && l.life.Err() == nil {
		l.ssc.warn("a receiver did not stop; what it has stored is processed", err, "input", in.label())
	}
}

// awaitStopped waits until all receivers have stopped, for a while at most.
func (l *loop) awaitStopped(stopped <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-stopped:
	case <-timer.C:
	case <-l.life.Done():
	}
}

// planLeft plans what receivers have left, from t on, until they have stopped and nothing is left. As long as one goes
// on storing there is a batch at each interval.
func (l *loop) planLeft(t Time, stopped <-chan struct{}) error {
	for l.life.Err() == nil {
		over := false // Asked before what is left, for that may become more until then.
		select {
		case <-stopped:
			over = true
		default:
		}
		if left := l.ssc.pending(); left > 0 {
			if err := l.planNext(t); err != nil {
				return err
			}
			t = t.Add(l.ssc.interval)
		} else if over {
			break
		}
		if !over {
			l.awaitStopped(stopped, l.ssc.interval)
		}
	}
	<-stopped
	return nil
}

// sealInputs has receivers be refused from here on: what is left is counted now, and no batch would take what they
// store later.
func (l *loop) sealInputs() {
	var wg sync.WaitGroup
	for _, in := range l.ssc.inputs {
		r, ok := in.source.(receiving)
		if !ok {
			continue
		}
		wg.Go(func() {
			if err := l.within(conf.ShutdownTimeout.Get(l.ssc.conf), r.refuse); err != nil {
				l.ssc.warn("it is not known whether all that a receiver stored is there", err, "input", in.label())
			}
		})
	}
	wg.Wait()
}

func (ssc *Context) pending() (n int64) {
	for _, in := range ssc.inputs {
		n += in.pending()
	}
	return n
}

// await waits until t and tells whether it has come: false says that the loop is being stopped. Times strictly
// increase, whatever the clock does. Where they are ahead of it, for it was set back, or a drain planned batches for
// times to come, t is not waited for: an interval and a quarter is, so that batches go on and the clock comes up with
// them.
func (l *loop) await(t Time) bool {
	for {
		wait, longest := time.Until(t.Std()), l.ssc.interval+l.ssc.interval/4
		ahead := wait > longest
		l.sayAhead(ahead, wait-l.ssc.interval)
		if wait <= 0 {
			return !l.stopping() // A time that has passed already and a stop come together.
		}
		timer := time.NewTimer(min(wait, longest))
		select {
		case <-l.drain:
			timer.Stop()
			return false
		case <-l.life.Done():
			timer.Stop()
			return false
		case <-timer.C:
			if ahead {
				return !l.stopping()
			}
		}
	}
}

// sayAhead tells by how much the last batch's time is ahead of the clock: when that begins, when it has become more,
// and when it is over. A restart right after a drain has it by the batches that the drain took; more than some are a
// clock's.
func (l *loop) sayAhead(ahead bool, by time.Duration) {
	said := l.ahead
	switch {
	case !ahead && said > 0:
		l.ahead = 0
		l.ssc.logger.Info("the clock has come up with the times of batches")
	case ahead && by > said:
		l.ahead = by
		say := l.ssc.logger.Info
		if by > aheadByDrain*l.ssc.interval {
			say = l.ssc.logger.Warn
		}
		say("the clock stands before the last batch, for it was set back, or a drain planned for times to come; going "+
			"on from there, with intervals that are a quarter longer until it has come up", "last", l.last.String(),
			"behind", by)
	}
}

// aheadByDrain is how many intervals the batches of a drain may well be ahead of the clock.
const aheadByDrain = 10

// stopping tells that no further batch is to be planned.
func (l *loop) stopping() bool {
	select {
	case <-l.drain:
		return true
	case <-l.life.Done():
		return true
	default:
		return false
	}
}

// after gives the time that follows t. When more have passed already they are either run one by one or
// merged: the next batch then has the last of them and takes what all of them would have.
func (l *loop) after(t Time) Time {
	next, latest := t.Add(l.ssc.interval), now().Floor(l.ssc.interval)
	l.missed = nil
	if latest <= next {
		return next
	}
	count := int64(latest.Sub(next) / l.ssc.interval)
	l.missed = &TimesMissed{From: next, To: latest.Add(-l.ssc.interval), Count: count}
	if l.each {
		return next
	}
	return latest
}

// sayMissed tells, when a batch has been planned, what becomes of the times that had passed before it. What runs one by
// one is said once for all of them.
func (l *loop) sayMissed() {
	m := l.missed
	if l.missed = nil; m == nil || l.each && m.From <= l.saidMissed {
		return
	}
	l.saidMissed = m.To
	text := "batch times were missed: the next batch takes what theirs would have, up to the limit of one"
	if l.each {
		text = "batch times were missed: each gets a batch of its own now, one right after the other"
	} else {
		l.ssc.bus.emit(*m)
	}
	l.ssc.logger.Info(text, "from", m.From.String(), "to", m.To.String(), "count", m.Count)
}

func (l *loop) planNext(t Time) error {
	b, err := l.plan(t)
	if err != nil || b == nil {
		return err
	}
	l.sayMissed()
	b.info.SubmissionTime = time.Now()
	l.ssc.bus.emit(BatchSubmitted{b.info})
	l.waiting.Add(1)
	select {
	case l.queue <- b:
	case <-l.life.Done():
	}
	return nil
}

// plan asks every input for its range and logs the plan. It gives nil if the loop was stopped meanwhile.
func (l *loop) plan(t Time) (*Batch, error) {
	ssc := l.ssc
	if !l.decide() {
		return nil, nil
	}
	b := l.newBatch(l.next, t, rand.Uint64())
	record := checkpoint.Plan{Sequence: b.Sequence, Time: int64(t), Ranges: map[string]checkpoint.Range{}, Seed: b.seed,
		Split: l.split}
	for i, in := range ssc.inputs {
		limit := in.rate.next()
		p, stopped, err := l.planInput(in, limit)
		if err != nil || stopped {
			return nil, err
		}
		b.inputs[in.node] = p
		record.Ranges[l.ids[i]] = checkpoint.Range{Data: p.rng, Records: p.records}
		b.info.Inputs = append(b.info.Inputs, InputInfo{StreamID: in.number, Name: in.label(), Records: p.records,
			Description: in.describe(p.rng), Limit: limit.Records})
	}
	if err := l.logPlan(b, record); err != nil {
		return nil, err
	}
	for _, in := range ssc.inputs {
		in.from = b.inputs[in.node].rng
	}
	l.next, l.last, l.split = l.next+1, t, nil
	return b, nil
}

// newBatch makes a batch that has no ranges yet.
func (l *loop) newBatch(sequence int64, t Time, seed uint64) *Batch {
	return &Batch{
		Time:        t,
		Sequence:    sequence,
		ssc:         l.ssc,
		seed:        seed,
		parallelism: l.ssc.parallelism(),
		stepped:     make([]bool, len(l.ssc.steps)),
		inputs:      map[*node]planned{},
		done:        make([]bool, len(l.ssc.outputs)),
		outputs:     make([]OutputInfo, len(l.ssc.outputs)),
		info:        BatchInfo{BatchTime: t, Sequence: sequence},
	}
}

// planTimeout bounds one question to an input, planPause the time between two of them. After planSilence it is said
// that one has no answer yet.
const (
	planTimeout = 15 * time.Second
	planSilence = 3 * time.Second
	planPause   = time.Second
)

// planInput asks an input for its range, again and again for a while if time may mend its error. While the program
// is being drained, nothing new is waited for: stopped tells that there is no range.
func (l *loop) planInput(in *input, limit Limit) (rng planned, stopped bool, err error) {
	ctx := l.times
	if l.draining {
		ctx = l.life
	}
	for since := time.Now(); ; {
		rng, err = l.askRange(ctx, in, limit)
		switch {
		case l.life.Err() != nil:
			return rng, true, nil
		case err == nil:
			return rng, false, nil
		case ctx.Err() != nil:
			return rng, true, nil
		}
		err = fmt.Errorf("plan %s: %w", in.where(), err)
		var t transient
		if !errors.As(err, &t) {
			return rng, false, err
		}
		if time.Since(since) > l.patience {
			return rng, false, fmt.Errorf("%w (tried again for %v, spark.network.timeout)", err, l.patience)
		}
		l.ssc.warn("an input cannot be planned; trying again", err, "input", in.label())
		select {
		case <-time.After(planPause):
		case <-ctx.Done():
			return rng, true, nil
		}
	}
}

// askRange asks an input once.
func (l *loop) askRange(ctx context.Context, in *input, limit Limit) (planned, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, planTimeout, errors.New("the input did not answer in time"))
	defer cancel()
	defer time.AfterFunc(planSilence, func() {
		l.ssc.warn("an input has not answered yet, and the next batch waits for it", nil, "input", in.label(), "waited",
			planSilence)
	}).Stop()
	from := in.from
	return call(ctx, func(ctx context.Context) (planned, error) {
		rng, n, err := in.plan(ctx, from, limit)
		return planned{rng: rng, records: n}, err
	})
}
