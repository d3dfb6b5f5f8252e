package shuffle

import "fmt"

// Rows is the map side of a shuffle that does not combine: every row goes to its bucket as it is (groupByKey,
// partitionBy, joins, repartition, for which K may be an empty type).
//
// Rows are logged in input order with their partition and dealt into buckets of exact size at the end. That
// is two writes a row, whatever the number of buckets; to append to each bucket would copy each row four
// times while its slice grows, and start many small slices for a small batch.
//
// When it is refused more memory what is there is dealt and written to disk, a run of each partition behind that of the
// one before, and the log begins anew.
type Rows[K, V any] struct {
	meter
	log   pages[row[K, V]]
	count []int // rows by partition
	deal  dealer[K]
	own   Own[K, V]
	arena *Arena
	key   func(K) K
	value func(V) V
	err   error

	sp      *Space
	wire    Wire[K, V]
	held    *share
	weighs  weighing[K, V]
	spilled *spool
	spans   [][]span // by partition
	written []int    // rows by partition
	each    int64    // bytes that a row takes as a bucket's
	// full writes what is there to disk; extra is what it needs for each row.
	full  func()
	extra int64
}

// A weighing estimates what rows hold beyond their places, by a sample of them.
type weighing[K, V any] struct {
	key   func(*K) int64
	value func(*V) int64
	n     int64
	sum   int64
}

// add weighs a row.
func (w *weighing[K, V]) add(k *K, v *V) {
	w.n++
	if w.key != nil {
		w.sum += w.key(k)
	}
	if w.value != nil {
		w.sum += w.value(v)
	}
}

// of is what n rows hold.
func (w *weighing[K, V]) of(n int) int64 { return w.sum * int64(n) / max(w.n, 1) }

type row[K, V any] struct {
	value V
	key   K
	part  int32
}

// NewRows makes a writer for n reduce partitions. deal gives a row's partition by its key, 0 to n-1; it must be
// the same function in every process and release, and is called once a row. It may be nil when n is 1 or when
// only AddTo is used. The functions of own are called once a row.
func NewRows[K, V any](n int, deal func(K) int, own Own[K, V]) (*Rows[K, V], error) {
	r := &Rows[K, V]{own: own, meter: meter{left: forever}}
	switch {
	case deal != nil:
	case n == 1:
		deal = func(K) int { return 0 }
	default:
		deal = r.undealt
	}
	d, err := newDealer(n, deal)
	if err != nil {
		return nil, err
	}
	r.deal, r.count = d, make([]int, n)
	r.begin()
	return r, nil
}

// weighEach: one of that many rows is weighed, of types for which that takes time.
const weighEach = 16

// Within bounds the memory to what the space grants; w writes what does not fit.
func (r *Rows[K, V]) Within(sp *Space, w Wire[K, V]) {
	r.sp, r.wire, r.held = sp, w, sp.share()
	if r.left, r.most = 0, lookMax; kindOf[K]() != kindText { // The arena counts strings.
		r.weighs.key = weigher(w.Keys)
	}
	if kindOf[V]() != kindText {
		r.weighs.value = weigher(w.Values)
	}
	if r.weighs.key != nil || r.weighs.value != nil {
		r.most = weighEach
	}
	r.full, r.extra = r.spill, perRow32
}

// perRow32 is a number of 32 bits for each row.
const perRow32 = 4

// begin gives the writer a new arena: the last one belongs to the buckets that were made of it.
func (r *Rows[K, V]) begin() {
	r.arena = new(Arena)
	r.key = keeper(r.own.Key, r.arena)
	r.value = keeper(r.own.Value, r.arena)
}

// undealt stands for a missing function: only AddTo was promised, yet Add was called.
func (r *Rows[K, V]) undealt(K) int {
	if r.err == nil {
		r.err = fmt.Errorf("rows for %d partitions were added by key without a function that deals keys", r.deal.n)
	}
	return -1
}

// Add takes one row and deals it by its key. It does not fail at once; Err and Finish tell.
func (r *Rows[K, V]) Add(k K, v V) { r.AddTo(r.deal.of(k), k, v) }

// AddAll is Add for the rows of b.
func (r *Rows[K, V]) AddAll(b Bucket[K, V]) {
	for i, k := range b.Keys {
		r.AddTo(r.deal.of(k), k, b.Values[i])
	}
}

// AddTo takes one row for partition p.
func (r *Rows[K, V]) AddTo(p int, k K, v V) {
	if uint(p) >= uint(r.deal.n) {
		if r.err == nil {
			r.err = r.deal.check(k, p)
		}
		return
	}
	if r.left--; r.left < 0 {
		r.look()
	}
	if r.key != nil {
		k = r.key(k)
	}
	if r.value != nil {
		v = r.value(v)
	}
	e := r.log.next()
	e.key, e.value, e.part = k, v, int32(p)
	r.count[p]++
}

// look asks for memory, and writes to disk what is there if that is refused.
func (r *Rows[K, V]) look() {
	n := r.log.n
	if n > 0 && r.most == weighEach {
		e := r.log.at(uint32(n - 1))
		r.weighs.add(&e.key, &e.value)
	}
	bytes := r.bytes()
	if !r.held.Reach(bytes) {
		if n > 0 {
			r.full()
			r.left = 0
			return
		}
		r.held.Force(bytes) // One row is always taken.
	}
	r.next(bytes, r.held.Granted()-bytes, n)
	r.left--
}

// bytes is what the log takes, with the page that the next row may begin. Pages that are kept from before are free.
func (r *Rows[K, V]) bytes() int64 {
	n := int64(r.log.n)
	return (n+min(n+1, pageLen))*sizeOf[row[K, V]]() + r.extra*n + r.arena.Bytes() + r.weighs.of(r.log.n)
}

// spill writes the log to disk.
func (r *Rows[K, V]) spill() {
	if r.spilled == nil {
		r.spilled, r.spans, r.written = r.sp.spool(), make([][]span, len(r.count)), make([]int, len(r.count))
	}
	r.each = max(r.each, r.laidOut()/int64(max(r.log.n, 1)))
	out := stream{to: r.spilled}
	order := r.dealt()
	for p, n := range r.count {
		for _, i := range order[:n] {
			e := r.log.at(i)
			raw, err := r.wire.append(out.begin(), &e.key, &e.value)
			r.sp.must(err)
			r.sp.must(out.end(raw))
		}
		r.sp.must(out.flush())
		for _, s := range out.spans {
			r.spans[p] = joinSpan(r.spans[p], s)
		}
		r.written[p] += n
		out.spans, order = out.spans[:0], order[n:]
	}
	r.sp.check()
	r.log.reset()
	clear(r.count)
	r.begin()
}

// dealt gives the numbers of the rows by partition, in input order for each.
func (r *Rows[K, V]) dealt() []uint32 {
	next, at := make([]uint32, len(r.count)), uint32(0)
	for p, n := range r.count {
		next[p] = at
		at += uint32(n)
	}
	order := make([]uint32, r.log.n)
	for base, page := range r.log.all {
		for i := range page {
			p := page[i].part
			order[next[p]] = uint32(base + i)
			next[p]++
		}
	}
	return order
}

// Publish is Finish for a writer with a bound, which is of no use afterwards: the rows lie in memory if there is room
// to lay them out, otherwise on disk.
func (r *Rows[K, V]) Publish() (*Output[K, V], error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.sp == nil {
		buckets, err := r.Finish()
		return NewOutput(buckets), err
	}
	if r.spilled == nil && r.held.Reach(r.bytes()+int64(r.log.n)*(sizeOf[K]()+sizeOf[V]())) {
		bytes := r.laidOut()
		buckets, err := r.Finish()
		if err != nil {
			return nil, err
		}
		return NewOutput(buckets).owned(r.sp, r.wire, r.held, bytes), nil
	}
	r.spill()
	file, err := r.spilled.keep()
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, n := range r.written {
		total += int64(n)
	}
	out := &Output[K, V]{&stored[K, V]{rows: r.written, file: file, spans: r.spans}}
	return out.owned(r.sp, r.wire, r.held, r.each*total), nil
}

// laidOut is what the rows take in buckets.
func (r *Rows[K, V]) laidOut() int64 {
	return int64(r.log.n)*(sizeOf[K]()+sizeOf[V]()) + r.arena.Bytes() + r.weighs.of(r.log.n)
}

// Len returns the number of rows so far, without those on disk.
func (r *Rows[K, V]) Len() int { return r.log.n }

// Bytes returns the memory held, without what keys and values other than strings point to. While Finish runs the
// rows are there twice.
func (r *Rows[K, V]) Bytes() int64 { return r.log.bytes() + r.arena.Bytes() }

// Err tells of a row that was dealt to a partition that is not there.
func (r *Rows[K, V]) Err() error { return r.err }

// Finish returns the bucket of each reduce partition, rows in input order, and leaves the writer empty, ready for
// the next task with its memory kept.
func (r *Rows[K, V]) Finish() ([]Bucket[K, V], error) {
	defer r.reset()
	if r.err != nil {
		return nil, r.err
	}
	l := newLayout[K, V](r.count)
	for _, page := range r.log.all {
		for i := range page {
			e := &page[i]
			l.put(int(e.part), e.key, e.value)
		}
	}
	return l.buckets(), nil
}

func (r *Rows[K, V]) reset() {
	r.log.reset()
	clear(r.count)
	r.err = nil
	r.begin()
}
