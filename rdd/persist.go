package rdd

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
)

// Persist has each partition kept, where and how level says, when it is first computed, so that later jobs need not
// compute it again. It must fit into what is left of weir.memory.budget: with a level of memory alone a partition that
// does not is computed anew each time, others go to spark.local.dir. Partitions that were kept and not used for longest
// make room. A partition is computed whole when it is first asked for, also by Take. Types that cannot be encoded are
// refused by levels that encode. The level can be set once, until Unpersist. It returns r.
func (r *RDD[T]) Persist(level StorageLevel) *RDD[T] {
	c, err := codec.For[T]()
	asked := level
	if r.sc.honest {
		level.Serialized = true
	}
	before := r.kept.Load()
	switch {
	case level == NotPersisted:
		r.refuse("persist with the level NONE: Unpersist does that")
	case before != nil && before.asked != asked:
		r.refuse("persist with the level %v: it is persisted with %v; Unpersist it first", asked, before.asked)
	case err != nil && (level.Serialized || level.Disk):
		r.refuse("persist with the level %v: %w", level, err)
	}
	if before != nil || r.node.Err != nil {
		return r
	}
	if err == nil && bytesless(c) { // Encoded nothing would tell how many there are, and memory costs nothing.
		level = MemoryOnly
	}
	k := &keeping[T]{newKept(r.sc, asked, level), c}
	k.encode = k.encodeAll
	r.kept.Store(k)
	k.list(r.node)
	return r
}

// bytesless tells whether values are encoded in no bytes at all.
func bytesless[T any](c *codec.Codec[T]) bool {
	var v T
	data, err := c.Append(nil, &v)
	return err == nil && len(data) == 0
}

// Cache is Persist with the level MEMORY_ONLY.
func (r *RDD[T]) Cache() *RDD[T] { return r.Persist(MemoryOnly) }

// Unpersist gives free what Persist kept. Tasks that are reading it read on.
func (r *RDD[T]) Unpersist() {
	if k := r.kept.Swap(nil); k != nil {
		k.free()
	}
}

// StorageLevel is how r is kept: NotPersisted if it is not.
func (r *RDD[T]) StorageLevel() StorageLevel {
	if k := r.kept.Load(); k != nil {
		return k.asked
	}
	return NotPersisted
}

// iterate gives partition p, as every reader of an RDD gets it.
func (r *RDD[T]) iterate(tc *TaskContext, p int) iter.Seq[T] {
	if k := r.kept.Load(); k != nil {
		return func(yield func(T) bool) { k.each(tc, r, p, yield) }
	}
	return r.compute(tc, p)
}

// A keeping is what is kept of an RDD of T: only what depends on T, for the compiler makes it for each T that there is.
type keeping[T any] struct {
	*kept
	codec *codec.Codec[T] // nil for a type that has none
}

// each yields partition p: from where it is kept, or computing it, which one task does while others wait.
func (k *keeping[T]) each(tc *TaskContext, r *RDD[T], p int, yield func(T) bool) {
	for {
		part, mine := k.claim(tc, p)
		switch {
		case part == nil:
			r.compute(tc, p)(yield)
			return
		case mine:
			k.fill(tc, r, p, part, yield)
			return
		}
		if held, there := k.look(p, part); there {
			k.read(tc, p, part, held, yield)
			return
		}
	}
}

// read yields what a partition held at some time. Memory that was taken away since is still there to read.
func (k *keeping[T]) read(tc *TaskContext, p int, part *keptPart, held content, yield func(T) bool) {
	if held.file != "" && held.vs == nil && held.data == nil {
		n := 0
		counted := func(v T) bool { n++; return yield(v) }
		k.readFile(tc, p, part, held, &n, func(raw []byte) (bool, error) { return k.decode(tc, raw, counted) })
		return
	}
	k.sc.budget.Touch(held.entry)
	if vs, _ := held.vs.([]T); vs != nil {
		inParts(tc, vs)(func(vs []T) bool { return yieldAll(vs, yield) })
	}
	for _, raw := range held.data {
		more, err := k.decode(tc, raw, yield)
		if err != nil {
			tc.Fail(err)
		}
		if !more {
			return
		}
	}
}

func yieldAll[T any](vs []T, yield func(T) bool) bool {
	for _, v := range vs {
		if !yield(v) {
			return false
		}
	}
	return true
}

// decode yields the values of encoded records.
func (k *keeping[T]) decode(tc *TaskContext, data []byte, yield func(T) bool) (more bool, err error) {
	for n := 0; len(data) > 0; n++ {
		if n&1023 == 1023 {
			tc.Check()
		}
		v, rest, err := k.codec.Decode(data)
		if err != nil {
			return false, err
		}
		if data = rest; !yield(v) {
			return false, nil
		}
	}
	return true, nil
}

// encodeAll writes a []T.
func (k *keeping[T]) encodeAll(vs any, w *block.FrameWriter) error {
	for _, v := range vs.([]T) {
		if err := w.Append(func(dst []byte) ([]byte, error) { return k.codec.Append(dst, &v) }); err != nil {
			return err
		}
	}
	return nil
}

// fill computes a partition, keeps it if that can be, and yields it. The partition is done before its elements go on to
// the reader: who asks for it again, among them the reader himself, must not wait for the reader.
func (k *keeping[T]) fill(tc *TaskContext, r *RDD[T], p int, part *keptPart, yield func(T) bool) {
	f := filling[T]{k: k, collecting: k.collect(tc, p, part)}
	defer f.end() // also when the task fails
	f.begin()
	more := true
	r.compute(tc, p)(func(v T) bool {
		if f.passing {
			more = yield(v)
			return more
		}
		if !f.add(v) { // There is no room: what was collected goes on to the reader, and so does the rest.
			f.giveUp()
			more = f.each(yield)
			f.vs = nil
			f.drop()
		}
		return more
	})
	if f.passing || !more {
		return
	}
	held := f.publish(f.vs, len(f.vs))
	k.read(tc, p, part, held, yield) // and not what is there now: others may have taken it away already
	k.discardFreed(part)
}

// A filling collects a partition of Ts that is being computed.
type filling[T any] struct {
	collecting
	k  *keeping[T]
	vs []T
}

// add keeps a copy of v; false says that there is no room.
func (f *filling[T]) add(v T) bool {
	f.count++
	switch {
	case f.file != nil:
		f.write(func(dst []byte) ([]byte, error) { return f.k.codec.Append(dst, &v) })
		return true
	case f.k.level.Serialized || !f.k.level.Memory:
		f.encode(func(dst []byte) ([]byte, error) { return f.k.codec.Append(dst, &v) })
	default:
		f.append(v)
	}
	if f.fits() {
		return true
	}
	if !f.k.level.Disk {
		return false
	}
	f.open()
	if err := f.k.encodeAll(f.vs, f.frames); err != nil {
		f.failed(err)
	}
	f.vs = nil
	f.drop()
	return true
}

// append puts a copy of v behind what was collected and counts the memory that it takes.
func (f *filling[T]) append(v T) {
	size := int64(opaqueSize)
	if c := f.k.codec; c != nil {
		w, err := c.Clone(v)
		if err != nil {
			f.tc.Fail(fmt.Errorf("copy an element to persist it: %w", err))
		}
		v, size = w, int64(c.Size(&w))
	}
	before := cap(f.vs)
	f.vs = append(f.vs, v)
	place := int64(reflect.TypeFor[T]().Size())
	f.used += max(size-place, 0) + int64(cap(f.vs)-before)*place // The places that are free are taken, too.
}

// opaqueSize is taken for an element whose type cannot be measured.
const opaqueSize = 256

// each yields what was collected.
func (f *filling[T]) each(yield func(T) bool) bool {
	for _, raw := range f.data {
		if more, err := f.k.decode(f.tc, raw, yield); err != nil {
			f.tc.Fail(err)
		} else if !more {
			return false
		}
	}
	return yieldAll(f.vs, yield)
}
