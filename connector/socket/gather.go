package socket

import (
	"errors"
	"io"

	"github.com/weirstream/weir/dstream"
)

// A gathering keeps the elements that the bytes of a connection have given until more bytes are asked for, which may be
// long in coming, and stores them together then. With a write ahead log that is a sync of the disk for all of them and
// not for each.
type gathering[T any] struct {
	conn io.Reader
	st   *dstream.Store[T]
	// turn is held by who reads or changes what follows: a decoder may read on a goroutine of its own.
	turn    chan struct{}
	vs      []T
	reading bool // more bytes are being waited for
}

// gatheredMax is how many elements are gathered at most.
const gatheredMax = 1000

func gather[T any](conn io.Reader, st *dstream.Store[T]) *gathering[T] {
	return &gathering[T]{conn: conn, st: st, turn: make(chan struct{}, 1)}
}

// Read implements io.Reader.
func (g *gathering[T]) Read(p []byte) (int, error) {
	g.waits(true)
	defer g.waits(false)
	if err := g.store(); err != nil {
		return 0, err
	}
	return g.conn.Read(p)
}

func (g *gathering[T]) waits(more bool) {
	g.turn <- struct{}{}
	g.reading = more
	<-g.turn
}

// add gathers an element. As many as the rate lets through at once are stored, that none waits for others; and each at
// once while more bytes are waited for.
func (g *gathering[T]) add(v T) error {
	g.turn <- struct{}{}
	g.vs = append(g.vs, v)
	full := g.reading || len(g.vs) >= min(gatheredMax, g.st.Burst())
	<-g.turn
	if full {
		return g.store()
	}
	return nil
}

// store stores what has been gathered.
func (g *gathering[T]) store() error {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	if len(g.vs) == 0 {
		return nil
	}
	vs := g.vs
	g.vs = nil
	return refused(g.st, g.st.Some(vs, nil))
}

// refused reports what a write ahead log could not hold of what was stored: the peer has sent it, and more may come.
func refused[T any](st *dstream.Store[T], err error) error {
	if errors.Is(err, dstream.ErrNotEncoded) {
		st.Report(err)
		return nil
	}
	return err
}
