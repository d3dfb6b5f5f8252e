package exec

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

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
