package dstream

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/rdd"
)

// A storage holds what a receiver stored until no batch needs it any more: in memory, or in a write ahead log.
type storage[T any] interface {
	// open is called once, before all else, with the operator's id and the last planned range, nil if there is none.
	open(ctx context.Context, id string, from []byte) (start []byte, err error)
	// resume is called before each run of the receiver, when the one before is sealed, and gives its position.
	resume(ctx context.Context) (position []byte, err error)
	addOne(run context.Context, v T) error
	// add stores records at once, as a block of their own or as part of one, or a position alone.
	add(run context.Context, vs []T, position []byte, own bool) error
	// seal ends a run of the receiver: what it stored before is there for the next cut, what comes later is refused.
	seal(endRun context.CancelFunc)
	// settle waits until what was handed in before it was sealed is stored, or is not.
	settle(ctx context.Context) error
	// cut makes a block of what was stored since the last one.
	cut()
	// extend lets in what a receiver that is stopped still has in hand.
	extend()
	// plan gives the range of blocks behind the range from, partsMax at most: of those in memory, which is bounded,
	// else all, and of a log as many as the limit lets. full tells that partsMax has left some. It may be asked again.
	plan(from []byte, l Limit) (rng []byte, records int64, full bool, err error)
	// pending counts the records behind the range from.
	pending(from []byte) int64
	read(rng []byte) (partitions int, read func(tc *rdd.TaskContext, p int) iter.Seq[T])
	committed(rng []byte)
	released(ctx context.Context, upTo []byte) error
	// close gives back all that is held. It is called also if open was not.
	close(ctx context.Context) error
}

// A received block is what becomes one partition of a batch.
type received[T any] struct {
	vs    []T
	bytes int64
}

// blocks holds what a receiver stored: a buffer that becomes a block at each block interval, blocks that no
// batch has taken, and blocks that batches hold. The bound counts the first two: what a batch has taken is
// bounded by the number of batches in the queue, and the sender never waits for a running batch. The budget counts all
// three: a sender is not refused what the bound lets in, so others have less.
type blocks[T any] struct {
	bound  int64
	size   func(T) int64
	own    owner[T]
	budget *block.Budget
	covers func(last, position []byte) bool

	mu     sync.Mutex
	last   []byte // position of what was stored last
	buffer received[T]
	list   []received[T]
	first  int64         // number of list[0]
	taken  int64         // blocks below this number belong to batches
	held   int64         // bytes that no batch has taken
	room   chan struct{} // closed and renewed when memory becomes free
	line   line
}

// open implements storage.
func (b *blocks[T]) open(_ context.Context, _ string, from []byte) ([]byte, error) {
	if from != nil {
		return nil, errors.New("a receiver cannot be recovered without a write ahead log")
	}
	return blockRange(0, 0), nil
}

// resume implements storage.
func (b *blocks[T]) resume(context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.last), nil
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

// An owner makes values one's own; it is nil if they are anyway.
type owner[T any] func(T) T

// newOwner gives an owner that copies values, unless nobody changes them.
func newOwner[T any](handsOver bool) owner[T] {
	c, err := codec.For[T]()
	if err != nil || handsOver || c.Immutable() {
		return nil
	}
	return func(v T) T {
		if own, err := c.Clone(v); err == nil {
			return own
		}
		return v
	}
}

func (o owner[T]) one(v T) T {
	if o == nil {
		return v
	}
	return o(v)
}

func (o owner[T]) all(vs []T) []T {
	if o == nil {
		return vs
	}
	own := make([]T, len(vs))
	for i, v := range vs {
		own[i] = o(v)
	}
	return own
}

// extend lets in as much again as the bound allows, once: what a receiver that is stopped has in hand.
func (b *blocks[T]) extend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound *= 2
	close(b.room)
	b.room = make(chan struct{})
}

// put waits until bytes fit below the bound and then calls f, unless ctx, which is that of the receiver's
// run, has ended by then: first come, first served. One record that alone is larger passes when nothing else is held.
func (b *blocks[T]) put(ctx context.Context, bytes int64, f func()) error {
	return b.line.wait(ctx, &b.mu, func() (bool, <-chan struct{}) {
		fits := b.held == 0 || bytes <= b.bound-b.held
		if fits {
			b.held += bytes
			b.budget.Force(bytes)
			f()
		}
		return fits, b.room
	})
}

// seal ends a run of the receiver: what it stored before is there for the next cut, what comes later is refused. In
// between there is nothing, for a record that was taken after the last cut would be lost.
func (b *blocks[T]) seal(endRun context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	endRun()
}

// settle implements storage.
func (b *blocks[T]) settle(context.Context) error { return nil }

func (b *blocks[T]) addOne(ctx context.Context, v T) error {
	n := b.size(v)
	v = b.own.one(v)
	return b.put(ctx, n, func() {
		b.buffer.vs = append(b.buffer.vs, v)
		b.buffer.bytes += n
	})
}

func (b *blocks[T]) add(ctx context.Context, vs []T, position []byte, own bool) error {
	if len(vs) == 0 && len(position) == 0 {
		return nil
	}
	var n int64
	for _, v := range vs {
		n += b.size(v)
	}
	vs = b.own.all(vs)
	return b.put(ctx, n, func() {
		if len(position) > 0 && b.last != nil && b.covers(b.last, position) {
			b.held -= n
			b.budget.Release(n)
			return
		}
		if len(position) > 0 {
			b.last = slices.Clone(position)
		}
		if own {
			b.flush() // Keeps the order of One before Many.
		}
		b.buffer.vs = append(b.buffer.vs, vs...)
		b.buffer.bytes += n
		if own {
			b.flush()
		}
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

// plan implements storage: the blocks that there are now belong to a batch, but those that would be tasks too many.
func (b *blocks[T]) plan(from []byte, _ Limit) (rng []byte, records int64, full bool, err error) {
	_, at := parseBlockRange(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.first + int64(len(b.list))
	until := min(all, at+partsMax)
	for i := at; i < until; i++ {
		bl := &b.list[i-b.first]
		records += int64(len(bl.vs))
		if i >= b.taken {
			b.held -= bl.bytes
		}
	}
	b.taken = max(b.taken, until)
	close(b.room)
	b.room = make(chan struct{})
	return blockRange(at, until), records, until < all, nil
}

// pending counts the records of the blocks behind the range from, and those of the buffer.
func (b *blocks[T]) pending(from []byte) (n int64) {
	_, at := parseBlockRange(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bl := range b.list[at-b.first:] {
		n += int64(len(bl.vs))
	}
	return n + int64(len(b.buffer.vs))
}

// read implements storage.
func (b *blocks[T]) read(rng []byte) (int, func(*rdd.TaskContext, int) iter.Seq[T]) {
	from, until := parseBlockRange(rng)
	b.mu.Lock()
	list := slices.Clone(b.list[from-b.first : until-b.first])
	b.mu.Unlock()
	return len(list), func(tc *rdd.TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) { yieldAll(tc, list[p].vs, yield) }
	}
}

// yieldAll yields values until yield gives false, and tells whether it had all.
func yieldAll[T any](tc *rdd.TaskContext, vs []T, yield func(T) bool) bool {
	for i, v := range vs {
		if i%1024 == 0 {
			tc.Check()
		}
		if !yield(v) {
			return false
		}
	}
	return true
}

// committed implements storage.
func (b *blocks[T]) committed([]byte) {}

// released implements storage: it forgets the blocks up to the end of the range.
func (b *blocks[T]) released(_ context.Context, upTo []byte) error {
	_, until := parseBlockRange(upTo)
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := min(until, b.taken) - b.first; n > 0 {
		for _, bl := range b.list[:n] {
			b.budget.Release(bl.bytes)
		}
		b.list = slices.Delete(b.list, 0, int(n))
		b.first += n
	}
	return nil
}

// close gives the memory of all blocks back, when no batch will come any more.
func (b *blocks[T]) close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bl := range b.list {
		b.budget.Release(bl.bytes)
	}
	b.budget.Release(b.buffer.bytes)
	b.first += int64(len(b.list))
	b.list, b.buffer = nil, received[T]{}
	b.taken = b.first
	return nil
}

// A range of blocks is the numbers of the first and of the one after the last, 8 bytes each.
func blockRange(from, until int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(from)), uint64(until))
}

// isBlockRange tells a range of blocks from the positions of sources.
func isBlockRange(rng []byte) bool {
	if len(rng) != 16 {
		return false
	}
	from, until := parseBlockRange(rng)
	return from >= 0 && from <= until && until < 1<<48
}

func parseBlockRange(rng []byte) (from, until int64) {
	return int64(binary.BigEndian.Uint64(rng)), int64(binary.BigEndian.Uint64(rng[8:]))
}
