package dstream

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/rdd"
)

// A received block is what becomes one partition of a batch.
type received[T any] struct {
	vs       []T
	bytes    int64
	position []byte
}

// blocks holds what a receiver stored: a buffer that becomes a block at each block interval, blocks that no
// batch has taken, and blocks that batches hold. The bound counts the first two: what a batch has taken is
// bounded by the number of batches in the queue, and the sender never waits for a running batch. The budget counts all
// three: a sender is not refused what the bound lets in, so others have less.
type blocks[T any] struct {
	bound  int64
	size   func(T) int64
	budget *block.Budget

	mu     sync.Mutex
	buffer received[T]
	list   []received[T]
	first  int64         // number of list[0]
	taken  int64         // blocks below this number belong to batches
	held   int64         // bytes that no batch has taken
	room   chan struct{} // closed and renewed when memory becomes free
}

func (b *blocks[T]) init(bound int64, budget *block.Budget) {
	b.bound, b.budget = max(bound, 1), budget
	b.room = make(chan struct{})
	b.size = sizer[T]()
}

// sizer estimates the bytes of a record.
func sizer[T any]() func(T) int64 {
	c, err := codec.For[T]()
	if err != nil {
		// A type without a codec is counted by a guess; it cannot be shuffled either.
		return func(T) int64 { return 256 }
	}
	return func(v T) int64 { return int64(c.Size(&v)) }
}

// extend lets in as much again as the bound allows, once: what a receiver that is stopped has in hand.
func (b *blocks[T]) extend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound *= 2
	close(b.room)
	b.room = make(chan struct{})
}

// add waits until bytes fit below the bound and then puts what they are, unless ctx, which is that of the receiver's
// run, has ended by then. One record that alone is larger passes when nothing else is held.
func (b *blocks[T]) add(ctx context.Context, bytes int64, put func()) error {
	for {
		b.mu.Lock()
		if ctx.Err() != nil {
			b.mu.Unlock()
			return errReceiverStopped
		}
		if b.held == 0 || bytes <= b.bound-b.held {
			b.held += bytes
			b.budget.Force(bytes)
			put()
			b.mu.Unlock()
			return nil
		}
		room := b.room
		b.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return errReceiverStopped
		}
	}
}

// seal ends a run of the receiver: what it stored before is there for the next cut, what comes later is refused. In
// between there is nothing, for a record that was taken after the last cut would be lost.
func (b *blocks[T]) seal(endRun context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	endRun()
}

func (b *blocks[T]) addOne(ctx context.Context, v T) error {
	n := b.size(v)
	return b.add(ctx, n, func() {
		b.buffer.vs = append(b.buffer.vs, v)
		b.buffer.bytes += n
	})
}

func (b *blocks[T]) addBlock(ctx context.Context, vs []T, position []byte) error {
	if len(vs) == 0 {
		return nil
	}
	var n int64
	for _, v := range vs {
		n += b.size(v)
	}
	bl := received[T]{vs: slices.Clone(vs), bytes: n, position: slices.Clone(position)}
	return b.add(ctx, n, func() {
		b.flush() // Keeps the order of One before Many.
		b.list = append(b.list, bl)
	})
}

// cut makes a block of the buffer.
func (b *blocks[T]) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

func (b *blocks[T]) flush() {
	if len(b.buffer.vs) > 0 {
		b.list = append(b.list, b.buffer)
		b.buffer = received[T]{}
	}
}

// take gives the number after the last block; all below it now belong to a batch. It may be asked again.
func (b *blocks[T]) take(from int64) (until, records int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until = b.first + int64(len(b.list))
	for i := from; i < until; i++ {
		bl := &b.list[i-b.first]
		records += int64(len(bl.vs))
		if i >= b.taken {
			b.held -= bl.bytes
		}
	}
	b.taken = max(b.taken, until)
	close(b.room)
	b.room = make(chan struct{})
	return until, records
}

// pending counts the records of the blocks from number from on, and those of the buffer.
func (b *blocks[T]) pending(from int64) (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bl := range b.list[from-b.first:] {
		n += int64(len(bl.vs))
	}
	return n + int64(len(b.buffer.vs))
}

func (b *blocks[T]) read(from, until int64) func(*rdd.TaskContext, int) iter.Seq[T] {
	b.mu.Lock()
	list := slices.Clone(b.list[from-b.first : until-b.first])
	b.mu.Unlock()
	return func(tc *rdd.TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			for i, v := range list[p].vs {
				if i%1024 == 0 {
					tc.Check()
				}
				if !yield(v) {
					return
				}
			}
		}
	}
}

// drop forgets the blocks below until.
func (b *blocks[T]) drop(until int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := min(until, b.taken) - b.first; n > 0 {
		for _, bl := range b.list[:n] {
			b.budget.Release(bl.bytes)
		}
		b.list = slices.Delete(b.list, 0, int(n))
		b.first += n
	}
}

// free gives the memory of all blocks back, when no batch will come any more.
func (b *blocks[T]) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bl := range b.list {
		b.budget.Release(bl.bytes)
	}
	b.budget.Release(b.buffer.bytes)
	b.first += int64(len(b.list))
	b.list, b.buffer = nil, received[T]{}
	b.taken = b.first
}
