package rdd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/exec"
)

// A kept is what is kept of an RDD, whatever its elements are.
type kept struct {
	sc           *Context
	asked, level StorageLevel
	// encode writes the elements of a slice.
	encode func(vs any, w *block.FrameWriter) error

	mu    sync.Mutex
	parts map[int]*keptPart
	lost  map[int]error // why partitions are kept no more that could not be written or read
	freed bool
}

// A keptPart is one partition that is kept, or is being computed.
type keptPart struct {
	done chan struct{} // closed when it was computed, kept or not
	content
}

// A content is a partition: in memory as it is or encoded, or in a file.
type content struct {
	count int
	bytes int64    // that were granted
	vs    any      // a slice; nil if there is none
	data  [][]byte // frames
	file  string
	entry *block.Entry // of what lies in memory
}

func newKept(sc *Context, asked, level StorageLevel) *kept {
	return &kept{sc: sc, asked: asked, level: level, parts: map[int]*keptPart{}}
}

// claim gives partition p once it is computed, or gives it to the task to compute. It gives none if the task should
// just compute it: because nothing is kept any more, or because it must not wait for the attempt that it was made to
// overtake.
func (k *kept) claim(tc *TaskContext, p int) (part *keptPart, mine bool) {
	k.mu.Lock()
	part, found := k.parts[p]
	if !found && !k.freed {
		part = &keptPart{done: make(chan struct{})}
		k.parts[p] = part
	}
	k.mu.Unlock()
	if !found {
		return part, part != nil
	}
	select {
	case <-part.done:
		return part, false
	default:
	}
	if tc.Desc.Speculative {
		return nil, false
	}
	select {
	case <-part.done:
	case <-tc.Done():
		tc.Check()
	}
	return part, false
}

// look gives what a partition holds; false says that it is not kept, or not any more.
func (k *kept) look(p int, part *keptPart) (content, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if part.vs == nil && part.data == nil && part.file == "" {
		// A partition without elements is kept, too.
		return part.content, k.parts[p] == part && part.count == 0 && part.entry != nil
	}
	return part.content, true
}

// readFile gives decode the frames of a partition's file; n counts the records.
func (k *kept) readFile(tc *TaskContext, p int, part *keptPart, held content, n *int,
	decode func(raw []byte) (more bool, err error),
) {
	err := eachFrame(held.file, decode)
	if errors.Is(err, io.EOF) {
		if *n == held.count {
			return
		}
		err = block.Damaged(held.file, fmt.Errorf("%w: %d of %d records", block.ErrDamaged, *n, held.count))
	}
	if err != nil {
		k.lose(p, err)
		k.forget(p, part) // The next attempt computes it anew.
		tc.Fail(fmt.Errorf("read partition %d of a persisted RDD: %w", p, err))
	}
}

// eachFrame gives decode the frames of a file until it wants no more; io.EOF says that it has had all.
func eachFrame(name string, decode func(raw []byte) (more bool, err error)) error {
	f, err := block.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	frames := block.NewFrameReader(f)
	for {
		raw, err := frames.Next()
		if err == io.EOF {
			return err
		}
		if err != nil {
			return block.Damaged(name, err)
		}
		if more, err := decode(raw); err != nil || !more {
			return err
		}
	}
}

// lose notes why a partition will have to be computed again, for who finds that it cannot be.
func (k *kept) lose(p int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost == nil {
		k.lost = map[int]error{}
	}
	k.lost[p] = err
}

// whyLost gives what lose has noted, nil if there is nothing.
func (k *kept) whyLost(p int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost[p]
}

// forget drops a partition that is not kept.
func (k *kept) forget(p int, part *keptPart) {
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
func (k *kept) evict(p int, part *keptPart) {
	k.mu.Lock()
	held := part.content
	k.mu.Unlock()
	var file string
	if k.level.Disk && held.file == "" {
		var err error
		if file, err = k.write(held); err != nil {
			k.lose(p, err)
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
func (k *kept) write(held content) (string, error) {
	f, err := k.sc.disk.Create("cache")
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := block.NewFrameWriter(f)
	if held.vs != nil {
		err = k.encode(held.vs, w)
	}
	for i := 0; i < len(held.data) && err == nil; i++ {
		_, err = w.Frame(held.data[i])
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
func (k *kept) free() {
	k.sc.unlist(weak.Make(k))
	k.mu.Lock()
	k.freed = true
	parts := k.parts
	k.parts = map[int]*keptPart{}
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
func (k *kept) discard(part *keptPart) {
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

// discardFreed discards a partition that was freed while it was computed.
func (k *kept) discardFreed(part *keptPart) {
	k.mu.Lock()
	freed := k.freed
	k.mu.Unlock()
	if freed {
		k.discard(part)
	}
}

// A collecting is a partition that is being computed.
type collecting struct {
	of   *kept
	tc   *TaskContext
	p    int
	part *keptPart

	count         int
	data          [][]byte // frames
	last          []byte   // the frame that is being filled
	granted, used int64
	passing       bool // there was no room
	published     bool

	file   *block.File
	frames *block.FrameWriter
}

func (k *kept) collect(tc *TaskContext, p int, part *keptPart) collecting {
	return collecting{of: k, tc: tc, p: p, part: part}
}

// begin opens the file of what is not to lie in memory.
func (c *collecting) begin() {
	if !c.of.level.Memory {
		c.open()
	}
}

const (
	// grantStep is how much memory is asked for at a time.
	grantStep = 64 << 10
	// keptFrame is the size at which a frame of encoded elements ends.
	keptFrame = 64 << 10
)

// fits asks for the memory that is used.
func (c *collecting) fits() bool {
	if c.used <= c.granted {
		return true
	}
	step := max(c.used-c.granted, grantStep)
	if !c.of.sc.budget.Grant(step, c.of) {
		return false
	}
	c.granted += step
	return true
}

// encode keeps an encoded element in memory.
func (c *collecting) encode(append func(dst []byte) ([]byte, error)) {
	if len(c.last) >= keptFrame {
		c.last = nil
	}
	if c.last == nil {
		c.data = slices.Grow(c.data, 1)[:len(c.data)+1]
	}
	raw, err := append(c.last)
	if err != nil {
		c.tc.Fail(fmt.Errorf("encode an element to persist it: %w", err))
	}
	c.used += int64(len(raw) - len(c.last))
	c.last, c.data[len(c.data)-1] = raw, raw
}

// open begins a file and puts there what is encoded.
func (c *collecting) open() {
	var err error
	if c.file, err = c.of.sc.disk.Create("cache"); err != nil {
		c.failed(err)
	}
	c.frames = block.NewFrameWriter(c.file)
	for _, raw := range c.data {
		if _, err := c.frames.Frame(raw); err != nil {
			c.failed(err)
		}
	}
}

// write puts an element into the file.
func (c *collecting) write(append func(dst []byte) ([]byte, error)) {
	if err := c.frames.Append(append); err != nil {
		c.failed(err)
	}
}

func (c *collecting) failed(err error) {
	c.tc.Fail(fmt.Errorf("write a persisted partition: %w", err))
}

// drop lets go of what lies in memory.
func (c *collecting) drop() {
	c.data, c.last = nil, nil
	c.of.sc.budget.Release(c.granted)
	c.granted, c.used = 0, 0
}

// giveUp has the partition not kept: the elements go on to the reader.
func (c *collecting) giveUp() {
	c.passing = true
	c.of.forget(c.p, c.part)
	close(c.part.done)
}

// publish makes what was collected, n of which are in the slice vs, the partition's content, and gives that.
func (c *collecting) publish(vs any, n int) content {
	if err := c.tc.Err(); err != nil {
		c.tc.Fail(err)
	}
	held := content{count: c.count, bytes: c.used, data: c.data}
	if n > 0 {
		held.vs = vs
	}
	if c.file != nil {
		if err := errors.Join(c.frames.Flush(), c.file.Close()); err != nil {
			c.failed(err)
		}
		held.file = c.file.Name()
	}
	k, p, part, budget := c.of, c.p, c.part, c.of.sc.budget
	k.mu.Lock()
	budget.Release(c.granted - c.used)
	held.entry = budget.Hold(c.used, k, func() { k.evict(p, part) })
	part.content = held
	k.mu.Unlock()
	c.published = true
	close(part.done)
	return held
}

// end drops what was collected if it was not published: when the task failed, or there was no room.
func (c *collecting) end() {
	if c.published {
		return
	}
	c.drop()
	if c.file != nil {
		_ = c.file.Close()
		_ = os.Remove(c.file.Name())
	}
	if !c.passing {
		c.giveUp()
	}
}

// list has PersistentRDDs list what is kept of an RDD, as long as anybody holds that.
func (k *kept) list(node *exec.Node) {
	mine, of, sc := weak.Make(k), weak.Make(node), k.sc
	runtime.AddCleanup(k, sc.unlist, any(mine)) // of one that is dropped without Unpersist
	p := PersistentRDD{ID: node.ID, Op: node.Op, Site: node.Site.String(), Level: k.asked, Partitions: node.Partitions}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.persisted == nil {
		sc.persisted = map[any]func() (PersistentRDD, bool){}
	}
	sc.persisted[mine] = func() (PersistentRDD, bool) {
		k, n, p := mine.Value(), of.Value(), p
		if k == nil {
			return p, false
		}
		if n != nil {
			p.Name = n.Name
		}
		k.measure(&p)
		return p, true
	}
}

func (sc *Context) unlist(key any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	delete(sc.persisted, key)
}

// measure adds up the partitions that are kept.
func (k *kept) measure(p *PersistentRDD) {
	var files []string
	k.mu.Lock()
	for _, part := range k.parts {
		switch {
		case part.vs != nil || part.data != nil:
			p.Memory += part.bytes
		case part.file == "" && (part.count > 0 || part.entry == nil):
			continue // It is being computed.
		}
		p.Cached++
		if part.file != "" {
			files = append(files, part.file)
		}
	}
	k.mu.Unlock()
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			p.Disk += info.Size()
		}
	}
}
