package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/vfs"
)

// paneRows writes a delta of n rows of panes, of 100 bytes each, to the disk.
func paneRows(t *testing.T, disk *vfs.Disk, n int) Delta {
	t.Helper()
	m := disk.Mount(nil)
	if err := m.MkdirAll(t.Context(), vfs.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	h := StateHead{Operator: "op", Part: AllParts, Panes: true, Key: "string", Value: "string"}
	f, err := WriteState(t.Context(), m, dir, "state/op-1-1-all", Deltas, h, func(w *StateWriter) {
		for i := range n {
			w.Row(StateRow{Kind: Came, Touch: int64(i + 1), Key: fmt.Append(nil, i), Value: make([]byte, 100)})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return Delta{Files: []File{f}}
}

// TestMergeOnFullDisk: a merge that finds no room says so, and blames no file that it reads.
func TestMergeOnFullDisk(t *testing.T) {
	disk := vfs.NewDisk("disk")
	full := disk.Mount(func(s vfs.Step) vfs.Fault {
		if s.Op == "write" {
			return vfs.Full
		}
		return vfs.None
	})
	delta := paneRows(t, disk, 5000)
	m := &StateMerge{Head: StateHead{Operator: "op", Panes: true, Key: "string", Value: "string"},
		Deltas: []Delta{delta}, Name: func(int) string { return "state/op-1-2-all" }}
	_, err := m.Run(t.Context(), full, dir)
	if !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "from a copy") {
		t.Errorf("on a full disk: %v", err)
	}
}

// TestErrorsOfRows: only a row that no writer makes is damage of its file.
func TestErrorsOfRows(t *testing.T) {
	disk := vfs.NewDisk("disk")
	delta := paneRows(t, disk, 3)
	for _, tt := range []struct {
		err    error
		damage bool
	}{
		{fmt.Errorf("decode: %w", codec.ErrCorrupt), true},
		{fmt.Errorf("%w: %q", errNoKey, "k"), true},
		{fmt.Errorf("the store of states: %w", syscall.ENOSPC), false},
		{errors.New("a partitioner's"), false},
	} {
		err := ReadState(t.Context(), disk.Mount(nil), dir, nil, []Delta{delta}, 1,
			func(StateHead) error { return nil }, func(r StateRow) error {
				if string(r.Key) == "1" {
					return tt.err
				}
				return nil
			})
		damage, is := errors.AsType[*DamageError](err)
		if is != tt.damage || !is && !errors.Is(err, tt.err) || !contains(err, delta.Files[0].Name, ", offset ") ||
			strings.Contains(err.Error(), "from a copy") != tt.damage {
			t.Errorf("%v: %v, %v", tt.err, err, damage)
		}
	}
}

// TestMissingStateFile: a file that the log names and that is not there is damage, and known as not there.
func TestMissingStateFile(t *testing.T) {
	disk := vfs.NewDisk("disk")
	delta := paneRows(t, disk, 3)
	remove(vfs.Join(dir, delta.Files[0].Name))(t, disk)
	err := ReadState(t.Context(), disk.Mount(nil), dir, nil, []Delta{delta}, 1, func(StateHead) error { return nil },
		func(StateRow) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) || !contains(err, delta.Files[0].Name, "the log names it", "from a copy") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestSwappedDeltas: a file of a state that is whole and as long as it should be, and is another one, is refused.
func TestSwappedDeltas(t *testing.T) {
	disk := vfs.NewDisk("disk")
	m := disk.Mount(nil)
	if err := m.MkdirAll(t.Context(), vfs.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	var deltas []Delta
	for _, value := range []string{"one", "two"} {
		f, err := WriteState(t.Context(), m, dir, "state/op-"+value, Deltas, StateHead{Operator: "op"},
			func(w *StateWriter) { w.Row(StateRow{Kind: Came, Key: []byte("k"), Value: []byte(value)}) })
		if err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, Delta{Files: []File{f}})
	}
	read := func() error {
		return ReadState(t.Context(), m, dir, nil, deltas, 1, func(StateHead) error { return nil },
			func(StateRow) error { return nil })
	}
	if err := read(); err != nil {
		t.Error(err)
	}
	files := disk.Files()
	first, second := dir+"/state/op-one", dir+"/state/op-two"
	spoil(first, func([]byte) []byte { return files[second] })(t, disk)
	spoil(second, func([]byte) []byte { return files[first] })(t, disk)
	if err := read(); err == nil || !contains(err, first, "it is another file", "from a copy") {
		t.Errorf("swapped: %v", err)
	}
}
