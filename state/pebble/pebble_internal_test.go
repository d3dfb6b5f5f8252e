package pebble

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestCannotGoOn: pebble that cannot write the list of its files, on a goroutine of its own, ends neither the process
// nor the waiting of who uses it.
func TestCannotGoOn(t *testing.T) {
	var full atomic.Bool
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.Contains(op.Path, "MANIFEST") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("no space left on device")
		}
		return nil
	}))
	r, err := store{disk}.Open("dir", 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	for i := 0; err == nil && i < 1e6; i++ {
		b := r.Batch()
		err = errors.Join(b.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 4<<10)), b.Commit())
	}
	want := "cannot go on: MANIFEST"
	check := func(what string, err error) {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("Commit", err)
	_, _, err = r.Get([]byte("1"), nil)
	check("Get", err)
	check("Scan", r.Scan(nil, []byte("2"), func(_, _ []byte) bool { return true }))
	check("Clear", r.Clear([]byte("1"), []byte("2")))
	if err := r.Close(); err != nil { // It is nil while a call is on its way, for ever.
		check("Close", err)
	}
}

// TestLargeMemory: pebble takes what weir.state.memory may be on a large machine.
func TestLargeMemory(t *testing.T) {
	for _, memory := range []int64{8 << 20, 8 << 30, 64 << 30} {
		o := (&rows{}).options(vfs.NewMem(), memory)
		o.EnsureDefaults()
		if err := o.Validate(); err != nil {
			t.Errorf("%d bytes: %v", memory, err)
		}
	}
}

// TestHalt: a goroutine that came to pebble by this package gets an error, and what a user's function panics with stays
// what it is.
func TestHalt(t *testing.T) {
	r := &rows{broken: make(chan struct{}), halted: make(chan struct{})}
	err := r.apart(r.halted, func() error {
		logger{r}.Fatalf("invariant %d", 7)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "cannot go on: invariant 7; the checkpoint is not touched") {
		t.Error(err)
	}
	open, err := store{vfs.NewMem()}.Open("dir", 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	b := open.Batch()
	if err := errors.Join(b.Put([]byte("a"), nil), b.Commit()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v != "oh" {
			t.Errorf("%v", v)
		}
	}()
	_ = open.Scan(nil, []byte("b"), func(_, _ []byte) bool { panic("oh") })
}
