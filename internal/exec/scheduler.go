package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	// Reserve takes the number of a job that is to run in the background.
	Reserve() int
	// Jobs lists the jobs that run, the oldest first.
	Jobs() []JobStatus
	// Cancel ends the jobs that match and tells how many there are; by and at say who does.
	Cancel(by string, at Site, match func(id int, properties map[string]string) bool) int
}

// Scheduler runs jobs on the slots of this process: local[N].
type Scheduler struct {
	registry
	slots       *slots
	maxFailures int
	speculation Speculation
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
	return &Scheduler{slots: newSlots(n, newWorkers(n)), maxFailures: maxFailures, store: store, listen: listen,
		inside: inside, stop: stop, halt: halt, running: map[*Task]*stage{}}
}

// Slots is the N of local[N].
func (s *Scheduler) Slots() int { return s.slots.total }

// Share has jobs share the slots among these pools and others that they name, instead of the first job going first. It
// is called before any job runs.
func (s *Scheduler) Share(pools []Pool) { s.slots.share(pools) }

// Speculate has slow tasks tried a second time. It is called before any job runs.
func (s *Scheduler) Speculate(how Speculation) { s.speculation = how }

// Stop cancels every task, waits until they have ended, and ends the goroutines that ran them. When ctx ends first, the
// tasks that still run are named and abandoned: their jobs return, their goroutines are left to themselves.
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
	s.slots.workers.close()
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
		stuck = append(stuck, fmt.Sprintf("partition %d of %s (%s)", t.Desc.Partition, at(st.job.Action, st.job.Site),
			at(st.op.Op, st.op.Site)))
		if st.ctx.Err() != nil { // An attempt that has lost is nothing that its stage waits for.
			st.giveUp()
		}
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
	if err := s.inside.Refuse(ctx, job.Action, job.Site); err != nil {
		return err
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

	running, over := s.add(ctx, job, cancel)
	defer over()
	defer hold(job.Target)()
	return placed(ctx, running, s.stages(ctx, running))
}

// stages runs the stages of a job.
func (s *Scheduler) stages(ctx context.Context, job *runningJob) error {
	pending := pending(job.Target)
	job.plan(pending)
	for i, sh := range pending {
		if err := s.mapStage(ctx, job, i, sh); err != nil {
			return err
		}
	}
	return s.stage(ctx, job, len(pending), job.Target, job.Partitions, job.Task, job.Done)
}

// placed says which job it was that its context has ended, where err is no more than the reason of that: a deadline
// knows no place.
func placed(ctx context.Context, job *runningJob, err error) error {
	if _, named := errors.AsType[*JobError](err); named || err == nil || ctx.Err() == nil ||
		errors.Is(err, ErrCancelled) || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("%s (job %d): %w", at(job.Action, job.Site), job.id, err)
}

func (s *Scheduler) mapStage(ctx context.Context, job *runningJob, number int, sh *Shuffle) error {
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
