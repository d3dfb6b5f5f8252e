package shuffle

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/weirstream/weir/internal/block"
)

// An Output is what one map task wrote: rows for each reduce partition. They lie in memory, which the budget may take
// back, or in a file. Many may read it at the same time. What it holds is given back by Release, or when nobody refers
// to the output or its parts any more.
type Output[K, V any] struct{ *stored[K, V] }

// stored is apart from the Output because the budget refers to it.
type stored[K, V any] struct {
	wire Wire[K, V]
	disk *block.Disk
	rows []int // by partition
	each int64 // bytes that a row takes in memory, about

	mu      sync.Mutex
	buckets []Bucket[K, V] // nil when the rows lie in the file
	file    string
	spans   [][]span // by partition
	entry   *block.Entry
	forced  int64 // bytes that could not be given back
	budget  *block.Budget
	gone    bool
}

// NewOutput makes an output of buckets that the caller holds, which count for nothing.
func NewOutput[K, V any](buckets []Bucket[K, V]) *Output[K, V] {
	s := &stored[K, V]{buckets: buckets, rows: make([]int, len(buckets))}
	for p, b := range buckets {
		s.rows[p] = b.Len()
	}
	return &Output[K, V]{s}
}

// owned leaves the output's memory, of that many bytes, and file to itself.
func (o *Output[K, V]) owned(sp *Space, w Wire[K, V], held *share, bytes int64) *Output[K, V] {
	s := o.stored
	s.wire, s.disk, s.budget = w, sp.Disk, sp.Budget
	total := 0
	for _, n := range s.rows {
		total += n
	}
	s.each = bytes / int64(max(total, 1))
	if s.buckets != nil {
		s.mu.Lock()
		s.entry = held.Hold(bytes, s.evict)
		s.mu.Unlock()
	}
	_ = held.Close()
	runtime.AddCleanup(o, (*stored[K, V]).release, s)
	return o
}

// Bucket gives the part of a reduce partition.
func (o *Output[K, V]) Bucket(p int) any { return Part[K, V]{of: o, p: p} }

// Release gives the memory and the file back. To read the output after that is an error.
func (o *Output[K, V]) Release() { o.release() }

func (s *stored[K, V]) release() {
	s.mu.Lock()
	entry, file, forced := s.entry, s.file, s.forced
	s.gone, s.buckets, s.spans, s.entry, s.file, s.forced = true, nil, nil, nil, "", 0
	s.mu.Unlock()
	if forced > 0 {
		s.budget.Release(forced)
	}
	if entry != nil {
		s.budget.Drop(entry)
	}
	if file != "" {
		_ = os.Remove(file)
	}
}

// evict moves the rows from memory to a file, when the budget has taken the memory back. If they cannot be written they
// stay and are counted again.
func (s *stored[K, V]) evict() {
	s.mu.Lock()
	buckets := s.buckets
	s.entry = nil
	s.mu.Unlock()
	file, spans, err := writeBuckets(s.disk, s.wire, buckets)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		if err == nil {
			_ = os.Remove(file)
		}
	case err == nil:
		s.buckets, s.file, s.spans = nil, file, spans
	default:
		for _, rows := range s.rows {
			s.forced += int64(rows) * s.each
		}
		s.budget.Force(s.forced)
	}
}

// writeBuckets writes a file of buckets. It runs in a task that is a stranger to them, which a panic of the codec must
// not reach.
func writeBuckets[K, V any](disk *block.Disk, w Wire[K, V], buckets []Bucket[K, V],
) (file string, spans [][]span, err error) {
	to, err := newSpool(disk)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("encode a row: panic: %v", v)
		}
		if err != nil {
			_ = to.Close()
		}
	}()
	out := stream{to: to}
	spans = make([][]span, len(buckets))
	for p, b := range buckets {
		for i := range b.Keys {
			raw, err := w.append(out.begin(), &b.Keys[i], &b.Values[i])
			if err = errors.Join(err, out.end(raw)); err != nil {
				return "", nil, err
			}
		}
		if err := out.flush(); err != nil {
			return "", nil, err
		}
		spans[p], out.spans = out.spans, nil
	}
	file, err = to.keep()
	return file, spans, err
}

// ErrReleased says that an output was read that is needed no more.
var ErrReleased = errors.New("the output of a shuffle was read after it had been released: " +
	"the batch that it belongs to is over")

// view gives what is there of a partition.
func (s *stored[K, V]) view(p int) (in Bucket[K, V], spans []span, file string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		err = ErrReleased
	case s.buckets != nil:
		in = s.buckets[p]
	case s.spans != nil:
		spans, file = s.spans[p], s.file
	}
	return in, spans, file, err
}

// A Part is the rows that one map task has for one reduce partition.
type Part[K, V any] struct {
	of    *Output[K, V]
	p     int
	loose Bucket[K, V]
}

// Loose makes a part of a bucket in memory.
func Loose[K, V any](b Bucket[K, V]) Part[K, V] { return Part[K, V]{loose: b} }

// Len returns the number of rows.
func (p Part[K, V]) Len() int {
	if p.of == nil {
		return p.loose.Len()
	}
	return p.of.rows[p.p]
}

// heap is about what a row holds beyond its own place.
func (p Part[K, V]) heap() int64 {
	if p.of == nil {
		return 0
	}
	return max(p.of.each-sizeOf[K]()-sizeOf[V](), 0)
}

// Read yields the rows in pieces, in order; a piece is valid until the next is asked for, what its rows hold for ever.
// It ends the attempt if the rows cannot be read.
func (p Part[K, V]) Read(sp *Space, w Wire[K, V], yield func(Bucket[K, V]) bool) bool {
	return p.pieces(sp, w, true, yield)
}

func (p Part[K, V]) pieces(sp *Space, w Wire[K, V], alias bool, yield func(Bucket[K, V]) bool) bool {
	r := p.read(sp, w, alias)
	defer r.close()
	for {
		b, err := r.next()
		if err != nil {
			sp.Fail(err)
		}
		if b.Len() == 0 {
			return true
		}
		if !yield(b) {
			return false
		}
	}
}

// pieceLen is how many rows in memory are given at a time. Between pieces the memory may be taken back.
const pieceLen = 4096

// A partReader reads a part in pieces.
type partReader[K, V any] struct {
	part  Part[K, V]
	sp    *Space
	wire  Wire[K, V]
	alias bool
	done  int // rows that were given
	disk  *spanReader
	skip  int // rows at the front of disk that were given from memory
	buf   Bucket[K, V]
}

func (p Part[K, V]) read(sp *Space, w Wire[K, V], alias bool) *partReader[K, V] {
	return &partReader[K, V]{part: p, sp: sp, wire: w, alias: alias}
}

// next gives the next rows, none at the end.
func (r *partReader[K, V]) next() (Bucket[K, V], error) {
	if r.done == r.part.Len() {
		return Bucket[K, V]{}, nil
	}
	if r.disk == nil {
		in, err := r.part.loose, error(nil)
		if r.part.of != nil {
			in, err = r.open()
		}
		if err != nil {
			return in, err
		}
		if r.disk == nil {
			from, to := r.done, min(r.done+pieceLen, in.Len())
			r.done = to
			return Bucket[K, V]{in.Keys[from:to:to], in.Values[from:to:to]}, nil
		}
	}
	return r.load()
}

// open looks where the rows are, and opens the file if they are there.
func (r *partReader[K, V]) open() (Bucket[K, V], error) {
	in, spans, name, err := r.part.of.view(r.part.p)
	if err != nil || spans == nil {
		return in, err
	}
	f, err := r.sp.file(name)
	if err != nil {
		return in, fmt.Errorf("read a shuffle's file: %w", err)
	}
	r.disk, r.skip = &spanReader{f: f, spans: spans}, r.done
	return in, nil
}

// load reads the next rows from disk.
func (r *partReader[K, V]) load() (Bucket[K, V], error) {
	for {
		r.sp.check()
		src, n, err := r.disk.next()
		if err != nil {
			return Bucket[K, V]{}, err
		}
		if n == 0 {
			return Bucket[K, V]{}, fmt.Errorf("read a shuffle's file: %w", block.Damaged(r.disk.f.Name(),
				fmt.Errorf("%w: it has %d of %d rows", block.ErrDamaged, r.done, r.part.Len())))
		}
		r.buf.Keys, r.buf.Values = r.buf.Keys[:0], r.buf.Values[:0]
		if err := r.wire.rows(src, n, &r.buf, r.alias); err != nil {
			return Bucket[K, V]{}, err
		}
		if r.skip >= n {
			r.skip -= n
			continue
		}
		b := Bucket[K, V]{r.buf.Keys[r.skip:], r.buf.Values[r.skip:]}
		r.skip = 0
		r.done += b.Len()
		return b, nil
	}
}

func (r *partReader[K, V]) close() {
	if r.disk != nil {
		r.sp.closeFile(r.disk.f)
	}
}

// whole gives all rows at once: in memory they are where they are, and nothing is copied.
func (p Part[K, V]) whole(sp *Space, w Wire[K, V]) (Bucket[K, V], bool) {
	if p.of == nil {
		return p.loose, true
	}
	in, spans, _, err := p.of.view(p.p)
	if err != nil {
		sp.Fail(err)
	}
	if spans == nil {
		return in, true
	}
	var all Bucket[K, V]
	all.Keys, all.Values = make([]K, 0, p.Len()), make([]V, 0, p.Len())
	p.pieces(sp, w, true, func(b Bucket[K, V]) bool {
		all.Keys, all.Values = append(all.Keys, b.Keys...), append(all.Values, b.Values...)
		return true
	})
	return all, false
}
