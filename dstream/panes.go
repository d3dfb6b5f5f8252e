package dstream

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/shuffle"
	"github.com/weirstream/weir/rdd"
)

// A pane is what one batch adds to a window: the batch's value of each of its keys.
type pane[K comparable, V any] struct {
	time Time
	rows []paneRow[K, V]
}

// A paneRow holds, while its pane is in the back, the batch's value of the key. In the front it holds the fold of the
// key's values from here to the newest pane of the front, and where the key comes next there.
type paneRow[K comparable, V any] struct {
	key   K
	value V
	next  paneRef
}

// A paneRef is a row of a pane: number counts panes from the first one on; -1 is none.
type paneRef struct {
	number int64
	row    int32
}

var nowhere = paneRef{number: -1}

// A folding is how the values of a key become one, and how a value is copied that the function could write through.
type folding[V any] struct {
	f     func(V, V) V
	clone func(V) V // nil for values that cannot be written through
}

func (fo folding[V]) copy(v V) V {
	if fo.clone != nil {
		v = fo.clone(v)
	}
	return v
}

// panes is a window over one partition of a keyed stream: a queue of panes as two stacks (the two-stack queue of
// functional programming; Tangwongsan, Hirzel and Schneider survey it for windows in "Low-latency sliding-window
// aggregation", 2017). A new pane goes to the back, and is folded into its keys' back values. When the time of batches
// passes a multiple of the window's length the front is empty, and all panes become the front: from the newest to the
// oldest each row takes in the fold of what is newer. A key's window is then the fold of its oldest front row and its
// back value: one call of the function a key and slide, and two for each row in its life, however many panes there are.
//
// Panes leave and turn by the time of batches alone, so that a batch that runs again, and a process that begins with
// the window's panes only, fold in the same order.
type panes[K comparable, V any] struct {
	fold   folding[V]
	length time.Duration
	own    func(K) K
	keys   *shuffle.Table[K, paneKey[V]]
	list   []pane[K, V] // the oldest first
	base   int64        // number of list[0]
	front  int          // how many of list are the front
	turn   Time         // the last multiple of length that was passed
	dead   int          // entries of keys without rows
	// undoable has what the newest pane changed kept in undo, so that it can be taken back.
	undoable bool
	undo     []undoRow[V]
	// ordered has keys come in the order of their first rows in the window, which depends on nothing that was there
	// before: so a process that begins with these rows gives the same.
	ordered bool
}

// A paneKey is what the window holds of one key.
type paneKey[V any] struct {
	front  paneRef
	back   V
	inBack bool
	since  paneRef // the first row in the back
}

// first is the key's oldest row.
func (k *paneKey[V]) first() paneRef {
	if k.front != nowhere {
		return k.front
	}
	return k.since
}

func (k *paneKey[V]) live() bool { return k.inBack || k.front != nowhere }

// An undoRow is what the back held of a key before the newest pane came.
type undoRow[V any] struct {
	back   V
	inBack bool
	since  paneRef
}

func newPanes[K comparable, V any](fold folding[V], length time.Duration, own func(K) K) *panes[K, V] {
	return &panes[K, V]{fold: fold, length: length, own: own, keys: shuffle.NewTable[K, paneKey[V]](own)}
}

// take adds a batch's pane when those have left that are a length older. Times rise.
func (w *panes[K, V]) take(p pane[K, V]) {
	w.advance(p.time)
	w.push(p)
}

// advance has those panes leave that are not in the window of the batch at now.
func (w *panes[K, V]) advance(now Time) {
	until := now.Add(-w.length)
	w.expire(until)
	if turn := (now - 1).Floor(w.length); turn != w.turn {
		w.turn = turn // The whole front is older than that, and has left.
		for len(w.list) > 0 && w.list[0].time <= until {
			w.pop()
		}
		w.flip()
	}
	if w.dead > w.keys.Len()/2 && w.dead > 64 {
		w.compact()
	}
}

func (w *panes[K, V]) push(p pane[K, V]) {
	number := w.base + int64(len(w.list))
	w.undo = w.undo[:0]
	for i, row := range p.rows {
		k, fresh := w.keys.Slot(row.key)
		if w.undoable {
			before := undoRow[V]{inBack: k.inBack, since: k.since}
			if k.inBack {
				before.back = w.fold.copy(k.back)
			}
			w.undo = append(w.undo, before)
		}
		if fresh {
			k.front = nowhere
		} else if !k.live() {
			w.dead--
		}
		if v := w.fold.copy(row.value); k.inBack {
			k.back = w.fold.f(k.back, v)
		} else {
			k.back, k.inBack, k.since = v, true, paneRef{number, int32(i)}
		}
	}
	w.list = append(w.list, p)
}

// takeBack takes the newest pane out again, which was pushed last. What left for it would have left for the next one.
func (w *panes[K, V]) takeBack() {
	last := len(w.list) - 1
	for i, row := range w.list[last].rows {
		k, before := w.keys.Find(row.key), &w.undo[i]
		k.back, k.inBack, k.since = before.back, before.inBack, before.since
		if !k.live() {
			w.dead++
		}
	}
	w.list[last] = pane[K, V]{}
	w.list, w.undo = w.list[:last], nil
}

// expire drops the front's panes of batches at until and before.
func (w *panes[K, V]) expire(until Time) {
	for w.front > 0 && w.list[0].time <= until {
		for i, row := range w.list[0].rows {
			k := w.keys.Find(row.key)
			if k.front == (paneRef{w.base, int32(i)}) {
				if k.front = row.next; !k.live() {
					w.dead++
				}
			}
		}
		w.pop()
		w.front--
	}
}

func (w *panes[K, V]) pop() {
	w.list[0] = pane[K, V]{}
	w.list = w.list[1:]
	w.base++
}

// flip makes all panes the front, which is empty.
func (w *panes[K, V]) flip() {
	for n := len(w.list) - 1; n >= 0; n-- {
		for i := range w.list[n].rows {
			row := &w.list[n].rows[i]
			k := w.keys.Find(row.key)
			if row.next = k.front; row.next != nowhere {
				row.value = w.fold.f(row.value, w.fold.copy(w.at(row.next).value))
			}
			k.front = paneRef{w.base + int64(n), int32(i)}
		}
	}
	w.dead = 0
	for _, k := range w.keys.AllPtr() {
		var none V
		if k.back, k.inBack = none, false; !k.live() {
			w.dead++
		}
	}
	w.front = len(w.list)
}

func (w *panes[K, V]) at(p paneRef) *paneRow[K, V] { return &w.list[p.number-w.base].rows[p.row] }

// compact drops the entries of keys without rows; the others keep their order.
func (w *panes[K, V]) compact() {
	keys := shuffle.NewTable[K, paneKey[V]](w.own)
	for key, k := range w.keys.AllPtr() {
		if k.live() {
			to, _ := keys.Slot(key)
			*to = *k
		}
	}
	w.keys, w.dead = keys, 0
}

// all yields the window's value of each key that has one, keys in the order in which they came, unless ordered says
// another one. It changes nothing, so that several tasks may read, and one may read again.
func (w *panes[K, V]) all() iter.Seq[rdd.Pair[K, V]] {
	return func(yield func(rdd.Pair[K, V]) bool) {
		if w.ordered {
			w.inOrder(yield)
			return
		}
		for key, k := range w.keys.AllPtr() {
			if k.live() && !yield(rdd.KV(key, w.value(k))) {
				return
			}
		}
	}
}

// inOrder yields what all does, by the keys' first rows.
func (w *panes[K, V]) inOrder(yield func(rdd.Pair[K, V]) bool) {
	type placed struct {
		at  paneRef
		key K
		of  *paneKey[V]
	}
	var live []placed
	for key, k := range w.keys.AllPtr() {
		if k.live() {
			live = append(live, placed{k.first(), key, k})
		}
	}
	slices.SortFunc(live, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at.number, b.at.number), cmp.Compare(a.at.row, b.at.row))
	})
	for _, p := range live {
		if !yield(rdd.KV(p.key, w.value(p.of))) {
			return
		}
	}
}

// value is the fold of a key's rows, of which there must be one.
func (w *panes[K, V]) value(k *paneKey[V]) V {
	switch {
	case k.front == nowhere:
		return w.fold.copy(k.back)
	case k.inBack:
		return w.fold.f(w.fold.copy(w.at(k.front).value), w.fold.copy(k.back))
	}
	return w.fold.copy(w.at(k.front).value)
}
