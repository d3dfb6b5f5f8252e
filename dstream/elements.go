package dstream

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// The elements of a stream to which windows look back are in the checkpoint, too: each batch's, partition by partition,
// written with its commit. They are written once, however many windows there are. In the process that wrote them the
// windows read the batches' RDDs, which are persisted; the next one reads the panes, each when a task asks for it, so
// that a start costs one look through the files and no memory.
type elements[T any] struct {
	stream *DStream[T]
	node   *node // stands for them in the checkpoint
	codec  *codec.Codec[T]
	keyed  *redealing[T] // nil but for groups
	files  stateFiles
	since  Time // panes up to here were gone when the process began, or never written

	version Time // the batch that is staged
	staging *staging
	winners []*staged
	first   []byte // row of its pane
	made    madeElements[T]
	behind  []madeElements[T] // of batches that are committed, and still computed from their inputs
	// dealings are those of batches since by which panes of the process before are dealt as well: with a partitioner,
	// of which a pane has only the name.
	dealings map[dealtTo]rdd.Dealing

	mu    sync.Mutex // tasks read what follows
	panes map[Time]*elementPane
}

// A dealtTo is what a pane tells of how its keys were dealt.
type dealtTo struct {
	kind       string
	partitions int
}

// A redealing is how the keys of groups are dealt, which may be otherwise than when a pane was written.
type redealing[T any] struct {
	dealing   func() rdd.Dealing
	partition func(T) (int, error)
	anew      func(seed uint64) error
}

// madeElements is an RDD of a batch.
type madeElements[T any] struct {
	at *generation
	r  *rdd.RDD[T]
}

// keepElements has the elements of d be in the checkpoint for the sake of a window w that looks back to them.
func keepElements[T any](d *DStream[T], w *node, keyed *redealing[T]) {
	ssc := d.node.ssc
	if w.looksBack <= 0 || ssc.State() != Initialized {
		return
	}
	if d.elements != nil {
		d.elements.node.windows = append(d.elements.node.windows, w)
		return
	}
	c, err := codec.For[T]()
	if err != nil {
		ssc.unwritten = append(ssc.unwritten, unwritten{w, err})
		return
	}
	n := &node{ssc: ssc, op: w.op, typ: d.node.typ, site: w.site, slide: d.node.slide, parents: []*node{d.node},
		holds: w.looksBack, windows: []*node{w}}
	k := &elements[T]{stream: d, node: n, codec: c, keyed: keyed, panes: map[Time]*elementPane{},
		dealings: map[dealtTo]rdd.Dealing{}}
	k.files = newStateFiles(checkpoint.StateHead{Value: c.Schema(), Panes: true}, func(err error) {
		ssc.warn("the panes of a window could not be merged, and will be tried again", err, "operator",
			k.files.operator)
	})
	k.files.ages = &paneAges{ends: map[string]Time{}}
	k.files.look = k.place
	d.elements = k
	ssc.windowed = append(ssc.windowed, n)
	ssc.keeps(n, k)
	ssc.addStep(n, k.take, k.forgo)
}

// An unwritten is a window whose elements have no encoding.
type unwritten struct {
	node *node
	err  error
}

// elementsID is by what the log knows the elements of a stream: the stream's name, or that of its first window that has
// one, else what stands for the stream's.
func (n *node) elementsID(ids map[*node]string) string {
	d := n.parents[0]
	for _, w := range n.windows {
		if d.name == "" && w.name != "" {
			return ids[w]
		}
	}
	return ids[d] + " (elements)"
}

// take is the step: it stages the batch's elements, encoded, for the commit.
func (k *elements[T]) take(ctx context.Context, g *generation) error {
	b := g.batch
	if k.files.fs == nil || b.Sequence <= k.files.newest {
		return nil
	}
	r := k.stream.at(g)
	if r != nil {
		k.learn(r.Dealing())
	}
	if k.files.readOnly {
		return nil
	}
	k.leaveInputs()
	if k.version == b.Time {
		return nil // The batch failed after it was staged, and runs again.
	}
	if r == nil || r.NumPartitions() == 0 {
		return nil
	}
	sc := b.ssc.sc
	st, winners := &staging{budget: sc.Memory(), disk: sc.Disk()}, make([]*staged, r.NumPartitions())
	err := rdd.RunJob(ctx, r, nil, func(tc *rdd.TaskContext, in iter.Seq[T]) (*staged, error) {
		out, err := st.begin()
		if err != nil {
			return nil, err
		}
		defer out.unlessSealed()
		rows := elementRows[T]{codec: k.codec, out: out, now: b.Time, partition: tc.PartitionID()}
		in(func(v T) bool {
			err = rows.add(&v)
			return err == nil
		})
		if err == nil {
			err = rows.end()
		}
		if err == nil {
			err = out.seal()
		}
		return out, err
	}, func(i int, won *staged) error { winners[i] = won; return nil })
	if err != nil {
		st.end()
		return err
	}
	k.first = paneHead(b.Time, len(winners), r.Dealing().Kind())
	k.version, k.staging, k.winners, k.made = b.Time, st, winners, madeElements[T]{g, r}
	return nil
}

// learn keeps the partitioner of a batch for the panes of the process before that are dealt by it. What was made of
// those while nobody knew it, as where Slice came first, or the first batches had nothing that was dealt, is made anew:
// a partitioner of the user's may have keys elsewhere now.
func (k *elements[T]) learn(d rdd.Dealing) {
	dealt := dealtTo{d.Kind(), d.NumPartitions()}
	if dealt.kind == "" || d.Hashed() {
		return
	}
	_, known := k.dealings[dealt]
	there := false
	for t, g := range k.node.ssc.loop.past {
		pane := k.pane(t)
		if g.batch.Sequence > k.files.loaded || pane == nil || (dealtTo{pane.dealt, pane.partitions}) != dealt {
			continue
		}
		if there = true; !known {
			g.drop(func(n *node) bool { return n == k.stream.node })
		}
	}
	if there {
		k.dealings[dealt] = d
	}
}

// paneHead is the first row of a pane.
func paneHead(now Time, partitions int, dealt string) []byte {
	value := binary.AppendUvarint(nil, uint64(partitions))
	value = binary.AppendUvarint(value, uint64(len(dealt)))
	return checkpoint.StateRow{Kind: checkpoint.Came, Touch: int64(now), Value: append(value, dealt...)}.Append(nil)
}

// elementRows makes the rows of a partition.
type elementRows[T any] struct {
	codec     *codec.Codec[T]
	out       *staged
	now       Time
	partition int
	n         int
	buf       []byte
}

func (e *elementRows[T]) add(v *T) (err error) {
	if e.buf, err = e.codec.Append(e.buf, v); err != nil {
		return fmt.Errorf("write an element of a window: %w", err)
	}
	if e.n++; len(e.buf) >= stateChunk || e.n >= maxInRow {
		return e.end()
	}
	return nil
}

// maxInRow bounds the elements of a row, which may have no bytes at all.
const maxInRow = 1 << 20

// end stages the row that is being filled.
func (e *elementRows[T]) end() error {
	if e.n > 0 {
		value := append(binary.AppendUvarint(nil, uint64(e.n)), e.buf...)
		row := checkpoint.StateRow{Kind: checkpoint.Came, Touch: int64(e.now), Value: value,
			Key: binary.AppendUvarint(nil, uint64(e.partition))}
		if err := e.out.add(func(dst []byte) ([]byte, error) { return row.Append(dst), nil }); err != nil {
			return err
		}
	}
	e.n, e.buf = 0, e.buf[:0]
	return nil
}

// forgo takes a batch out again that is given up.
func (k *elements[T]) forgo(b *Batch) error {
	k.drop(b)
	return nil
}

// drop lets go of what is staged of the batch.
func (k *elements[T]) drop(b *Batch) {
	if k.version == b.Time && k.staging != nil {
		k.staging.end()
		k.version, k.staging, k.winners, k.first, k.made = 0, nil, nil, nil, madeElements[T]{}
	}
}

// leaveInputs has the RDDs of committed batches be computed by their panes, if what is persisted of them is lost: what
// their inputs gave may be had no more. What was shuffled for them goes. It is called by who makes RDDs.
func (k *elements[T]) leaveInputs() {
	kept := k.node.ssc.loop.kept
	for _, m := range k.behind {
		own, t := m.r.ID(), m.at.batch.Time
		m.r.LetGo(m.at.first, func(id int) bool { return id != own && kept[id] > 0 })
		m.r.ComputeBy(k.stream.node.op, func(tc *rdd.TaskContext, p int) iter.Seq[T] {
			return func(yield func(T) bool) { k.read(tc, t, p, yield) }
		})
	}
	k.behind = nil
}

// of gives the RDD of a batch of which the checkpoint tells what the stream had, nil if that was nothing; told is false
// for others.
func (k *elements[T]) of(g *generation) (r *rdd.RDD[T], told bool) {
	if k == nil || k.files.fs == nil || g.batch.Sequence > k.files.loaded {
		return nil, false
	}
	t := g.batch.Time
	pane := k.pane(t)
	switch {
	case pane != nil:
		return k.remade(t, pane), true
	case g.bare:
		return nil, true
	case !k.node.paned || t <= k.since:
		return nil, false
	case k.keyed != nil:
		return nil, true
	}
	return place(rdd.Empty[T](k.node.ssc.sc), k.stream), true
}

// remade makes the RDD of a pane that an earlier process has written.
func (k *elements[T]) remade(t Time, pane *elementPane) *rdd.RDD[T] {
	sc, op, n := k.node.ssc.sc, k.stream.node.op, pane.partitions
	dealing, deal := k.dealings[dealtTo{pane.dealt, n}].Again(pane.dealt, n)
	var partition func(T) (int, error)
	switch {
	case k.keyed != nil:
		dealing = k.keyed.dealing()
		if n = dealing.NumPartitions(); n != pane.partitions || !dealing.Hashed() || pane.dealt != dealing.Kind() {
			partition = k.keyed.partition
		}
	case deal != nil:
		partition = func(v T) (int, error) { return deal(v) }
	}
	r := rdd.FromPartitionsDealt(sc, op, n, dealing, func(tc *rdd.TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			if partition == nil {
				k.read(tc, t, p, yield)
				return
			}
			k.readDealt(tc, t, pane.partitions, func(v T) bool {
				in, err := partition(v)
				if err != nil {
					tc.Fail(err)
				}
				return in != p || yield(v)
			})
		}
	})
	return place(r, k.stream)
}

// fromPanes tells whether the RDD that a node had at t can be made of what the checkpoint holds for windows.
func (n *node) fromPanes(t Time) bool {
	if n.kept {
		return t > n.keptFrom
	}
	if len(n.parents) == 0 || n.holds > 0 || n.ssc.isState(n) {
		return false
	}
	return !slices.ContainsFunc(n.parents, func(p *node) bool { return !p.fromPanes(t) })
}

// readDealt reads all partitions of a pane, for their keys are to lie elsewhere.
func (k *elements[T]) readDealt(tc *rdd.TaskContext, t Time, partitions int, yield func(T) bool) {
	more := true
	for p := 0; p < partitions && more; p++ {
		k.read(tc, t, p, func(v T) bool {
			more = yield(v)
			return more
		})
	}
}

// bringPanes has the earlier batches be there of which panes are read, and nothing else is known.
func (l *loop) bringPanes() error {
	leave, err := l.generate(l.life)
	if err != nil {
		return err
	}
	defer leave()
	for _, k := range l.ssc.states {
		kept, ok := k.stateful.(elementKeeper)
		if !ok {
			continue
		}
		for _, t := range kept.times() {
			if l.past[t] != nil {
				continue
			}
			b := l.newBatch(-1, t, 0)
			for _, in := range l.ssc.inputs {
				b.inputs[in.node] = planned{absent: true}
			}
			g := l.newGeneration(b)
			g.bare = true
			l.past[t] = g
			l.addStrange(t)
			if l.oldest == 0 || t < l.oldest {
				l.oldest = t
			}
		}
	}
	return nil
}

// addStrange keeps a time in order, if it is none of the interval.
func (l *loop) addStrange(t Time) {
	if t.IsMultipleOf(l.ssc.interval) {
		return
	}
	if at, there := slices.BinarySearch(l.strange, t); !there {
		l.strange = slices.Insert(l.strange, at, t)
	}
}

// An elementKeeper is an elements of any type.
type elementKeeper interface {
	stateful
	// times are those of the batches of which there are panes, in order.
	times() []Time
}
