package rdd

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"sync"
	"weak"

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
	k := &kept[T]{sc: r.sc, asked: asked, level: level, parts: map[int]*keptPart[T]{}}
	if err == nil {
		k.codec = c
	}
	if k.codec != nil && bytesless(c) { // Encoded nothing would tell how many there are, and memory costs nothing.
		k.level = MemoryOnly
	}
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
		r.sc.unlist(weak.Make(k))
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

// A kept is what is kept of an RDD.
type kept[T any] struct {
	sc           *Context
	asked, level StorageLevel
	codec        *codec.Codec[T] // nil for a type that has none

	mu    sync.Mutex
	parts map[int]*keptPart[T]
	freed bool
}

// A keptPart is one partition: in memory as it is or encoded, or in a file, or being computed.
type keptPart[T any] struct {
	done chan struct{} // closed when it was computed, kept or not

	count int
	bytes int64 // that were granted
	vs    []T
	data  []byte
	file  string
	entry *block.Entry // of what lies in memory
}

// each yields partition p: from where it is kept, or computing it, which one task does while others wait.
func (k *kept[T]) each(tc *TaskContext, r *RDD[T], p int, yield func(T) bool) {
	for {
		k.mu.Lock()
		part, found := k.parts[p]
		if !found {
			if k.freed {
				k.mu.Unlock()
				r.compute(tc, p)(yield)
				return
			}
			part = &keptPart[T]{done: make(chan struct{})}
			k.parts[p] = part
		}
		k.mu.Unlock()
		if !found {
			k.fill(tc, r, p, part, yield)
			return
		}
		select {
		case <-part.done:
		default:
			if tc.Desc.Speculative { // It must not wait for the attempt that it was made to overtake.
				r.compute(tc, p)(yield)
				return
			}
			select {
			case <-part.done:
			case <-tc.Done():
				tc.Check()
			}
		}
		if k.read(tc, p, part, yield) {
			return
		}
	}
}

// read yields a partition that is kept; false says that it is not, or not any more.
func (k *kept[T]) read(tc *TaskContext, p int, part *keptPart[T], yield func(T) bool) bool {
	k.mu.Lock()
	held := *part
	there := k.parts[p] == part
	k.mu.Unlock()
	if held.vs == nil && held.data == nil && held.file == "" {
		return there && held.count == 0 && held.entry != nil // A partition without elements is kept, too.
	}
	k.readHeld(tc, p, part, held, yield)
	return true
}

// readHeld yields what a partition held at some time. Memory that was taken away since is still there to read.
func (k *kept[T]) readHeld(tc *TaskContext, p int, part *keptPart[T], held keptPart[T], yield func(T) bool) {
	switch {
	case held.vs != nil:
		k.sc.budget.Touch(held.entry)
		for i, v := range held.vs {
			if i&1023 == 1023 {
				tc.Check()
			}
			if !yield(v) {
				break
			}
		}
	case held.data != nil:
		k.sc.budget.Touch(held.entry)
		if _, err := k.decode(tc, held.data, yield); err != nil {
			tc.Fail(err)
		}
	case held.file != "":
		if err := k.readFile(tc, held, yield); err != nil {
			k.forget(p, part) // The next attempt computes it anew.
			tc.Fail(fmt.Errorf("read partition %d of a persisted RDD: %w", p, err))
		}
	}
}

// decode yields the values of encoded records.
func (k *kept[T]) decode(tc *TaskContext, data []byte, yield func(T) bool) (more bool, err error) {
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

func (k *kept[T]) readFile(tc *TaskContext, held keptPart[T], yield func(T) bool) error {
	f, err := os.Open(held.file)
	if err != nil {
		return err
	}
	defer f.Close()
	frames, n := block.NewFrameReader(f), 0
	counted := func(v T) bool { n++; return yield(v) }
	for {
		raw, err := frames.Next()
		if errors.Is(err, io.EOF) {
			if n != held.count {
				return fmt.Errorf("%w: %d of %d records", block.ErrDamaged, n, held.count)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := k.decode(tc, raw, counted); err != nil || !more {
			return err
		}
	}
}

// fill computes a partition, keeps it if that can be, and yields it. The partition is done before its elements go on to
// the reader: who asks for it again, among them the reader himself, must not wait for the reader.
func (k *kept[T]) fill(tc *TaskContext, r *RDD[T], p int, part *keptPart[T], yield func(T) bool) {
	f := filling[T]{k: k, tc: tc, grant: k.sc.budget, toDisk: !k.level.Memory}
	published := false
	done := sync.OnceFunc(func() { close(part.done) })
	defer func() { // also when the task fails
		if !published {
			f.abandon()
			k.forget(p, part)
		}
		done()
	}()
	more := true
	r.compute(tc, p)(func(v T) bool {
		if f.passing {
			more = yield(v)
			return more
		}
		if !f.add(v) { // There is no room: what was collected goes on to the reader, and so does the rest.
			k.forget(p, part)
			done()
			more = f.pass(yield)
		}
		return more
	})
	if f.passing || !more {
		return
	}
	held := k.publish(tc, p, part, &f)
	published = true
	done()
	k.readHeld(tc, p, part, held, yield) // and not what is there now: others may have taken it away already
	if k.isFreed() {
		k.discard(part)
	}
}

// publish makes what was filled the partition's content, and gives that.
func (k *kept[T]) publish(tc *TaskContext, p int, part *keptPart[T], f *filling[T]) keptPart[T] {
	if err := tc.Err(); err != nil {
		tc.Fail(err)
	}
	content := keptPart[T]{count: f.count, bytes: f.used, vs: f.vs, data: f.data}
	if f.file != nil {
		content.file = f.finish()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	part.count, part.bytes, part.vs = content.count, content.bytes, content.vs
	part.data, part.file = content.data, content.file
	f.grant.Release(f.granted - f.used)
	part.entry = k.sc.budget.Hold(f.used, k, func() { k.evict(p, part) })
	return *part
}

func (k *kept[T]) isFreed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.freed
}

// forget drops a partition that is not kept.
func (k *kept[T]) forget(p int, part *keptPart[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.parts[p] == part {
		delete(k.parts, p)
	}
	if part.file != "" {
		_ = os.Remove(part.file)
	}
}

// evict makes room: the partition goes to disk if its level says so. Its memory is given back already.
func (k *kept[T]) evict(p int, part *keptPart[T]) {
	k.mu.Lock()
	held := *part
	k.mu.Unlock()
	var file string
	if k.level.Disk && held.file == "" {
		var err error
		if file, err = k.write(held); err != nil {
			k.sc.logger.Warn("a persisted partition could not be written and will be computed anew", "partition", p,
				"error", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	part.vs, part.data = nil, nil
	switch {
	case k.freed:
		if file != "" {
			_ = os.Remove(file)
		}
	case file != "":
		part.file = file
	case part.file == "" && k.parts[p] == part:
		delete(k.parts, p)
	}
}

// write writes what lies in memory to a file.
func (k *kept[T]) write(held keptPart[T]) (string, error) {
	f, err := k.sc.disk.Create("cache")
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := block.NewFrameWriter(f)
	write := func(v T) error {
		return w.Append(func(dst []byte) ([]byte, error) { return k.codec.Append(dst, &v) })
	}
	for _, v := range held.vs {
		if err = write(v); err != nil {
			break
		}
	}
	for data := held.data; len(data) > 0 && err == nil; {
		var v T
		if v, data, err = k.codec.DecodeAlias(data); err == nil {
			err = write(v)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// free gives back all that is kept.
func (k *kept[T]) free() {
	k.mu.Lock()
	k.freed = true
	parts := k.parts
	k.parts = map[int]*keptPart[T]{}
	k.mu.Unlock()
	for _, part := range parts {
		select {
		case <-part.done:
		default:
			continue // The task that computes it finds that it is freed.
		}
		k.discard(part)
	}
}

// discard gives back what a partition takes that nobody will look up any more.
func (k *kept[T]) discard(part *keptPart[T]) {
	k.mu.Lock()
	entry, file := part.entry, part.file
	k.mu.Unlock()
	if entry != nil {
		k.sc.budget.Drop(entry)
	}
	if file != "" {
		_ = os.Remove(file)
	}
}

// A filling collects a partition that is being computed.
type filling[T any] struct {
	k     *kept[T]
	tc    *TaskContext
	grant *block.Budget

	count         int
	vs            []T
	data          []byte
	granted, used int64
	passing       bool // there was no room

	toDisk bool
	file   *os.File
	frames *block.FrameWriter
}

// grantStep is how much memory is asked for at a time.
const grantStep = 64 << 10

// add keeps a copy of v; false says that there is no room.
func (f *filling[T]) add(v T) bool {
	f.count++
	if f.toDisk {
		f.spill(v)
		return true
	}
	size := f.append(v)
	f.used += size
	if f.used <= f.granted {
		return true
	}
	step := max(f.used-f.granted, grantStep)
	if f.grant.Grant(step, f.k) {
		f.granted += step
		return true
	}
	if !f.k.level.Disk {
		return false
	}
	f.toDisk = true
	f.each(func(v T) bool { f.spill(v); return true })
	f.release()
	return true
}

// append puts v behind what was collected and tells the memory that it takes.
func (f *filling[T]) append(v T) int64 {
	c := f.k.codec
	if f.k.level.Serialized {
		before := len(f.data)
		data, err := c.Append(f.data, &v)
		if err != nil {
			f.tc.Fail(fmt.Errorf("encode an element to persist it: %w", err))
		}
		f.data = data
		return int64(len(data) - before)
	}
	size := int64(opaqueSize)
	if c != nil {
		w, err := c.Clone(v)
		if err != nil {
			f.tc.Fail(fmt.Errorf("copy an element to persist it: %w", err))
		}
		v, size = w, int64(c.Size(&w))
	}
	before := cap(f.vs)
	f.vs = append(f.vs, v)
	place := int64(reflect.TypeFor[T]().Size())
	return max(size-place, 0) + int64(cap(f.vs)-before)*place // The places that are free are taken, too.
}

// opaqueSize is taken for an element whose type cannot be measured.
const opaqueSize = 256

// each yields what was collected.
func (f *filling[T]) each(yield func(T) bool) bool {
	if f.data != nil {
		more, err := f.k.decode(f.tc, f.data, yield)
		if err != nil {
			f.tc.Fail(err)
		}
		return more
	}
	for _, v := range f.vs {
		if !yield(v) {
			return false
		}
	}
	return true
}

// pass hands what was collected to the reader, who gets the rest himself, and gives the memory back.
func (f *filling[T]) pass(yield func(T) bool) bool {
	f.passing = true
	defer f.release()
	return f.each(yield)
}

func (f *filling[T]) spill(v T) {
	err := f.open()
	if err == nil {
		err = f.frames.Append(func(dst []byte) ([]byte, error) { return f.k.codec.Append(dst, &v) })
	}
	if err != nil {
		f.tc.Fail(fmt.Errorf("write a persisted partition to spark.local.dir: %w", err))
	}
}

func (f *filling[T]) open() (err error) {
	if f.file == nil {
		if f.file, err = f.k.sc.disk.Create("cache"); err == nil {
			f.frames = block.NewFrameWriter(f.file)
		}
	}
	return err
}

// finish closes the file and gives its name.
func (f *filling[T]) finish() string {
	if err := errors.Join(f.frames.Flush(), f.file.Close()); err != nil {
		f.tc.Fail(fmt.Errorf("write a persisted partition to spark.local.dir: %w", err))
	}
	return f.file.Name()
}

func (f *filling[T]) release() {
	f.vs, f.data = nil, nil
	f.grant.Release(f.granted)
	f.granted, f.used = 0, 0
}

// abandon drops what was collected, when the task failed or there was no room.
func (f *filling[T]) abandon() {
	f.release()
	if f.file != nil {
		_ = f.file.Close()
		_ = os.Remove(f.file.Name())
	}
}
