package shuffle

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstream/weir/internal/block"
)

// A placed stream holds records that begin with a position, written as its distance from the one before.
type placed struct {
	stream
	last uint64
}

// at begins a record.
func (p *placed) at(pos uint64) []byte {
	raw := binary.AppendUvarint(p.begin(), pos-p.last)
	p.last = pos
	return raw
}

// A placedReader stands at a record of a placed stream.
type placedReader struct {
	sp   *Space
	in   spanReader
	left int    // records of the frame, with this one; 0 at the end
	src  []byte // from behind the position on
	pos  uint64
}

// newPlacedReader stands at the first record.
func newPlacedReader(sp *Space, file *spool, p *placed) *placedReader {
	r := &placedReader{sp: sp, in: spanReader{f: file.f, spans: p.spans}}
	sp.must(r.load())
	return r
}

// load reads the next frame, if there is one.
func (r *placedReader) load() (err error) {
	r.sp.check()
	if r.src, r.left, err = r.in.next(); err != nil || r.left == 0 {
		return err
	}
	return r.place()
}

func (r *placedReader) place() error {
	delta, n := binary.Uvarint(r.src)
	if n <= 0 {
		return fmt.Errorf("%w: a record has no position", block.ErrDamaged)
	}
	r.pos += delta
	r.src = r.src[n:]
	return nil
}

// advance goes to the next record, which begins at rest if this frame holds it.
func (r *placedReader) advance(rest []byte) error {
	if r.left--; r.left == 0 {
		return r.load()
	}
	r.src = rest
	return r.place()
}

// eachPlaced gives f each record of a stream; f gives what follows the record.
func eachPlaced(sp *Space, file *spool, p *placed, f func(pos uint64, src []byte) (rest []byte, err error)) {
	r := newPlacedReader(sp, file, p)
	for r.left > 0 {
		rest, err := f(r.pos, r.src)
		sp.must(err)
		sp.must(r.advance(rest))
	}
}

// mergePlaced gives f the records of streams whose positions rise, by their positions, until it says that it wants no
// more.
func mergePlaced(sp *Space, file *spool, list []placed,
	f func(pos uint64, src []byte) (rest []byte, more bool, err error),
) {
	heads := make([]*placedReader, len(list))
	for i := range list {
		heads[i] = newPlacedReader(sp, file, &list[i])
	}
	for {
		var least *placedReader // There are fanOut of them at most: a heap would not be faster.
		for _, r := range heads {
			if r.left > 0 && (least == nil || r.pos < least.pos) {
				least = r
			}
		}
		if least == nil {
			return
		}
		rest, more, err := f(least.pos, least.src)
		sp.must(err)
		if !more {
			return
		}
		sp.must(least.advance(rest))
	}
}
