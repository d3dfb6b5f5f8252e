package dstream

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// TestStateMergesArePaidOff: all that merges write is a small factor of what batches change, however much larger the
// state is, and there are few runs.
func TestStateMergesArePaidOff(t *testing.T) {
	const keys, batches, changed = 20_000, 1_200, 60
	fsys := vfs.NewMemory("mem")
	if err := fsys.MkdirAll(t.Context(), "mem:/ck"); err != nil {
		t.Fatal(err)
	}
	f := newStateFiles(checkpoint.StateHead{Key: "string", Value: "int64"}, func(err error) { t.Error(err) })
	f.limit, f.inline, f.small = 16, 0, 1<<14
	if err := f.open(t.Context(), stateFolder{fs: fsys, dir: "mem:/ck", operator: "op"}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	row := func(kind checkpoint.RowKind, k int) []byte {
		return checkpoint.StateRow{Kind: kind, Key: fmt.Append(nil, "key ", k), Value: make([]byte, 30)}.Append(nil)
	}
	var deltas, merged int64
	most := 0
	for seq := range int64(batches) {
		var rows [][]byte
		for i := range changed {
			rows = append(rows, row(checkpoint.Changed, (r.IntN(keys/changed))*changed+i))
		}
		for k := 0; seq == 0 && k < keys; k++ {
			rows = append(rows, row(checkpoint.Came, k))
		}
		if seq == 0 {
			rows = rows[changed:]
		}
		if err := f.seal(t.Context(), seq, rows); err != nil {
			t.Fatal(err)
		}
		f.change()
		f.settle(seq, true)
		deltas += f.deltas[len(f.deltas)-1].Bytes()
		if f.merging == nil {
			continue
		}
		done := <-f.merging
		if f.merging, f.ready = nil, done; done.err != nil {
			t.Fatal(done.err)
		}
		merged += done.run.Bytes()
		most = max(most, len(f.runs))
	}
	if float64(merged) > 7*float64(deltas) || most > 12 {
		t.Errorf("merges wrote %d bytes for %d bytes of changes; there were up to %d runs", merged, deltas, most)
	}
	t.Logf("merges wrote %.1f times the changes; there were up to %d runs", float64(merged)/float64(deltas), most)
}

// TestStateMergesLeaveNothing: neither a merge that fails, wherever, nor one that no commit has named when the program
// ends leaves files behind, which may be what has filled the disk.
func TestStateMergesLeaveNothing(t *testing.T) {
	for step, failed := 1, true; failed; step++ {
		for _, fault := range []vfs.Fault{vfs.Fail, vfs.Full} {
			disk, steps, reported := vfs.NewDisk("disk"), 0, false
			armed := false
			mount := disk.Mount(func(vfs.Step) vfs.Fault {
				if armed {
					steps++
				}
				if armed && steps == step {
					return fault
				}
				return vfs.None
			})
			f := newStateFiles(checkpoint.StateHead{Key: "string", Value: "int64"}, func(error) { reported = true })
			f.limit, f.inline, f.small = 2, 0, 0
			if err := f.open(t.Context(), stateFolder{fs: mount, dir: "disk:/ck", operator: "op"}); err != nil {
				t.Fatal(err)
			}
			var want []string
			for seq := range int64(2) {
				var rows [][]byte
				for k := range 40 {
					row := checkpoint.StateRow{Kind: checkpoint.Came, Key: fmt.Append(nil, seq, k), Value: []byte("v")}
					rows = append(rows, row.Append(nil))
				}
				if err := f.seal(t.Context(), seq, rows); err != nil {
					t.Fatal(err)
				}
				want = slices.Sorted(maps.Keys(disk.Files())) // The deltas.
				armed = seq == 1
				f.settle(seq, true)
			}
			done := <-f.merging
			f.merging <- done
			armed = false
			if failed = done.err != nil; failed {
				f.collect()
			}
			f.close()
			left := slices.Sorted(maps.Keys(disk.Files()))
			if !slices.Equal(left, want) || failed != reported || !strings.HasSuffix(want[1], "-all") {
				t.Fatalf("fault %v at step %d (%v): there are %v, and should be %v", fault, step, done.err, left, want)
			}
		}
	}
}
