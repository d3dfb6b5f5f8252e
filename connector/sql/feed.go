package sql

import (
	"errors"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
)

// A chunk ends with a thousand records, or with the one that takes it to a MiB, as far as their size is known.
const (
	chunkMax   = 1000
	chunkBytes = 1 << 20
)

// A bound tells when a chunk is full.
type bound[T any] struct {
	size  func(v *T) int // nil for types without a codec
	bytes int
}

func newBound[T any]() bound[T] {
	var b bound[T]
	if c, err := codec.For[T](); err == nil {
		b.size = c.Size
	}
	return b
}

// full tells whether the chunk ends with its last record.
func (b *bound[T]) full(chunk []T) bool {
	if b.size != nil {
		b.bytes += b.size(&chunk[len(chunk)-1])
	}
	if len(chunk) < chunkMax && b.bytes < chunkBytes {
		return false
	}
	b.bytes = 0
	return true
}

// A feed hands the records of a partition over in chunks. They are computed on a goroutine of their own: while the
// database takes one chunk in, the next is made; and what goes wrong in making them unwinds none of the goroutines that
// the client library, or a user, hands the records to.
type feed[T any] struct {
	chunks  chan []T // closed at the end
	stopped chan struct{}
	err     error // why the records are not all there; of chunks when it is closed
}

var errCut = errors.New("the records could not be read to their end")

func newFeed[T any](in iter.Seq[T]) *feed[T] {
	f := &feed[T]{chunks: make(chan []T), stopped: make(chan struct{})}
	go f.run(in)
	return f
}

func (f *feed[T]) run(in iter.Seq[T]) {
	defer close(f.chunks)
	f.err = errCut // It stands when the task is unwound by Goexit.
	defer func() {
		if v := recover(); v != nil {
			f.err = exec.NewPanic(v, debug.Stack())
		}
	}()
	var chunk []T
	end := newBound[T]()
	for v := range in {
		if chunk = append(chunk, v); !end.full(chunk) {
			continue
		}
		if !f.hand(chunk) {
			return
		}
		chunk = nil
	}
	if len(chunk) > 0 && !f.hand(chunk) {
		return
	}
	f.err = nil
}

// hand tells whether more is wanted.
func (f *feed[T]) hand(chunk []T) bool {
	select {
	case f.chunks <- chunk:
		return true
	case <-f.stopped:
		return false
	}
}

// stop ends the feed, and waits until nothing is computed any more.
func (f *feed[T]) stop() {
	close(f.stopped)
	for range f.chunks {
	}
}
