package sql

import (
	"errors"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/internal/exec"
)

// chunkMax is how many records are handed over at once.
const chunkMax = 1000

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
	for v := range in {
		if chunk = append(chunk, v); len(chunk) < chunkMax {
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
