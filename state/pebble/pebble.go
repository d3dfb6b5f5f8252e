// Package pebble keeps states that are larger than memory on disk, by the storage engine of that name
// (github.com/cockroachdb/pebble). A program hands its store in and says that it is to be used:
//
//	weir.Main("totals", build, weir.WithStateStore(pebble.Store()))
//
// and weir.state.store=pebble, with weir.state.memory for how much memory it may use. It lies in a folder of its own in
// spark.local.dir, which should be a fast disk, and is filled from the checkpoint at each start: what a crash leaves of
// it is thrown away. Results are those of states in memory, in their order, too.
//
// Built without cgo (CGO_ENABLED=0, as most containers are built), pebble's memory is Go's, and GOMEMLIMIT holds for
// all of it. With cgo pebble takes it from the C library: leave room for weir.state.memory twice beside GOMEMLIMIT.
package pebble

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstream/weir/dstream"
)

// Store gives the store, which weir.state.store calls pebble: for weir.WithStateStore.
func Store() dstream.StateStore { return store{vfs.Default} }

type store struct{ fs vfs.FS }

// Name implements dstream.StateStore.
func (store) Name() string { return "pebble" }

// Open implements dstream.StateStore.
func (s store) Open(dir string, memory int64) (dstream.StateRows, error) {
	r := &rows{broken: make(chan struct{}), halted: make(chan struct{})}
	err := r.apart(r.halted, func() (err error) {
		r.db, err = pebble.Open(dir, r.options(s.fs, memory))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open pebble in %s: %w", dir, err)
	}
	return r, nil
}

const (
	filterBits = 10       // of a Bloom filter for each key: one look-up in a hundred reads for nothing
	blockSize  = 4 << 10  // of what is read and cached at a time: states are looked up key by key
	fileSize   = 16 << 20 // of the deepest levels' files, whose indexes and filters are read whole
	openFiles  = 512
	tableMax   = 1 << 30 // of what is not written yet; pebble takes less than 4 GiB
)

// options are pebble's. Half of the memory is the cache of what is read; what is not written yet is at most three
// tables of an eighth each.
func (r *rows) options(fs vfs.FS, memory int64) *pebble.Options {
	o := &pebble.Options{
		FS: fs, CacheSize: memory / 2, MemTableSize: uint64(min(memory/8, tableMax)), MemTableStopWritesThreshold: 3,
		MaxOpenFiles: openFiles, L0CompactionThreshold: 2, L0StopWritesThreshold: 24, LBaseMaxBytes: memory / 2,
		FormatMajorVersion: pebble.FormatNewest, Logger: logger{r},
		DisableWAL: true, // What is lost in a crash is in the checkpoint.
		CompactionConcurrencyRange: func() (lower, upper int) {
			return 1, max(1, runtime.GOMAXPROCS(0)/2)
		},
		EventListener: &pebble.EventListener{BackgroundError: r.cannotWrite},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize, o.Levels[i].FilterPolicy = blockSize, bloom.FilterPolicy(filterBits)
		o.TargetFileSizes[i] = min(int64(fileSize), 2<<20<<i)
	}
	return o
}

// A logger is told by pebble what nobody needs to know, and when it cannot go on.
type logger struct{ r *rows }

func (logger) Infof(string, ...any)  {}
func (logger) Errorf(string, ...any) {}

// Fatalf is called where pebble cannot go on, such as when the list of its files cannot be written. It must not return.
// A goroutine of pebble's, at which nobody could recover, is parked for ever, with the locks that it holds: other
// programs may run in the process, and nothing asks this pebble for anything any more. What it has in memory and open
// goes with the process.
func (l logger) Fatalf(format string, args ...any) {
	l.r.fail(fmt.Errorf("pebble, which keeps the states of weir.state.store in spark.local.dir, cannot go on: %s; the "+
		"checkpoint is not touched by that: see that there is space, and start the program again",
		fmt.Sprintf(format, args...)))
	l.r.halts.Do(func() { close(l.r.halted) })
	if calledFromHere() {
		panic(halt{})
	}
	select {}
}

// halt is what a goroutine of this package panics with that was inside pebble when that could not go on.
type halt struct{}

// recovered turns a halt into the error that says why.
func (r *rows) recovered(v any, err *error) {
	switch v.(type) {
	case nil:
	case halt:
		*err = r.why
	default:
		panic(v)
	}
}

// calledFromHere tells that the goroutine that is in Fatalf came to pebble by this package, which recovers.
func calledFromHere() bool {
	here := reflect.TypeFor[rows]().PkgPath() + "."
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // Without Fatalf.
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, here) {
			return true
		}
		if !more {
			return false
		}
	}
}

// rows implements dstream.StateRows.
type rows struct {
	db *pebble.DB

	// users are the calls that are on their way, and closing besides when Close was called: the last one closes.
	users atomic.Int64
	once  sync.Once

	broken chan struct{} // closed when pebble could not write
	breaks sync.Once
	why    error

	halted chan struct{} // closed, after broken, when pebble cannot go on at all
	halts  sync.Once
}

// closing is added to the number of users by Close.
const closing = math.MinInt64 / 2

var errClosed = errors.New("the store of states is closed, for the program has ended")

func (r *rows) enter() error {
	select {
	case <-r.halted:
		return r.why
	default:
	}
	if r.users.Add(1) > 0 {
		return nil
	}
	return errors.Join(errClosed, r.leave())
}

func (r *rows) leave() error {
	if r.users.Add(-1) == closing {
		return r.end()
	}
	return nil
}

func (r *rows) end() (err error) {
	r.once.Do(func() {
		select {
		case <-r.halted: // It holds locks for which Close would wait.
			err = r.why
			return
		default:
		}
		if err = r.apart(r.halted, r.db.Close); err != nil {
			err = fmt.Errorf("close pebble: %w", err)
		}
	})
	return err
}

// Close implements dstream.StateRows.
func (r *rows) Close() error {
	if r.users.Load() < 0 {
		return nil
	}
	if r.users.Add(closing) == closing {
		return r.end()
	}
	return nil // The last call that is on its way ends it.
}

// cannotWrite is told of what failed in the background: pebble tries it again for ever, and who writes would wait.
func (r *rows) cannotWrite(err error) {
	r.fail(fmt.Errorf("pebble cannot write to spark.local.dir: free space there, or name another disk: %w", err))
}

func (r *rows) fail(why error) {
	r.breaks.Do(func() {
		r.why = why
		close(r.broken)
	})
}

// apart runs what pebble might never return from, and gives it up when over is closed.
func (r *rows) apart(over <-chan struct{}, f func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			r.recovered(recover(), &err)
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-over:
		return r.why
	}
}

// writing runs what may have to wait for the background.
func (r *rows) writing(f func() error) error {
	select {
	case <-r.broken:
		return r.why
	default:
	}
	if err := r.enter(); err != nil {
		return err
	}
	return r.apart(r.broken, func() error {
		err := f()
		return errors.Join(err, r.leave())
	})
}

// Get implements dstream.StateRows.
func (r *rows) Get(key, buf []byte) (value []byte, ok bool, err error) {
	if err := r.enter(); err != nil {
		return buf, false, err
	}
	defer r.leave()
	defer func() { r.recovered(recover(), &err) }()
	v, closer, err := r.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return buf, false, nil
	}
	if err != nil {
		return buf, false, fmt.Errorf("read from pebble: %w", err)
	}
	buf = append(buf, v...)
	return buf, true, closer.Close()
}

// Scan implements dstream.StateRows.
func (r *rows) Scan(from, to []byte, yield func(key, value []byte) bool) (err error) {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	yielding := false // What yield panics with is not looked at, and keeps its stack.
	defer func() {
		if !yielding {
			r.recovered(recover(), &err)
		}
	}()
	if len(from) == 0 {
		from = nil // No bound, which pebble tells from an empty one.
	}
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read from pebble: %w", err)
	}
	for more := it.First(); more; more = it.Next() {
		key, value := it.Key(), it.Value()
		yielding = true
		wanted := yield(key, value)
		if yielding = false; !wanted {
			break
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("read from pebble: %w", err)
	}
	return nil
}

// Clear implements dstream.StateRows.
func (r *rows) Clear(from, to []byte) error {
	return r.writing(func() error { return r.db.DeleteRange(from, to, pebble.NoSync) })
}

// Batch implements dstream.StateRows.
func (r *rows) Batch() dstream.StateBatch { return &batch{rows: r, b: r.db.NewBatch()} }

// A batch implements dstream.StateBatch.
type batch struct {
	rows *rows
	b    *pebble.Batch
}

// Put implements dstream.StateBatch.
func (b *batch) Put(key, value []byte) error { return b.b.Set(key, value, nil) }

// Delete implements dstream.StateBatch.
func (b *batch) Delete(key []byte) error { return b.b.Delete(key, nil) }

// Commit implements dstream.StateBatch.
func (b *batch) Commit() error {
	return b.rows.writing(func() error {
		if err := errors.Join(b.b.Commit(pebble.NoSync), b.b.Close()); err != nil {
			return fmt.Errorf("write to pebble: %w", err)
		}
		return nil
	})
}
