package exec

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A stage is a set of tasks that differ only in their partition.
type stage struct {
	*Scheduler
	job    *runningJob
	op     *Node
	desc   TaskDesc
	work   func(*Task, int) (any, error)
	done   func(int, any) error
	ctx    context.Context
	cancel context.CancelCauseFunc
	set    *taskSet

	turn      chan struct{} // held by the task whose result done takes
	all       chan struct{} // closed when all tasks are over
	abandoned chan struct{} // closed when they are given up
	givenUp   sync.Once     // closes abandoned

	mu    sync.Mutex
	first error
	parts []part
	left  int             // tasks that are not over
	took  []time.Duration // of those that have ended well
}

// A part is what a stage knows of one task.
type part struct {
	partition int
	next      int // number of the next attempt
	failures  int
	active    int            // goroutines at it
	tries     map[*Task]bool // attempts that run
	since     time.Time      // when the oldest of them began
	doubled   bool           // a second attempt was asked for
	won       bool           // an attempt has ended well, which no other will any more
	handed    bool           // done has taken its result
	settled   bool           // counted as over
}

// errLost is why an attempt ends whose result is not needed any more.
var errLost = errors.New("another attempt at the partition was first")

// stage runs one task for each partition and hands the winners' results to done.
func (s *Scheduler) stage(ctx context.Context, job *runningJob, number int, op *Node, partitions []int,
	work func(*Task, int) (any, error), done func(int, any) error,
) error {
	if len(partitions) == 0 {
		return nil
	}
	st := &stage{Scheduler: s, job: job, op: op, desc: job.Desc, work: work, done: done,
		turn: make(chan struct{}, 1), all: make(chan struct{}), abandoned: make(chan struct{}), left: len(partitions)}
	st.desc.Stage = number
	for _, p := range partitions {
		st.parts = append(st.parts, part{partition: p, tries: map[*Task]bool{}})
	}
	st.set = st.newSet(number)
	st.ctx, st.cancel = context.WithCancelCause(ctx)
	defer st.cancel(nil)
	s.listen(StageStarted{Desc: st.desc, Action: job.Action, Op: op.Op, Site: op.Site, Tasks: len(partitions)})
	job.count(number, func(c *StageStatus) { c.Tasks = len(partitions) })
	if st.ctx.Err() != nil {
		st.fail(context.Cause(st.ctx))
	} else {
		s.slots.submit(st.set)
		st.wait()
	}
	err := st.failure()
	s.listen(StageEnded{Desc: st.desc, Err: err})
	return err
}

// newSet makes the list of the stage's tasks that wait for a slot.
func (st *stage) newSet(number int) *taskSet {
	name := st.job.properties[SchedulerPool]
	pool, known := st.slots.poolOf(name)
	if !known {
		st.listen(PoolMade{Name: name})
	}
	set := &taskSet{job: st.job.id, stage: number, pool: pool, start: st.start, first: make([]int, len(st.parts))}
	for i := range set.first {
		set.first[i] = i
	}
	return set
}

// wait returns when all tasks are over, or given up. What has not been started when the stage ends never is.
func (st *stage) wait() {
	defer st.slots.withdraw(st.set)
	var tick <-chan time.Time
	if st.speculation.watches(len(st.parts)) {
		ticker := time.NewTicker(st.speculation.Interval)
		defer ticker.Stop()
		tick = ticker.C
	}
	ended := st.ctx.Done()
	for {
		select {
		case <-st.all:
			return
		case <-st.abandoned:
			st.fail(context.Cause(st.ctx))
			return
		case <-ended:
			ended = nil
			if n := st.slots.withdraw(st.set); n > 0 {
				st.fail(context.Cause(st.ctx))
				st.over(n)
			}
		case <-tick:
			st.speculate()
		}
	}
}

func (st *stage) fail(err error) {
	st.mu.Lock()
	if st.first == nil {
		st.first = err
	}
	st.mu.Unlock()
	st.cancel(err)
}

func (st *stage) giveUp() { st.givenUp.Do(func() { close(st.abandoned) }) }

func (st *stage) failure() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.first
}

// over counts tasks that will have no attempt any more.
func (st *stage) over(n int) {
	st.mu.Lock()
	st.left -= n
	last := st.left == 0
	st.mu.Unlock()
	if last {
		close(st.all)
	}
}

// start runs the attempts at one task on a slot of its own: the first ones, or one that is made beside them. It gives
// the task that has the slot next, if there is one.
func (st *stage) start(w *worker, l launch) (next launch, ok bool) {
	over := l.over
	l.over = nil
	if over == nil && !st.enterPart(l.i) {
		return st.release(w)
	}
	for again := over == nil || st.ended(over); again; {
		a := st.begin(l)
		if a == nil {
			break
		}
		st.run(w, a)
		again = st.ended(a)
	}
	next, ok = st.release(w)
	st.leavePart(l.i)
	return next, ok
}

// release gives back the slot of a task, and gives the task that has it next; if there is none, the worker rests.
func (st *stage) release(w *worker) (next launch, ok bool) {
	if next, ok = st.slots.release(st.set); !ok {
		w.rest()
	}
	return next, ok
}

// enterPart tells that a goroutine is at a task, unless it is over by now.
func (st *stage) enterPart(i int) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	p := &st.parts[i]
	if p.settled {
		return false
	}
	p.active++
	return true
}

// leavePart counts the task as over if its result has been taken or nobody is at it any more. Nobody waits for an
// attempt that has lost: it may be one that hangs.
func (st *stage) leavePart(i int) {
	st.mu.Lock()
	p := &st.parts[i]
	p.active--
	over := !p.settled && (p.handed || p.active == 0)
	p.settled = p.settled || over
	st.mu.Unlock()
	if over {
		st.over(1)
	}
}

// An attempt is one at a task, and what came of it.
type attempt struct {
	launch
	task   *Task
	began  time.Time
	result any
	err    error
}

// begin makes the next attempt at a task; nil if none is needed any more.
func (st *stage) begin(l launch) *attempt {
	t := st.next(l.i, l.beside)
	if t == nil {
		if st.ctx.Err() != nil {
			st.fail(context.Cause(st.ctx)) // Somebody else ended the stage and gave the reason.
		}
		return nil
	}
	a := &attempt{launch: l, task: t, began: time.Now()}
	st.listen(TaskStarted{Desc: t.Desc})
	return a
}

// next makes the task of the next attempt.
func (st *stage) next(i int, beside bool) *Task {
	st.mu.Lock()
	defer st.mu.Unlock()
	p := &st.parts[i]
	if p.won || st.ctx.Err() != nil {
		return nil
	}
	d := st.desc
	d.Partition, d.Attempt, d.Speculative = p.partition, p.next, beside
	p.next++
	t := newTask(st.ctx, d, st.store, st.job.properties)
	if len(p.tries) == 0 {
		p.since = time.Now()
	}
	p.tries[t] = true
	st.job.count(d.Stage, func(c *StageStatus) { c.Running++ })
	return t
}

// run makes the attempt. runtime.Goexit may end the goroutine in it: that of the user's function, or of Fail. Another
// worker goes on then, as this one cannot.
func (st *stage) run(w *worker, a *attempt) {
	if !st.enter(a.task, st) {
		a.task.cancel(ErrStopped)
		a.err = ErrStopped
		return
	}
	returned := false
	defer func() {
		if !returned {
			a.err = a.task.failed()
			a.over = a
			w.of.run(a.launch)
		}
	}()
	defer st.leave(a.task)
	defer st.inside.EnterTask(w.id, a.task)()
	a.result, a.err = a.task.attempt(func(t *Task) (any, error) { return st.work(t, t.Desc.Partition) })
	returned = true
}

// ended judges an attempt, and tells whether another is to follow.
func (st *stage) ended(a *attempt) (again bool) {
	e := TaskEnded{Desc: a.task.Desc, Op: st.op.Op, Site: st.op.Site, Duration: time.Since(a.began), Err: a.err}
	failure := st.judge(a.task, a.i, a.result, &e)
	st.count(e)
	st.listen(e)
	if failure != nil {
		st.fail(failure)
	}
	return e.Retry
}

// count keeps the numbers of the job's status.
func (st *stage) count(e TaskEnded) {
	st.job.count(e.Desc.Stage, func(c *StageStatus) {
		c.Running--
		switch {
		case e.Err == nil:
			c.Done++
		case !e.Lost:
			c.Failed++
		}
	})
}

// judge decides what an attempt's end means: that it has won, lost, is to be tried again, or fails the stage, whose
// error it gives.
func (st *stage) judge(t *Task, i int, result any, e *TaskEnded) (failure error) {
	won, losers, failure := st.decide(t, i, e)
	for _, loser := range losers {
		loser.cancel(errLost)
	}
	if !won {
		return failure
	}
	defer st.hasHanded(i)
	return st.publish(t, i, result, e)
}

// decide tells whether the attempt has won, and which ones have lost by that.
func (st *stage) decide(t *Task, i int, e *TaskEnded) (won bool, losers []*Task, failure error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	p := &st.parts[i]
	delete(p.tries, t)
	switch {
	case p.won:
		e.Err, e.Lost = errLost, true
	case e.Err == nil && st.first != nil: // The stage has failed meanwhile.
	case e.Err == nil:
		won, p.won = true, true
		st.took = append(st.took, e.Duration)
		for loser := range p.tries {
			losers = append(losers, loser)
		}
	default:
		failure = st.failed(p, e)
	}
	if len(p.tries) == 1 {
		p.doubled = false // It may be slow in its turn.
	}
	return won, losers, failure
}

// publish hands a winner's result to done, one result of the stage at a time. No mutex is held meanwhile: done may be
// a function of the user. What has failed takes no more results.
func (st *stage) publish(t *Task, i int, result any, e *TaskEnded) (failure error) {
	select {
	case st.turn <- struct{}{}:
	default:
		select {
		case st.turn <- struct{}{}:
		case <-st.ctx.Done():
			return context.Cause(st.ctx)
		}
	}
	defer func() { <-st.turn }()
	if st.failure() != nil {
		return nil
	}
	if failure = st.done(i, result); failure == nil {
		e.Accumulators, failure = t.publish()
	}
	return failure
}

func (st *stage) hasHanded(i int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.parts[i].handed = true
}

// failed decides what follows an attempt that has failed; mu is held. The goroutine that made the first attempt makes
// the others: one that was made beside it is not repeated.
func (st *stage) failed(p *part, e *TaskEnded) error {
	if st.ctx.Err() != nil {
		return context.Cause(st.ctx) // Somebody else ended the stage and gave the reason.
	}
	p.failures++
	if p.failures >= st.maxFailures || isPermanent(e.Err) {
		return &JobError{Action: st.job.Action, Site: st.job.Site, Op: st.op.Op, OpSite: st.op.Site, Desc: e.Desc,
			Attempts: p.failures, Err: e.Err}
	}
	e.Retry = !e.Desc.Speculative
	return nil
}
