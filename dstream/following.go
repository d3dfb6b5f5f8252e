package dstream

import (
	"errors"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// A program that writes in transactions does not wait for them: while outboxes store what a batch has staged, the next
// batches are computed, on the state that it leaves. A goroutine follows the runner: it waits until the effects of a
// batch are in, then commits it, one batch after the other. What the runner has gone ahead with is in no commit record,
// so that it runs again after a crash, from its plans; a batch that cannot be committed ends the program, with those
// that have built on it.
type following struct {
	handed chan *computed // nil where the runner commits
	over   chan struct{}
	ahead  int
	behind []*computed // the runner's: what it has handed over, and has not seen come back
}

// A computed is a batch all of whose outputs have run, whose changes of states are written and whose effects are in or
// in outboxes.
type computed struct {
	batch *Batch
	info  BatchInfo
	state []checkpoint.StateChange
	took  time.Duration // without what it waited for others
	done  chan struct{}
	err   error // for who has seen done closed
}

var errNotFollowing = errors.New("it was not committed, for a batch before it was not")

// follow begins to follow, where there are outboxes.
func (l *loop) follow() {
	f := &l.following
	f.ahead = conf.MaxUncommittedBatches.Get(l.ssc.conf)
	l.openOutboxes(f.ahead)
	if l.outboxes == nil {
		return
	}
	f.handed, f.over = make(chan *computed, f.ahead), make(chan struct{})
	go func() {
		defer close(f.over)
		var before error
		for c := range f.handed {
			if c.err = l.complete(c, before); c.err != nil {
				before = errNotFollowing
				l.kill(c.err) // The runner says it.
			}
			close(c.done)
		}
	}()
}

// follows tells that batches are committed behind the runner.
func (l *loop) follows() bool { return l.following.handed != nil }

// followNoMore ends it, when nothing is handed over any more.
func (l *loop) followNoMore() {
	if l.follows() {
		close(l.following.handed)
		<-l.following.over
		l.closeOutboxes()
	}
}

// handOver has a batch be committed when its effects are in, and waits while as many are on their way as may be.
func (l *loop) handOver(b *Batch) error {
	state, err := l.sealStates(b)
	if err != nil {
		return l.endBatch(b, err)
	}
	l.ssc.settle(b, true) // If it is not committed the program ends.
	c := &computed{batch: b, info: b.info, state: state, took: b.info.ProcessingDelay(), done: make(chan struct{})}
	f := &l.following
	f.handed <- c
	f.behind = append(f.behind, c)
	for len(f.behind) >= f.ahead {
		if err := l.awaitOldest(); err != nil {
			return err
		}
	}
	return nil
}

// awaitOldest waits for the batch that was handed over first.
func (l *loop) awaitOldest() error {
	c := l.following.behind[0]
	<-c.done
	l.following.behind = l.following.behind[1:]
	return c.err
}

// awaitFollowing waits until all that was handed over is committed, and until the log has it.
func (l *loop) awaitFollowing() (first error) {
	for len(l.following.behind) > 0 {
		// Of those that fail of another one, that one tells.
		if err := l.awaitOldest(); first == nil && !errors.Is(err, errNotFollowing) {
			first = err
		}
	}
	return errors.Join(first, l.awaitCommit())
}

// complete commits a batch that was handed over, unless one before it was not committed.
func (l *loop) complete(c *computed, before error) error {
	b := c.batch
	took, err := l.delivered(b)
	remedied := err
	if before != nil {
		err, remedied = before, before
	} else if err != nil {
		remedied = l.withRemedy(b, err)
	}
	c.info.ProcessingEnd = b.deliveredAt(c.info.ProcessingEnd) // It may have waited for those before it since.
	l.completed(b, &c.info, err)
	if err != nil {
		return remedied
	}
	// What limits the program is the slower of the two.
	l.learn(c.info, max(c.took, took))
	if err := l.commit(b, c.state); err != nil {
		return err
	}
	l.waiting.Add(-1)
	l.ssc.renewIdentities(l.life)
	return nil
}
