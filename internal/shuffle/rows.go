package shuffle

import "fmt"

// Rows is the map side of a shuffle that does not combine: every row goes to its bucket as it is (groupByKey,
// partitionBy, joins, repartition, for which K may be an empty type).
//
// Rows are logged in input order with their partition and dealt into buckets of exact size at the end. That
// is two writes a row, whatever the number of buckets; to append to each bucket would copy each row four
// times while its slice grows, and start many small slices for a small batch.
type Rows[K, V any] struct {
	log   pages[row[K, V]]
	count []int // rows by partition
	deal  dealer[K]
	own   Own[K, V]
	arena *Arena
	key   func(K) K
	value func(V) V
	err   error
}

type row[K, V any] struct {
	value V
	key   K
	part  int32
}

// NewRows makes a writer for n reduce partitions. deal gives a row's partition by its key, 0 to n-1; it must be
// the same function in every process and release, and is called once a row. It may be nil when n is 1 or when
// only AddTo is used. The functions of own are called once a row.
func NewRows[K, V any](n int, deal func(K) int, own Own[K, V]) (*Rows[K, V], error) {
	r := &Rows[K, V]{own: own}
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

// AddTo takes one row for partition p.
func (r *Rows[K, V]) AddTo(p int, k K, v V) {
	if uint(p) >= uint(r.deal.n) {
		if r.err == nil {
			r.err = r.deal.check(k, p)
		}
		return
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

// Len returns the number of rows so far.
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
