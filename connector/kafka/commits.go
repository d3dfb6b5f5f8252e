package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/exec"
)

// commits are the requests to commit that the program made in batches which are not committed yet.
type commits struct {
	mu    sync.Mutex
	asked map[int64]commitRequest
}

func (c *commits) ask(sequence int64, r commitRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[int64]commitRequest{}
	}
	before := c.asked[sequence]
	before.callbacks = append(before.callbacks, r.callbacks...)
	c.asked[sequence] = before
}

// take gives what was asked for in a batch.
func (c *commits) take(sequence int64) (commitRequest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.asked[sequence]
	delete(c.asked, sequence)
	return r, ok
}

// Committed commits the ends of the ranges to the group, if the program asked for it: by enable.auto.commit,
// or by Commit in this batch.
func (s *source[K, V]) Committed(ctx context.Context, b *dstream.Batch, rng []byte) error {
	request, asked := s.commits.take(b.Sequence)
	if !asked && (!s.cfg.AutoCommit || s.cfg.GroupID == "") {
		return nil
	}
	r, err := decodeRange(rng)
	if err != nil || r == nil {
		return err
	}
	c := &mirrored{r: r, batch: b.Sequence, done: make(chan struct{})}
	c.tell = append(c.tell, func(err error) error { return s.callBack(request.callbacks, r.offsetRanges(), err) })
	if !s.mirror.submit(c, s.sendCommit, s.unheard) {
		return nil
	}
	return s.mirror.await(ctx, c)
}

// Guarantee implements dstream.SourceGuarantee: where reading goes on after a restart depends on who commits.
func (s *source[K, V]) Guarantee() string {
	switch {
	case s.cfg.GroupID == "":
		return "at-least-once as long as the process lives; there is no group.id to commit to, so after a restart " +
			"reading begins by the strategy or auto.offset.reset"
	case s.cfg.AutoCommit:
		return "at-least-once: each batch is committed to group " + s.cfg.GroupID + " when it is done " +
			"(enable.auto.commit)"
	}
	return "at-least-once if the program commits what it has read (kafka.Commit) to group " + s.cfg.GroupID +
		"; else, after a restart, reading begins at what the group has committed, or by auto.offset.reset"
}

// unheard is for what went wrong with a commit that no batch waits for any more.
func (s *source[K, V]) unheard(c *mirrored) {
	s.ssc.Warn("a commit to the group, or what was to be told of it, went wrong", c.err)
}

// sendCommit makes one commit and tells the program.
func (s *source[K, V]) sendCommit(c *mirrored) {
	ctx, cancel := context.WithTimeout(s.life, commitDeadline)
	defer cancel()
	err := s.commit(ctx, c.r)
	if err != nil {
		err = fmt.Errorf("commit the offsets of batch %d: %w", c.batch, err)
	}
	errs := []error{err}
	for _, tell := range c.tell {
		errs = append(errs, tell(err))
	}
	c.err = errors.Join(errs...)
}

func (s *source[K, V]) commit(ctx context.Context, r *batchRange) error {
	if s.cfg.GroupID == "" {
		return errors.New("there is no group to commit to: set group.id")
	}
	offsets := make(map[client.TopicPartition]client.OffsetToCommit, len(r.Partitions))
	for _, p := range r.Partitions {
		offsets[client.TopicPartition(p.tp())] = client.OffsetToCommit{
			Offset:      p.Until,
			LeaderEpoch: -1,
			TopicID:     p.ID,
		}
	}
	return s.c.CommitOffsets(ctx, s.cfg.GroupID, offsets)
}

// callBack calls the program's functions, on the mirror's goroutine. A panic must not end the process, and a call of
// Stop, which would wait for the function that makes it, is refused inside of them.
func (s *source[K, V]) callBack(fs []func([]OffsetRange, error), ranges []OffsetRange, err error) (panicked error) {
	defer s.ssc.RDD().Inside().Enter("a function given to kafka.OnCommit")()
	for _, f := range fs {
		func() {
			defer func() {
				if v := recover(); v != nil {
					panicked = errors.Join(
						panicked,
						fmt.Errorf("a function given to kafka.OnCommit: %w", exec.NewPanic(v, debug.Stack())),
					)
				}
			}()
			f(ranges, err)
		}()
	}
	return panicked
}
