package dstream

import (
	"time"

	"github.com/weirstream/weir/rdd"
)

// Window gives, at each slide, the elements of the stream's batches in the last length: those whose batch times are
// later than length before the slide's. length and slide must be multiples of the stream's own slide, and so must a
// slide of 0, which stands for that. Slides are aligned to the clock: with a slide of 10 s they fall on every full ten
// seconds. Narrow: the RDDs of the batches are persisted, by MEMORY_AND_DISK_SER unless Persist was called, and joined,
// not copied.
//
// With a checkpoint the elements of each batch are in it, too: encoded once more, in the batch in which they come, and
// written with its commit, once for all windows of the stream, and kept as long as the longest of them needs them. A
// start needs no input for them, reads them when they are asked for, and has them in the same partitions. They are
// found by the name of the stream, or of the window if the stream has none: give one of them a name with Named where
// others are like it. Elements of a type without an encoding are not kept there: a start reads them from the inputs
// once more.
func Window[T any](d *DStream[T], length, slide time.Duration) *DStream[T] {
	var out *DStream[T]
	out = newStream(d.node.ssc, "window", func(g *generation) *rdd.RDD[T] {
		rs := d.span(g, length)
		if len(rs) == 0 {
			return place(rdd.Empty[T](g.batch.ssc.sc), out)
		}
		return place(rdd.Union(rs[0], rs[1:]...), out)
	}, d.node)
	out.node.slides(length, slide)
	out.node.looksBack = length - d.node.slide
	if d.level == rdd.NotPersisted {
		d.level = windowLevel[T]()
	}
	keepElements(d, out.node, nil)
	return out
}

// windowLevel is how the batches of a window are kept: encoded, which costs the garbage collector nothing, if they can
// be.
func windowLevel[T any]() rdd.StorageLevel {
	if rdd.CheckShuffle[int, T]() != nil {
		return rdd.MemoryOnly
	}
	return rdd.MemoryAndDiskSer
}

// slides makes the node one that looks over the last length of its parent at each slide.
func (n *node) slides(length, slide time.Duration) {
	own := n.parents[0].slide
	if slide != 0 {
		n.slide = slide
	}
	if length < own || length%own != 0 {
		n.refuse("%s needs a length that is a multiple of the stream's slide of %v, not %v", n.op, own, length)
	}
	if n.slide < own || n.slide%own != 0 {
		n.refuse("%s needs a slide that is a multiple of the stream's slide of %v, not %v", n.op, own, n.slide)
	}
	n.timed = true
}

// CountByWindow gives, at each slide, how many elements the stream had in the last length, as the one element of its
// RDD: 0 for none. See [Window] for length and slide. It keeps one number a batch.
func CountByWindow[T any](d *DStream[T], length, slide time.Duration) *DStream[int64] {
	sum := func(a, b int64) int64 { return a + b }
	return windowed(Count(d), "countByWindow", sum, length, slide)
}

// ReduceByWindow folds, at each slide, the elements that the stream had in the last length by f, which must be
// associative, to the one element of its RDD; there is none if there were none. See [Window] for length and slide. It
// keeps one element a batch, and calls f about three times a batch, however long the window is.
func ReduceByWindow[T any](d *DStream[T], f func(T, T) T, length, slide time.Duration) *DStream[T] {
	return windowed(Reduce(d, f), "reduceByWindow", f, length, slide)
}

// ReduceByWindowInverse is [ReduceByWindow]. inverse, which takes from a fold what leaves the window, is not needed: a
// window of panes costs no more without it, and is not wrong where inverse is.
func ReduceByWindowInverse[T any](d *DStream[T], f, inverse func(T, T) T, length, slide time.Duration) *DStream[T] {
	out := windowed(Reduce(d, f), "reduceByWindow", f, length, slide)
	return out.needs(inverse == nil)
}

// one is the key of a window that has only one.
type one struct{}

// windowed folds a stream of at most one element a batch over a window.
func windowed[T any](d *DStream[T], op string, f func(T, T) T, length, slide time.Duration) *DStream[T] {
	keyed := Map(d, func(v T) rdd.Pair[one, T] { return rdd.KV(one{}, v) })
	folded := windowByKey(keyed, op, f, length, slide, []rdd.ShuffleOption{rdd.Partitions(1)})
	out := Map(folded, func(kv rdd.Pair[one, T]) T { return kv.Value })
	out.node.op, out.node.window = op, folded.node
	return out
}

// CountByValueAndWindow gives, at each slide, how often each element occurred in the last length. See [Window] for
// length and slide. Shuffle of each batch, combined on the map side; it keeps a number for each element and batch.
func CountByValueAndWindow[T comparable](d *DStream[T], length, slide time.Duration, opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[T, int64]] {
	ones := Map(d, func(v T) rdd.Pair[T, int64] { return rdd.KV(v, int64(1)) })
	sum := func(a, b int64) int64 { return a + b }
	return windowByKey(ones, "countByValueAndWindow", sum, length, slide, opts)
}

// ReduceByKeyAndWindow folds, at each slide, the values that each key had in the last length by f, which must be
// associative: batch after batch, those of a batch as [ReduceByKey] does. Keys without values are absent. See [Window]
// for length and slide. Shuffle of each batch, combined on the map side; it keeps one value for each key and batch, and
// at a slide calls f at most once a key, and twice for each key of each batch in its life, however many batches the
// window has. With a checkpoint these values are in it, written with each batch's commit: a start needs no input for
// them.
func ReduceByKeyAndWindow[K comparable, V any](d *DStream[rdd.Pair[K, V]], f func(V, V) V, length, slide time.Duration,
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	return windowByKey(d, "reduceByKeyAndWindow", f, length, slide, opts)
}

// ReduceByKeyAndWindowInverse is [ReduceByKeyAndWindow] that leaves out the pairs for which keep, if it is not nil,
// tells false. inverse is not needed: a window of panes costs no more without it, and no key stays in it that has no
// values.
func ReduceByKeyAndWindowInverse[K comparable, V any](d *DStream[rdd.Pair[K, V]], f, inverse func(V, V) V,
	keep func(K, V) bool, length, slide time.Duration, opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	out := windowByKey(d, "reduceByKeyAndWindow", f, length, slide, opts).needs(inverse == nil)
	if keep == nil {
		return out
	}
	kept := Filter(out, func(kv rdd.Pair[K, V]) bool { return keep(kv.Key, kv.Value) })
	kept.node.op, kept.node.window = out.node.op, out.node
	return kept
}

// GroupByKeyAndWindow gives, at each slide, the values that each key had in the last length, batch after batch. See
// [Window] for length and slide. Shuffle of each batch; the groups of each batch are persisted, and with a checkpoint
// written there, as the elements of a Window are, and joined at each slide, when those of a partition must fit into
// memory. The number of partitions may be another one after a restart.
func GroupByKeyAndWindow[K comparable, V any](d *DStream[rdd.Pair[K, V]], length, slide time.Duration,
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, []V]] {
	groups := GroupByKey(d, opts...)
	var out *DStream[rdd.Pair[K, []V]]
	out = newStream(d.node.ssc, "groupByKeyAndWindow", func(g *generation) *rdd.RDD[rdd.Pair[K, []V]] {
		rs := groups.span(g, length)
		if len(rs) == 0 {
			return place(rdd.Empty[rdd.Pair[K, []V]](g.batch.ssc.sc), out)
		}
		return place(rdd.ConcatGroups(rs[0], rs[1:]...), out)
	}, groups.node)
	out.node.slides(length, slide)
	out.node.looksBack = length - d.node.slide
	if groups.level == rdd.NotPersisted {
		groups.level = windowLevel[rdd.Pair[K, []V]]()
	}
	keepElements(groups, out.node, redealingOf[K, V](d.node.ssc, d.node.ssc.dealt(opts)))
	return out
}

// redealingOf is how groups are dealt by a shuffle with these options.
func redealingOf[K comparable, V any](ssc *Context, opts []rdd.ShuffleOption) *redealing[rdd.Pair[K, []V]] {
	var dealer *rdd.KeyDealer[K]
	anew := func(seed uint64) (err error) {
		dealer, err = rdd.NewKeyDealer[K](seed, opts...)
		return err
	}
	_ = anew(ssc.dealSeed) // GroupByKey says what is wrong.
	return &redealing[rdd.Pair[K, []V]]{
		dealing: func() rdd.Dealing { return ssc.sc.DealingBy(opts...) },
		anew:    anew,
		partition: func(g rdd.Pair[K, []V]) (int, error) {
			p, _, err := dealer.Deal(g.Key)
			return p, err
		},
	}
}

// windowByKey makes a stream of panes: the batch's reduction is taken in by a step, and the window read by who asks.
func windowByKey[K comparable, V any](d *DStream[rdd.Pair[K, V]], op string, f func(V, V) V,
	length, slide time.Duration, opts []rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	reduced := ReduceByKey(d, f, opts...)
	w := &keyedWindow[K, V]{reduced: reduced, length: length, fold: folding[V]{f: f, clone: mutableClone[V]()}}
	var out *DStream[rdd.Pair[K, V]]
	out = newStream(d.node.ssc, op, func(g *generation) *rdd.RDD[rdd.Pair[K, V]] {
		return place(w.at(g), out)
	}, reduced.node)
	out.node.slides(length, slide)
	out.node.holds = length - d.node.slide
	w.out = out
	ssc := out.node.ssc
	if out.node.holds > 0 {
		var err error
		w.files, err = newPaneFiles[K, V](ssc, length, opts)
		out.sound(err)
		ssc.keeps(out.node, w)
	}
	ssc.addStep(out.node, w.take, w.forgo)
	return out
}

func (ssc *Context) addStep(n *node, run stepFunc, forgo func(b *Batch) error) {
	if ssc.State() == Initialized {
		ssc.steps = append(ssc.steps, &step{node: n, run: run, forgo: forgo})
	}
}
