package shuffle

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/weirstream/weir/internal/block"
)

// A Sorter is the map side of a sort: it makes sorted runs of the rows of a map partition. When it is refused more
// memory it sorts what it has and writes it to disk.
type Sorter[K, V any] struct {
	rows    *Rows[K, V]
	order   Order[K]
	sp      *Space
	wire    Wire[K, V]
	spilled *spool
	runs    []run[K, V]
}

// sortedRow is what sorting takes for each row in memory beside the rows: the entry, twice, and its share of two
// copies.
func sortedRow[K, V any]() int64 { return 2*16 + sizeOf[K]() + sizeOf[V]() }

// NewSorter makes a sorter whose memory is bounded to what the space grants.
func NewSorter[K, V any](o Order[K], own Own[K, V], sp *Space, w Wire[K, V]) (*Sorter[K, V], error) {
	rows, err := NewRows(1, nil, own)
	if err != nil {
		return nil, err
	}
	s := &Sorter[K, V]{rows: rows, order: o, sp: sp, wire: w}
	if sp != nil {
		rows.Within(sp, w)
		rows.full, rows.extra = s.spill, sortedRow[K, V]()
	}
	return s, nil
}

// Add takes one row.
func (s *Sorter[K, V]) Add(k K, v V) { s.rows.AddTo(0, k, v) }

// spill sorts what is there and writes it to disk.
func (s *Sorter[K, V]) spill() {
	if s.rows.Len() == 0 {
		return
	}
	buckets, err := s.rows.Finish()
	s.sp.must(err)
	b := buckets[0]
	entries, err := s.order.entries(b.Keys)
	s.sp.must(err)
	if s.spilled == nil {
		s.spilled = s.sp.spool()
	}
	w := newRunWriter(s.spilled, s.wire)
	for _, e := range entries {
		s.sp.must(w.add(&b.Keys[e.i], &b.Values[e.i]))
	}
	r, err := w.finish()
	s.sp.must(err)
	s.runs = append(s.runs, r)
	s.sp.check()
}

// Each yields the rows in order, once.
func (s *Sorter[K, V]) Each(yield func(K, V) bool) error {
	if s.spilled == nil && s.room() {
		b, err := s.sorted()
		if err == nil {
			b.All()(yield)
		}
		return err
	}
	readers, err := s.readers()
	if err == nil {
		mergeReaders(s.sp, s.wire, s.order, readers, yield)
	}
	return err
}

// room asks for memory for a sorted copy of the rows.
func (s *Sorter[K, V]) room() bool {
	held := s.rows.held
	return held == nil || held.Reach(s.rows.bytes()+int64(s.rows.Len())*(sizeOf[K]()+sizeOf[V]()))
}

// sorted gives the rows in memory in order.
func (s *Sorter[K, V]) sorted() (Bucket[K, V], error) {
	buckets, err := s.rows.Finish()
	if err != nil {
		return Bucket[K, V]{}, err
	}
	return Sort(buckets[0], s.order)
}

// readers gives all runs, when the last one is written, too.
func (s *Sorter[K, V]) readers() (list []*runReader[K, V], err error) {
	s.spill()
	_ = s.rows.held.Close()
	if err := s.spilled.flush(); err != nil {
		return nil, err
	}
	for _, r := range s.runs {
		of := &sortedRun[K, V]{order: s.order, wire: s.wire, run: r, file: s.spilled.f.Name()}
		list = append(list, newRunReader(s.sp, of, r))
	}
	return list, nil
}

// Publish gives the sorted rows with samples from which n partitions can be cut. They are one run, in memory if there
// is room for that: the samples must not depend on the memory that there was.
func (s *Sorter[K, V]) Publish(n int) (*Sorted[K, V], error) {
	if s.spilled == nil && s.room() {
		return s.publishHere(n)
	}
	readers, err := s.readers()
	if err != nil {
		return nil, err
	}
	total := 0
	for _, r := range readers {
		total += r.to
	}
	to := s.sp.spool()
	out, picks := newRunWriter(to, s.wire), sampled(total, n)
	var samples []Sampled[K]
	mergeReaders(s.sp, s.wire, s.order, readers, func(k K, v V) bool {
		if len(samples) < len(picks) && picks[len(samples)] == out.run.rows {
			own, err := s.wire.Keys.Clone(k)
			s.sp.must(err)
			samples = append(samples, Sampled[K]{own, float64(total) / float64(len(picks))})
		}
		s.sp.must(out.add(&k, &v))
		return true
	})
	_ = s.spilled.Close()
	r, err := out.finish()
	if err != nil {
		return nil, err
	}
	file, err := to.keep()
	sorted := &Sorted[K, V]{&sortedRun[K, V]{order: s.order, wire: s.wire, samples: samples, run: r, file: file}}
	runtime.AddCleanup(sorted, (*sortedRun[K, V]).release, sorted.sortedRun)
	return sorted, err
}

// publishHere makes a run in memory.
func (s *Sorter[K, V]) publishHere(n int) (*Sorted[K, V], error) {
	bytes := s.rows.laidOut()
	b, err := s.sorted()
	if err != nil {
		return nil, err
	}
	r := &sortedRun[K, V]{order: s.order, wire: s.wire, run: run[K, V]{here: b, rows: b.Len()}}
	picks := sampled(b.Len(), n)
	for _, i := range picks {
		r.samples = append(r.samples, Sampled[K]{b.Keys[i], float64(b.Len()) / float64(len(picks))})
	}
	out := &Sorted[K, V]{r}
	if held := s.rows.held; held != nil {
		r.disk, r.budget, r.bytes = s.sp.Disk, s.sp.Budget, bytes
		r.mu.Lock()
		r.entry = held.Hold(bytes, r.evict)
		r.mu.Unlock()
		_ = held.Close()
		runtime.AddCleanup(out, (*sortedRun[K, V]).release, r)
	}
	return out, nil
}

// A run is sorted rows, in memory or in frames of a file.
type run[K, V any] struct {
	rows   int
	here   Bucket[K, V]
	frames []frameAt[K] // nil if the rows are in memory
	end    int64        // of the last frame
}

// A frameAt is where a frame begins: its first row and that row's key.
type frameAt[K any] struct {
	at    int64
	row   int
	first K
}

// A runWriter writes a run.
type runWriter[K, V any] struct {
	stream
	wire Wire[K, V]
	run  run[K, V]
}

func newRunWriter[K, V any](to *spool, w Wire[K, V]) *runWriter[K, V] {
	return &runWriter[K, V]{stream: stream{to: to}, wire: w}
}

func (w *runWriter[K, V]) add(k *K, v *V) error {
	if w.n == 0 {
		first, err := w.wire.Keys.Clone(*k)
		if err != nil {
			return err
		}
		w.run.frames = append(w.run.frames, frameAt[K]{w.to.at, w.run.rows, first})
	}
	w.run.rows++
	raw, err := w.wire.append(w.begin(), k, v)
	if err != nil {
		return err
	}
	return w.end(raw)
}

func (w *runWriter[K, V]) finish() (run[K, V], error) {
	err := w.stream.finish()
	w.run.end = w.to.at
	return w.run, err
}

// A Sorted is the output of a map task of a sort: one sorted run. Its buckets are cut out of it when the bounds are
// known.
type Sorted[K, V any] struct{ *sortedRun[K, V] }

// A sortedRun is apart from its Sorted because the budget refers to it.
type sortedRun[K, V any] struct {
	order   Order[K]
	wire    Wire[K, V]
	samples []Sampled[K]
	disk    *block.Disk
	budget  *block.Budget
	bytes   int64

	mu     sync.Mutex
	run    run[K, V]
	file   string
	entry  *block.Entry
	forced int64
	gone   bool
}

// Samples gives keys, evenly spaced, of which bounds can be made.
func (s *sortedRun[K, V]) Samples() []Sampled[K] { return slices.Clone(s.samples) }

// Release gives the memory and the file back. To read the output after that is an error.
func (s *Sorted[K, V]) Release() { s.release() }

func (s *sortedRun[K, V]) release() {
	s.mu.Lock()
	entry, file, forced := s.entry, s.file, s.forced
	s.gone, s.run, s.entry, s.file, s.forced = true, run[K, V]{}, nil, "", 0
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

// evict moves the run in memory to a file, when the budget has taken the memory back. If it cannot be written it stays
// and is counted again.
func (s *sortedRun[K, V]) evict() {
	s.mu.Lock()
	here := s.run.here
	s.entry = nil
	s.mu.Unlock()
	file, written, err := writeRun(s.disk, s.wire, here)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		if err == nil {
			_ = os.Remove(file)
		}
	case err == nil:
		s.run, s.file = written, file
	default:
		s.forced = s.bytes
		s.budget.Force(s.bytes)
	}
}

// writeRun writes a file of one run; see writeBuckets.
func writeRun[K, V any](disk *block.Disk, w Wire[K, V], b Bucket[K, V]) (file string, r run[K, V], err error) {
	to, err := newSpool(disk)
	if err != nil {
		return "", r, err
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("encode a row: panic: %v", v)
		}
		if err != nil {
			_ = to.Close()
		}
	}()
	out := newRunWriter(to, w)
	for i := range b.Keys {
		if err := out.add(&b.Keys[i], &b.Values[i]); err != nil {
			return "", r, err
		}
	}
	r, err = out.finish()
	if err != nil {
		return "", r, err
	}
	file, err = to.keep()
	return file, r, err
}

// A Cut is the part of a sorted output that belongs to a partition: the rows behind the last key of the partition
// before, up to the partition's own last key.
type Cut[K, V any] struct {
	of     *Sorted[K, V]
	p      int
	bounds []K
	// loose is a part that came by way of its encoding.
	loose Bucket[K, V]
}

// Cut gives the part of partition p, where bounds are the last keys of all partitions but the last.
func (s *Sorted[K, V]) Cut(p int, bounds []K) Cut[K, V] {
	return Cut[K, V]{of: s, p: p, bounds: bounds}
}

// LooseCut makes a part of sorted rows in memory.
func LooseCut[K, V any](b Bucket[K, V]) Cut[K, V] { return Cut[K, V]{loose: b} }

// reader opens the part.
func (c Cut[K, V]) reader(sp *Space) (*runReader[K, V], error) {
	if c.of == nil {
		return &runReader[K, V]{sp: sp, piece: c.loose}, nil
	}
	run, file, err := c.of.view()
	if err != nil {
		return nil, err
	}
	r := newRunReader(sp, c.of.sortedRun, run)
	r.keep = c.of
	if c.p > 0 {
		r.at = run.rows
		if c.p-1 < len(c.bounds) {
			if r.at, err = c.of.after(sp, run, file, c.bounds[c.p-1]); err != nil {
				return nil, err
			}
		}
	}
	if c.p < len(c.bounds) {
		r.to, err = c.of.after(sp, run, file, c.bounds[c.p])
	}
	return r, err
}

// view gives where the rows are.
func (s *sortedRun[K, V]) view() (run[K, V], string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return s.run, "", ErrReleased
	}
	return s.run, s.file, nil
}

// after gives the first row of a run that comes after a key.
func (s *sortedRun[K, V]) after(sp *Space, r run[K, V], file string, key K) (int, error) {
	behind := func(keys []K) int {
		return sort.Search(len(keys), func(i int) bool { return s.order.compare(keys[i], key) > 0 })
	}
	if r.frames == nil {
		return behind(r.here.Keys), nil
	}
	i := sort.Search(len(r.frames), func(i int) bool { return s.order.compare(r.frames[i].first, key) > 0 }) - 1
	if i < 0 {
		return 0, nil
	}
	f, err := sp.file(file)
	if err != nil {
		return 0, fmt.Errorf("read a shuffle's file: %w", err)
	}
	defer sp.closeFile(f)
	b, err := s.frame(&spanReader{f: f}, r, i)
	return r.frames[i].row + behind(b.Keys), err
}

// frame reads a frame of a run.
func (s *sortedRun[K, V]) frame(in *spanReader, r run[K, V], i int) (b Bucket[K, V], err error) {
	end, rows := r.end, r.rows
	if i+1 < len(r.frames) {
		end, rows = r.frames[i+1].at, r.frames[i+1].row
	}
	in.spans, in.open = []span{{from: r.frames[i].at, to: end}}, false
	src, n, err := in.next()
	if err == nil && n != rows-r.frames[i].row {
		err = fmt.Errorf("read a shuffle's file: %w", block.Damaged(in.f.Name(),
			fmt.Errorf("%w: a frame has %d rows", block.ErrDamaged, n)))
	}
	if err == nil {
		err = s.wire.rows(src, n, &b, true)
	}
	return b, err
}

// A runReader reads a part of a run in pieces: from memory, or from disk, to which the run may move meanwhile.
type runReader[K, V any] struct {
	sp     *Space
	of     *sortedRun[K, V] // nil if piece is all there is
	keep   any              // what must not be given back meanwhile
	at, to int
	onDisk bool
	in     *spanReader
	piece  Bucket[K, V]
}

func newRunReader[K, V any](sp *Space, of *sortedRun[K, V], r run[K, V]) *runReader[K, V] {
	return &runReader[K, V]{sp: sp, of: of, to: r.rows, onDisk: r.frames != nil}
}

// next gives the next rows, none at the end.
func (r *runReader[K, V]) next() (b Bucket[K, V], err error) {
	if r.of == nil || r.at >= r.to {
		b, r.piece = r.piece, b
		return b, nil
	}
	from, file, err := r.of.view()
	if err != nil {
		return b, err
	}
	if from.frames == nil {
		end := min(r.at+pieceLen, r.to)
		b = Bucket[K, V]{from.here.Keys[r.at:end], from.here.Values[r.at:end]}
		r.at = end
		return b, nil
	}
	if r.in == nil {
		f, err := r.sp.file(file)
		if err != nil {
			return b, fmt.Errorf("read a shuffle's file: %w", err)
		}
		r.in = &spanReader{f: f}
	}
	r.sp.check()
	i := sort.Search(len(from.frames), func(i int) bool { return from.frames[i].row > r.at }) - 1
	b, err = r.of.frame(r.in, from, i)
	if err != nil {
		return b, err
	}
	begin := from.frames[i].row
	end := min(begin+b.Len(), r.to)
	b = Bucket[K, V]{b.Keys[r.at-begin : end-begin], b.Values[r.at-begin : end-begin]}
	if r.at = end; r.at == r.to {
		r.close()
	}
	return b, nil
}

func (r *runReader[K, V]) close() {
	if r.in != nil {
		r.sp.closeFile(r.in.f)
		r.in = nil
	}
}
