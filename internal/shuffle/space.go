package shuffle

import (
	"io"
	"math"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
)

// A Space is where the tables and writers of one attempt take their memory from, and where they put what does not fit.
// A nil Space has no bound. It belongs to the goroutine of the attempt. Close it when the attempt ends.
type Space struct {
	Budget *block.Budget
	Disk   *block.Disk
	// Fail ends the attempt with an error and does not return; Check ends it if it has been cancelled.
	Fail  func(error)
	Check func()

	open map[io.Closer]struct{}
}

// Close gives back what is still held.
func (sp *Space) Close() {
	for c := range sp.open {
		_ = c.Close() // What is read is checked, and what is written is of no use any more.
	}
	sp.open = nil
}

// holds has c closed with the space, unless lets is called before.
func (sp *Space) holds(c io.Closer) {
	if sp.open == nil {
		sp.open = map[io.Closer]struct{}{}
	}
	sp.open[c] = struct{}{}
}

func (sp *Space) lets(c io.Closer) {
	if sp != nil {
		delete(sp.open, c)
	}
}

// must ends the attempt if there is an error.
func (sp *Space) must(err error) {
	if err != nil {
		sp.Fail(err)
	}
}

// check ends the attempt if it has been cancelled.
func (sp *Space) check() {
	if sp != nil && sp.Check != nil {
		sp.Check()
	}
}

// file opens a file of an output.
func (sp *Space) file(name string) (*block.File, error) {
	f, err := block.Open(name)
	if err == nil && sp != nil {
		sp.holds(f)
	}
	return f, err
}

func (sp *Space) closeFile(f *block.File) {
	sp.lets(f)
	_ = f.Close()
}

// A share is a block.Share that its space closes.
type share struct {
	*block.Share
	sp *Space
}

func (sp *Space) share() *share {
	var b *block.Budget
	if sp != nil {
		b = sp.Budget
	}
	s := &share{b.Share(), sp}
	if sp != nil {
		sp.holds(s)
	}
	return s
}

// Close gives everything back.
func (s *share) Close() error {
	s.sp.lets(s)
	s.Share.Close()
	return nil
}

const (
	// lookMax is after how many records memory is looked at again at the latest.
	lookMax = 1024
	// forever is for what has nothing to look at.
	forever = math.MaxInt
)

// A meter counts down the records until something must look at its memory again, so that a record costs next to
// nothing.
type meter struct {
	left int
	seen int
	most int // lookMax at most
}

// next says when to look again: bytes are what n records or keys take so far, room is what is granted beyond.
func (m *meter) next(bytes, room int64, n int) {
	m.left = min(m.seen+1, m.most)
	if mean := bytes / int64(max(n, 1)); mean > 0 {
		m.left = int(min(int64(m.left), max(room/mean, 1)))
	}
	m.seen += m.left
}

// weigher gives the function that measures what a T holds beyond its own place; nil if it holds nothing, or if there
// is no codec to measure it.
func weigher[T any](c *codec.Codec[T]) func(*T) int64 {
	if c == nil || c.PointerFree() {
		return nil
	}
	return func(v *T) int64 { return int64(c.Size(v)) - sizeOf[T]() }
}
