package shuffle

import "iter"

// mergeMost is how many runs on disk are read at the same time: each takes a frame. More of them are merged into longer
// ones first.
const mergeMost = 32

// MergeSorted yields the rows of parts of sorted outputs in order; of equal keys those of the part that stands first.
// It keeps a place in each run, and a frame of each that lies on disk.
func MergeSorted[K, V any](sp *Space, w Wire[K, V], o Order[K], in []Cut[K, V]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var readers []*runReader[K, V]
		for _, c := range in {
			r, err := c.reader(sp)
			if err != nil {
				sp.Fail(err)
			}
			readers = append(readers, r)
		}
		mergeReaders(sp, w, o, readers, yield)
	}
}

// mergeReaders yields the rows of readers in order, by way of longer runs if there are many.
func mergeReaders[K, V any](sp *Space, w Wire[K, V], o Order[K], readers []*runReader[K, V],
	yield func(K, V) bool,
) {
	var spools []*spool
	defer func() {
		for _, r := range readers {
			r.close()
		}
		for _, s := range spools {
			_ = s.Close()
		}
	}()
	for onDisk(readers) > mergeMost {
		var s *spool
		readers, s = mergeSome(sp, w, o, readers)
		spools = append(spools, s)
	}
	mergeRuns(sp, o, readers, yield)
}

func onDisk[K, V any](readers []*runReader[K, V]) (n int) {
	for _, r := range readers {
		if r.onDisk {
			n++
		}
	}
	return n
}

// mergeSome makes one run of neighbours, as many as may be merged at a time, and puts it in their place: equal keys
// keep the order of the runs.
func mergeSome[K, V any](sp *Space, w Wire[K, V], o Order[K], readers []*runReader[K, V],
) ([]*runReader[K, V], *spool) {
	from, to := neighbours(readers)
	s := sp.spool()
	out := newRunWriter(s, w)
	mergeRuns(sp, o, readers[from:to], func(k K, v V) bool {
		sp.must(out.add(&k, &v))
		return true
	})
	r, err := out.finish()
	sp.must(err)
	sp.must(s.flush())
	merged := newRunReader(sp, &sortedRun[K, V]{order: o, wire: w, run: r, file: s.f.Name()}, r)
	list := append([]*runReader[K, V]{}, readers[:from]...)
	return append(append(list, merged), readers[to:]...), s
}

// neighbours finds which runs to merge first: of all that lie side by side, mergeMost of them on disk, those with the
// fewest rows, so that a row is written as seldom as can be.
func neighbours[K, V any](readers []*runReader[K, V]) (from, to int) {
	least := -1
	for i := range readers {
		rows, disk, end := 0, 0, i
		for end < len(readers) && disk < mergeMost {
			if readers[end].onDisk {
				disk++
			}
			rows += readers[end].to - readers[end].at
			end++
		}
		if disk == mergeMost && (least < 0 || rows < least) {
			least, from, to = rows, i, end
		}
	}
	return from, to
}

// mergeRuns merges the rows of readers.
func mergeRuns[K, V any](sp *Space, o Order[K], readers []*runReader[K, V], yield func(K, V) bool) {
	m := merger[K, V]{o: o, sp: sp}
	for i, r := range readers {
		if c := (cursor[K, V]{more: r, number: i}); m.load(&c) {
			m.heap = append(m.heap, c)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	for len(m.heap) > 1 {
		top := &m.heap[0]
		if !yield(top.piece.Keys[top.at], top.piece.Values[top.at]) {
			return
		}
		m.advance()
	}
	if len(m.heap) == 1 {
		m.rest(yield)
	}
}

// A cursor is a place in a run.
type cursor[K, V any] struct {
	prefix uint64
	piece  Bucket[K, V]
	at     int
	number int // of the run
	more   *runReader[K, V]
}

// A merger is a heap of cursors, the one whose row comes next on top.
type merger[K, V any] struct {
	o    Order[K]
	sp   *Space
	heap []cursor[K, V]
}

// load begins the cursor's next piece; false says that there is none.
func (m *merger[K, V]) load(c *cursor[K, V]) bool {
	b, err := c.more.next()
	if err != nil {
		m.sp.Fail(err)
	}
	if c.piece, c.at = b, 0; b.Len() == 0 {
		return false
	}
	m.head(c)
	return true
}

// head fills in the prefix of the cursor's row.
func (m *merger[K, V]) head(c *cursor[K, V]) {
	if m.o.prefix != nil {
		c.prefix = m.o.prefix(c.piece.Keys[c.at])
	}
}

// advance moves the top cursor to its next row, or drops it.
func (m *merger[K, V]) advance() {
	top := &m.heap[0]
	if top.at++; top.at < top.piece.Len() {
		m.head(top)
	} else if !m.load(top) {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
}

// rest yields the rows of the last run.
func (m *merger[K, V]) rest(yield func(K, V) bool) {
	c := &m.heap[0]
	for {
		for ; c.at < c.piece.Len(); c.at++ {
			if !yield(c.piece.Keys[c.at], c.piece.Values[c.at]) {
				return
			}
		}
		if !m.load(c) {
			return
		}
	}
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
		if c := m.o.compare(a.piece.Keys[a.at], b.piece.Keys[b.at]); c != 0 {
			return c < 0
		}
	}
	return a.number < b.number
}
