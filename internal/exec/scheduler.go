package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Job is one action: the partitions of a node to compute, what to do with each in its task, and what to
// do with a task's result in the driver.
type Job struct {
	// Action is the action's name as the user calls it; Site is that call.
	Action string
	Site   Site
	Target *Node
	// Partitions of Target to compute.
	Partitions []int
	// Task computes a partition and gives its result, which must be plain data.
	Task func(t *Task, p int) (any, error)
	// Done takes the result of the i-th of Partitions; it is called once for each, one at a time.
	Done func(i int, result any) error
	// Desc is the part of the tasks' description that the job's owner knows: batch, output, seed, epoch.
	Desc TaskDesc
}

// A Runner runs jobs somewhere: Scheduler on the goroutines of this process.
type Runner interface {
	Run(ctx context.Context, job *Job) error
	// Slots is how many tasks run at the same time.
	Slots() int
	// Stop cancels all jobs and gives their tasks until ctx ends.
	Stop(ctx context.Context) error
	// Abandon gives up the tasks that still run and names them.
	Abandon() error
}

// Scheduler runs jobs on the slots of this process: local[N].
type Scheduler struct {
	slots       chan struct{}
	maxFailures int
	store       Store
	listen      func(Event)
	inside      *Goroutines

	stop context.Context // cancelled by Stop: every task ends
	halt context.CancelCauseFunc

	mu      sync.Mutex
	running map[*Task]*stage
	idle    chan struct{} // closed when stopped and nothing runs
}

// ErrStopped is why tasks of a stopped context end.
var ErrStopped = errors.New("the context has been stopped")

// NewScheduler makes a scheduler with n slots that tries each task up to maxFailures times. listen may be
// nil; it is called from many goroutines and must not block.
func NewScheduler(n, maxFailures int, store Store, inside *Goroutines, listen func(Event)) *Scheduler {
	if listen == nil {
		listen = func(Event) {}
	}
	stop, halt := context.WithCancelCause(context.Background())
	return &Scheduler{slots: make(chan struct{}, n), maxFailures: maxFailures, store: store, listen: listen,
		inside: inside, stop: stop, halt: halt, running: map[*Task]*stage{}}
}

// Slots is the N of local[N].
func (s *Scheduler) Slots() int { return cap(s.slots) }

// Stop cancels every task and waits until they have ended. When ctx ends first, the tasks that still run
// are named and abandoned: their jobs return, their goroutines are left to themselves.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.stop.Err() == nil {
		s.idle = make(chan struct{})
		s.halt(ErrStopped)
		if len(s.running) == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return nil
	default:
	}
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return s.Abandon()
	}
}

// Abandon gives up the tasks that run although their context has ended, and names them; nil if there are none. Their
// jobs return; tasks that may go on are not touched.
func (s *Scheduler) Abandon() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stuck []string
	for t, st := range s.running {
		if t.Context.Err() == nil {
			continue
		}
		stuck = append(stuck, fmt.Sprintf("partition %d of %s at %s (%s at %s)", t.Desc.Partition, st.job.Action,
			st.job.Site, st.op.Op, st.op.Site))
		st.giveUp()
		delete(s.running, t)
	}
	s.restIfIdle()
	if len(stuck) == 0 {
		return nil
	}
	slices.Sort(stuck)
	return fmt.Errorf("abandoned at the deadline, for its function ignores that its context has ended: %s",
		strings.Join(slices.Compact(stuck), ", "))
}

// enter lists a task as running, unless the scheduler has been stopped.
func (s *Scheduler) enter(t *Task, st *stage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop.Err() != nil {
		return false
	}
	s.running[t] = st
	return true
}

func (s *Scheduler) leave(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, t)
	s.restIfIdle()
}

// restIfIdle tells a waiting Stop that nothing runs any more; mu is held.
func (s *Scheduler) restIfIdle() {
	if s.idle == nil || len(s.running) > 0 {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

// Run runs the stages that the job's target needs and have not run yet, then its result stage. It returns
// when all its tasks have ended.
func (s *Scheduler) Run(ctx context.Context, job *Job) error {
	if s.inside.Inside() == insideTask || ctx.Value(taskKey{}) != nil {
		return fmt.Errorf("%s at %s was called from inside a task: actions belong to the driver; "+
			"collect what the task needs first and let its function capture it", job.Action, job.Site)
	}
	if s.stop.Err() != nil {
		return fmt.Errorf("%s at %s: %w", job.Action, job.Site, ErrStopped)
	}
	if err := invalid(job.Target); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.stop, func() { cancel(ErrStopped) })()

	stages := pending(job.Target)
	for i, sh := range stages {
		if err := s.mapStage(ctx, job, i, sh); err != nil {
			return err
		}
	}
	return s.stage(ctx, job, len(stages), job.Target, job.Partitions, job.Task, job.Done)
}

func (s *Scheduler) mapStage(ctx context.Context, job *Job, number int, sh *Shuffle) error {
	release := sh.claim(ctx)
	if release == nil {
		return context.Cause(ctx)
	}
	defer release()
	absent := sh.absent()
	write := func(t *Task, p int) (any, error) { return sh.Write(t, p) }
	err := s.stage(ctx, job, number, sh.Parent, absent, write, func(i int, out any) error {
		return s.store.Put(sh, absent[i], out.(MapOutput))
	})
	if err != nil {
		return err
	}
	if err := sh.decide(); err != nil {
		return fmt.Errorf("%s at %s: %w", sh.Parent.Op, sh.Parent.Site, err)
	}
	return nil
}

// stage runs one task for each partition and hands the winners' results to done.
func (s *Scheduler) stage(ctx context.Context, job *Job, number int, op *Node, partitions []int,
	work func(*Task, int) (any, error), done func(int, any) error,
) error {
	if len(partitions) == 0 {
		return nil
	}
	st := &stage{
		Scheduler: s,
		job:       job,
		op:        op,
		desc:      job.Desc,
		work:      work,
		done:      done,
		all:       make(chan struct{}),
		abandoned: make(chan struct{}),
	}
	st.desc.Stage = number
	st.ctx, st.cancel = context.WithCancelCause(ctx)
	defer st.cancel(nil)
	s.listen(StageStarted{Desc: st.desc, Action: job.Action, Op: op.Op, Site: op.Site, Tasks: len(partitions)})
	st.left.Store(int64(len(partitions)))
	for i, p := range partitions {
		if !s.acquire(st.ctx) {
			st.fail(context.Cause(st.ctx))
			st.ended(len(partitions) - i)
			break
		}
		go st.task(i, p)
	}
	select {
	case <-st.all:
	case <-st.abandoned:
		st.fail(ErrStopped)
	}
	err := st.failure()
	s.listen(StageEnded{Desc: st.desc, Err: err})
	return err
}

// A stage is a set of tasks that differ only in their partition.
type stage struct {
	*Scheduler
	job    *Job
	op     *Node
	desc   TaskDesc
	work   func(*Task, int) (any, error)
	done   func(int, any) error
	ctx    context.Context
	cancel context.CancelCauseFunc

	left      atomic.Int64
	all       chan struct{} // closed when all tasks are over
	abandoned chan struct{} // closed when they are given up
	givenUp   sync.Once     // closes abandoned

	mu    sync.Mutex
	first error
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

// ended counts tasks that are over, however they ended.
func (st *stage) ended(n int) {
	if st.left.Add(-int64(n)) == 0 {
		close(st.all)
	}
}

// insideTask is what a goroutine that runs a task is inside of.
const insideTask = "a task"

// task runs the attempts at one partition on a slot of its own.
func (st *stage) task(i, p int) {
	defer st.ended(1)
	defer func() { <-st.slots }()
	result, err := st.attempts(p)
	if err == nil {
		err = st.publish(i, result)
	}
	if err != nil {
		st.fail(err)
	}
}

func (st *stage) publish(i int, result any) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.first != nil {
		return st.first
	}
	return st.done(i, result)
}

func (st *stage) at(p int) TaskDesc {
	d := st.desc
	d.Partition = p
	return d
}

// attempts tries a task until it succeeds, has failed too often, or its stage has ended.
func (st *stage) attempts(p int) (any, error) {
	for d := st.at(p); ; d.Attempt++ {
		started := time.Now()
		st.listen(TaskStarted{Desc: d})
		result, err := st.once(d)
		over := st.ctx.Err() != nil
		retry := err != nil && !over && d.Attempt+1 < st.maxFailures && !isPermanent(err)
		st.listen(
			TaskEnded{Desc: d, Op: st.op.Op, Site: st.op.Site, Duration: time.Since(started), Err: err, Retry: retry},
		)
		switch {
		case err == nil:
			return result, nil
		case over:
			return nil, context.Cause(st.ctx) // Somebody else ended the stage and gave the reason.
		case !retry:
			return nil, &JobError{Action: st.job.Action, Site: st.job.Site, Op: st.op.Op, OpSite: st.op.Site, Desc: d,
				Attempts: d.Attempt + 1, Err: err}
		}
	}
}

func (st *stage) once(d TaskDesc) (any, error) {
	ctx, cancel := context.WithCancelCause(st.ctx)
	t := &Task{Context: context.WithValue(ctx, taskKey{}, true), Desc: d, cancel: cancel, store: st.store}
	if !st.enter(t, st) {
		cancel(ErrStopped)
		return nil, ErrStopped
	}
	defer st.leave(t)
	return st.apart(t)
}

// apart runs an attempt on a goroutine of its own, which runtime.Goexit may end: the user's, or that of Fail.
func (st *stage) apart(t *Task) (result any, err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer st.inside.Enter(insideTask)()
		defer func() {
			if err == nil { // attempt did not return
				err = t.failed()
			}
		}()
		result, err = t.attempt(func(t *Task) (any, error) { return st.work(t, t.Desc.Partition) })
	}()
	<-ended
	return result, err
}

func (s *Scheduler) acquire(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// pending lists the shuffles below n whose outputs are missing, each once, parents first.
func pending(n *Node) []*Shuffle {
	var (
		order   []*Shuffle
		seen    = map[*Node]bool{}
		visited = map[*Shuffle]bool{}
		visit   func(*Node)
	)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, p := range n.Narrow {
			visit(p)
		}
		for _, sh := range n.Shuffles {
			if visited[sh] || sh.Complete() {
				continue
			}
			visited[sh] = true
			visit(sh.Parent)
			order = append(order, sh)
		}
	}
	visit(n)
	return order
}

// invalid joins what the user did wrong anywhere below n.
func invalid(n *Node) error {
	var (
		errs  []error
		seen  = map[*Node]bool{}
		visit func(*Node)
	)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, p := range n.Narrow {
			visit(p)
		}
		for _, sh := range n.Shuffles {
			visit(sh.Parent)
		}
		if n.Err != nil {
			errs = append(errs, n.Err)
		}
	}
	visit(n)
	return errors.Join(errs...)
}
