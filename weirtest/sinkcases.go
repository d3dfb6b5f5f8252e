package weirtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// The cases of Sink. Each begins with an empty store.

func (r *sinkRun[T]) smooth() {
	r.must("a job", r.process().job(never))
	r.holds("after the job", everything()...)
	p := r.started()
	p.says("a second process", 4)
}

// again: an identity that is there suppresses the write, in the same process and in the next.
func (r *sinkRun[T]) again() {
	p := r.started()
	p.says("an empty store", -1)
	for _, seq := range []int64{0, 0, 2, 2} {
		r.must("store a batch", p.batch(seq))
	}
	p.says("after batch 2", 2)
	next := r.started()
	r.must("store the last batch again", next.batch(2))
	r.holds("after all", 0, 2)
	r.must("store an old batch again", next.batch(0))
	next.says("after an old batch", 2)
	r.holds("after an old batch", 0, 2)
}

// together: batches may come in one call, of which some are there already.
func (r *sinkRun[T]) together() {
	r.must("store a batch", r.started().batch(0))
	p := r.started()
	r.must("store it again with those that follow", p.together(0, 1, 2))
	p.says("after batches 0 to 2", 2)
	r.holds("after batches 0 to 2", 0, 1, 2)
	r.must("store the last of them with others", p.together(2, 3, 4))
	r.must("store one of them alone", p.batch(2))
	next := r.started()
	r.must("store all again", next.together(0, 1, 2, 3, 4))
	next.says("after all", 4)
	r.holds("after all", everything()...)
}

// namesAlike: jobs, outputs and effects do not take each other's identities.
func (r *sinkRun[T]) namesAlike() {
	p := r.started()
	ids := []dstream.Effect{p.id(0)}
	for _, names := range [][2]string{{"a", "b/c"}, {"a/b", "c"}, {"a", ""}, {"", "a"}, {"a-b", "c"}, {"ä", "\t"}} {
		id := p.id(0)
		id.Output, id.Name = names[0], names[1]
		ids = append(ids, id)
	}
	for _, id := range ids {
		r.must(fmt.Sprintf("store batch 0 of output %q, effect %q", id.Output, id.Name), p.write(id, nil))
	}
	other := r.process()
	const another = "another job"
	r.must("open for another job", other.openAs(another))
	id := other.id(0)
	id.Job = another
	r.must("store for another job", other.write(id, nil))
	times := make([]int64, len(ids)+1) // batch 0, once for each
	r.holds("after all", times...)
}

// zombie: a process that comes back stores nothing twice, and takes nothing back.
func (r *sinkRun[T]) zombie() {
	old := r.started()
	r.must("store batch 0", old.batch(0))
	owner := r.started()
	owner.says("the new owner", 0)
	_ = old.batch(2) // It may be refused, and may store it: the plan is fixed, so that it is the same batch.
	r.must("the owner stores batch 2", owner.batch(2))
	r.holds("after batch 2", 0, 2)
	r.must("the owner stores batch 4", owner.batch(4))
	_ = old.batch(2)
	_ = old.batch(4)
	if s := old.transactor(); s != nil {
		ctx, cancel := r.ctx()
		defer cancel()
		_ = s.Mark(ctx, old.id(2), false)
	}
	r.holds("after the zombie", 0, 2, 4)
	owner.says("after the zombie", 4)
	r.must("the owner stores batch 4 again", owner.batch(4))
	r.holds("after the owner", 0, 2, 4)
}

// overtaken: a new owner comes while the old one is in the middle of a batch.
func (r *sinkRun[T]) overtaken() {
	old := r.started()
	r.must("store batch 0", old.batch(0))
	var (
		once sync.Once
		over = make(chan error, 1)
	)
	owner := r.process()
	overtake := func() error {
		once.Do(func() {
			go func() { over <- errors.Join(owner.open(), owner.fence(), owner.batch(2), owner.batch(4)) }()
			select {
			case err := <-over:
				over <- err
			case <-time.After(time.Minute): // The store has it wait for the old one.
			}
		})
		return nil
	}
	_ = old.write(old.id(4), overtake)
	select {
	case err := <-over:
		r.must("the new owner", err)
	case <-time.After(sinkPatience):
		r.t.Fatal("the new owner never comes to an end")
	}
	r.must("the owner stores batch 4 again", owner.batch(4))
	owner.says("after both", 4)
	r.holds("after both", 0, 2, 4)
}

// concurrent: the same batch by two attempts at the same time.
func (r *sinkRun[T]) concurrent() {
	p := r.started()
	errs := make(chan error, 2)
	for range 2 {
		go func() { errs <- p.batch(0) }()
	}
	for range 2 {
		r.must("an attempt", <-errs)
	}
	r.holds("after both", 0)
	p.says("after both", 0)
}

// unreadable: what fails in the middle is not stored, in part or with its identity.
func (r *sinkRun[T]) unreadable() {
	p := r.started()
	n, broken := 0, errors.New("the disk is broken")
	err := p.torn(p.id(0), func() error {
		if n++; n == 3 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		r.t.Errorf("an error of the records: %v, want %v", err, broken)
	}
	r.holds("after the error")
	p.says("after the error", -1)
	r.must("store the batch", p.batch(0))
	r.holds("after the batch", 0)
}

// torn stores a batch whose records cannot be read to the end. Staged records say so by an error. Those of a task
// unwind it by a panic, from within the sink's loop, for a sequence that just ends would pass for whole.
func (p *sinkProcess[T]) torn(id dstream.Effect, each func() error) (err error) {
	if p.transactor() != nil {
		return p.write(id, each)
	}
	defer func() {
		if failed, ok := recover().(tearing); ok {
			err = failed.error
		}
	}()
	return p.write(id, func() error {
		if err := each(); err != nil {
			panic(tearing{err})
		}
		return nil
	})
}

// tearing is what a task unwinds with.
type tearing struct{ error }

// Unwrap gives the cause to a sink that makes an error of it.
func (t tearing) Unwrap() error { return t.error }

// cancelled: a call whose context ends leaves a store that can be written to.
func (r *sinkRun[T]) cancelled() {
	p := r.started()
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	_ = p.writeWith(ctx, p.id(0), func() error {
		if n++; n == 2 {
			cancel()
		}
		return nil
	})
	_ = p.writeWith(ctx, p.id(0), nil)
	cancel()
	r.must("store the batch", p.batch(0))
	r.holds("after all", 0)
}

// restored: the sink says what it holds, though the log knows less; its identity is set back if the user accepts that.
func (r *sinkRun[T]) restored() {
	first := r.process()
	r.must("a job", first.job(never))
	p := r.started()
	p.says("after an older checkpoint was restored", 4)
	r.must("store batch 2 again", p.batch(2))
	r.holds("as long as nobody has accepted duplicates", everything()...)
	zombie := p
	if _, ok := p.sink.(dstream.SinkRewinder); ok {
		p = r.started() // What has been restored under a process that goes on is not its log any more.
	}
	if !r.rewind(p, 1) {
		return
	}
	p.says("after it was set back", 1)
	if zombie != p {
		_ = zombie.batch(2) // It is refused, or believes what it knows from before.
		r.holds("after the zombie", everything()...)
	}
	r.must("store batch 2", p.batch(2))
	p.says("after batch 2", 2)
	r.must("store batch 2 again", p.batch(2))
	r.holds("after batch 2", append(everything(), 2)...)
}

// rewind sets an identity back, which not every sink can.
func (r *sinkRun[T]) rewind(p *sinkProcess[T], seq int64) bool {
	ctx, cancel := r.ctx()
	defer cancel()
	back, ok := p.sink.(dstream.SinkRewinder)
	switch s := p.transactor(); {
	case s != nil:
		r.must("set the identity back", insist(func() error { return s.Mark(ctx, p.id(seq), true) }))
	case ok:
		r.must("set the identities back", back.Rewind(ctx, p.id(seq)))
	}
	return ok || p.transactor() != nil
}

// younger: in an older checkpoint that was restored epochs begin again below those that the store has seen. That it is
// the owner the log says, and the sink that was opened last stores.
func (r *sinkRun[T]) younger() {
	r.epoch = 20
	old := r.started()
	r.must("store batch 0", old.batch(0))
	r.epoch = 10
	p := r.started()
	p.says("after an older checkpoint was restored", 0)
	for _, seq := range []int64{0, 2, 4} {
		r.must("store a batch", p.batch(seq))
	}
	r.holds("after all", 0, 2, 4)
}

// renewed: to store an identity again changes nothing that can be seen.
func (r *sinkRun[T]) renewed() {
	p := r.started()
	s := p.transactor()
	if s == nil {
		return
	}
	r.must("store batch 0", p.batch(0))
	ctx, cancel := r.ctx()
	defer cancel()
	for range 2 {
		r.must("store the identity again", insist(func() error { return s.Mark(ctx, p.id(0), false) }))
	}
	p.says("after it was stored again", 0)
	r.must("store batch 0 again", p.batch(0))
	r.must("store batch 2", p.batch(2))
	r.holds("after all", 0, 2)
	p.says("after all", 2)
}

// expired: a sink that has forgotten says so, and can be written to.
func (r *sinkRun[T]) expired() {
	if r.store.Forget == nil {
		r.t.Skip("the store does not forget")
	}
	p := r.started()
	r.must("store batch 0", p.batch(0))
	r.store.Forget(sinkJob, sinkOutput, "")
	next := r.started()
	next.says("after the identity has expired", -1)
	r.must("store batch 2", next.batch(2))
	next.says("after batch 2", 2)
	r.holds("after all", 0, 2)
}

// givenUp: what is burned does not come in late, by whoever, and what is in is said to be.
func (r *sinkRun[T]) givenUp() {
	old := r.started()
	r.must("store batch 0", old.batch(0))
	p := r.started()
	burner, ok := p.sink.(dstream.SinkBurner)
	if !ok || p.transactor() != nil {
		return
	}
	burns := func(seq int64, want bool) {
		r.t.Helper()
		ctx, cancel := r.ctx()
		defer cancel()
		var in int
		r.must("burn a batch", insist(func() (err error) {
			in, err = burner.Burn(ctx, p.id(seq), len(sinkBatches[seq]))
			return err
		}))
		if in > 0 != want {
			r.t.Errorf("%d partitions of batch %d are in when it is burned, want some: %v", in, seq, want)
		}
	}
	burns(0, true)
	burns(2, false)
	_ = old.batch(2) // It may be refused.
	_ = p.batch(2)   // So may what this process has sent before.
	r.holds("after the late writes", 0)
	burns(2, false)
	r.must("store batch 4", p.batch(4))
	r.started().says("after batch 4", 4)
	r.holds("after batch 4", 0, 4)
}

// between kills a process after so many calls, those of the log included; another one goes on.
func (r *sinkRun[T]) between(calls int) (more bool) {
	left := calls
	first := r.process()
	r.must("a process", first.job(func() bool {
		left--
		return left < 0
	}))
	when := fmt.Sprintf("after a process that died after call %d", calls+1)
	r.must(when+", another", r.process().job(never))
	r.holds(when, everything()...)
	return left < 0
}

// within kills a process at a step of its way to the store; another one goes on. It tells whether there are more steps.
func (r *sinkRun[T]) within(step int, late bool) (more bool) {
	if r.store.Cut == nil {
		r.t.Skip("the store cannot be cut off")
	}
	dead := r.store.Cut(step, late)
	first, over := r.process(), make(chan error, 1)
	go func() { over <- first.job(dead) }()
	err, ended := untilDead(over, dead)
	if ended && !dead() {
		r.must("a process that is not cut off", err)
		r.holds("without troubles", everything()...)
		return false
	}
	// The first one may still be trying, while another has begun.
	when := fmt.Sprintf("after a process that was cut off at step %d", step)
	r.must(when+", another", r.process().job(never))
	r.holds(when, everything()...)
	if !ended {
		<-over
		r.holds(when+" and has given up", everything()...)
	}
	return true
}

// untilDead waits until a job is over, which ended tells, or its process is dead.
func untilDead(over <-chan error, dead func() bool) (err error, ended bool) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-over:
			return err, true
		case <-look.C:
			if dead() {
				return nil, false
			}
		}
	}
}
