package shuffle

import "iter"

// MergeSorted yields the rows of sorted buckets in order; of equal keys those of the bucket that stands first. It keeps
// nothing but a place in each bucket.
func MergeSorted[K, V any](in []Bucket[K, V], o Order[K]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if b, ok := only(in); ok {
			b.All()(yield)
			return
		}
		m := merger[K, V]{o: o}
		for i, b := range in {
			if b.Len() > 0 {
				m.heap = append(m.heap, m.head(cursor[K, V]{bucket: b, number: i}))
			}
		}
		for i := len(m.heap)/2 - 1; i >= 0; i-- {
			m.sink(i)
		}
		for len(m.heap) > 0 {
			top := &m.heap[0]
			if !yield(top.bucket.Keys[top.at], top.bucket.Values[top.at]) {
				return
			}
			m.advance()
		}
	}
}

// A cursor is a place in a bucket.
type cursor[K, V any] struct {
	prefix uint64
	bucket Bucket[K, V]
	at     int
	number int // of the bucket
}

// A merger is a heap of cursors, the one whose row comes next on top.
type merger[K, V any] struct {
	o    Order[K]
	heap []cursor[K, V]
}

// head fills in the prefix of the cursor's row.
func (m *merger[K, V]) head(c cursor[K, V]) cursor[K, V] {
	if m.o.prefix != nil {
		c.prefix = m.o.prefix(c.bucket.Keys[c.at])
	}
	return c
}

// advance moves the top cursor to its next row, or drops it.
func (m *merger[K, V]) advance() {
	top := &m.heap[0]
	if top.at++; top.at < top.bucket.Len() {
		*top = m.head(*top)
	} else {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
}

func (m *merger[K, V]) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if m.before(&m.heap[child], &m.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (m *merger[K, V]) before(a, b *cursor[K, V]) bool {
	if a.prefix != b.prefix {
		return a.prefix < b.prefix
	}
	if m.o.prefix == nil || !m.o.exact {
		if c := m.o.compare(a.bucket.Keys[a.at], b.bucket.Keys[b.at]); c != 0 {
			return c < 0
		}
	}
	return a.number < b.number
}
