package dstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

const (
	stateFolderName = "disk:/ckpt"
	stateIdle       = 3 * time.Second
)

type statePair = rdd.Pair[string, int]

// stateScript makes random batches: keys come, change, go, and are left alone for so long that they time out.
func stateScript(seed uint64, n int) [][]statePair {
	r := rand.New(rand.NewPCG(seed, 7))
	batches := make([][]statePair, n)
	for i := range batches {
		for range r.IntN(40) {
			batches[i] = append(batches[i], rdd.KV(fmt.Sprint("key ", r.IntN(60)), r.IntN(9)-1))
		}
	}
	return batches
}

// stateModel is what the state is after batches, by its definition.
type stateModel map[string]string

func newStateModel(batches [][]statePair, times []Time) stateModel {
	type entry struct {
		sum   int
		touch Time
	}
	state := map[string]entry{}
	for i, at := range times {
		for _, kv := range batches[i] {
			e, there := state[kv.Key]
			if kv.Value < 0 && there {
				delete(state, kv.Key)
				continue
			}
			if kv.Value != 0 || there {
				state[kv.Key] = entry{e.sum + kv.Value, at}
			}
		}
		maps.DeleteFunc(state, func(_ string, e entry) bool { return e.touch < at.Add(-stateIdle) })
	}
	m := stateModel{}
	for k, e := range state {
		m[k] = fmt.Sprint(e.sum, "@", int64(e.touch))
	}
	return m
}

// stateRun is a life of a program with one state.
type stateRun struct {
	stateful
	log       *checkpoint.Log
	store     *stateStore[string, int]
	base      int64            // the sequence of the life's first batch
	until     int64            // that of the batch which is not run any more
	dumps     map[int64]string // the state after each batch
	times     *[]Time
	committed int64
	err       error
}

// settle seals and commits as the loop does.
func (r *stateRun) settle(b *Batch, committed bool) {
	if r.err != nil || r.base+b.Sequence >= r.until {
		r.stateful.settle(b, false)
		return
	}
	in := &Batch{Time: b.Time, Sequence: r.base + b.Sequence}
	ctx := context.Background()
	change, err := r.seal(ctx, in)
	if err == nil && b.Sequence%4 == 3 { // A commit that failed after the seal, and is tried again.
		change, err = r.seal(ctx, in)
	}
	*r.times = append((*r.times)[:in.Sequence:in.Sequence], b.Time)
	if err == nil {
		err = r.log.Append(ctx, checkpoint.Plan{Sequence: in.Sequence, Time: int64(b.Time)},
			checkpoint.Commit{Sequence: in.Sequence, Time: int64(b.Time), State: []checkpoint.StateChange{change}})
	}
	if r.err = err; err != nil {
		r.stateful.settle(in, false)
		r.dumps[in.Sequence] = "?" // It may be there.
		return
	}
	r.stateful.settle(in, true)
	r.committed = in.Sequence
	r.dumps[in.Sequence] = dumpState(r.store)
	if up := in.Sequence - 4; up >= 0 {
		if r.err = r.log.Append(ctx, checkpoint.Released{UpTo: up}); r.err != nil {
			return
		}
	}
}

// dumpState is the whole state in its order.
func dumpState(s *stateStore[string, int]) string {
	var b strings.Builder
	for i := range s.table.parts {
		c := s.table.cursor(i, nil)
		for buf := make([]stateEntry[string, int], 0, 7); ; {
			entries, err := c.read(buf)
			if err != nil {
				return err.Error()
			}
			for _, e := range entries {
				fmt.Fprintf(&b, "%s=%d@%d\n", e.Key, e.Value, int64(e.touch))
			}
			if len(entries) == 0 {
				break
			}
		}
	}
	return b.String()
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// buildState makes the graph of a life; parted has all runs be files of a part each.
func buildState(t *testing.T, batches [][]statePair, partitions int, parted bool) (*Context, *stateRun) {
	t.Helper()
	ssc, err := NewContext(conf.New().Set("spark.master", "local[2]").Set("spark.task.maxFailures", "2"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ssc.SetOutput(io.Discard)
	sum := func(_ Time, _ string, v rdd.Optional[int], s *State[int]) (int, bool) {
		switch {
		case v.Value < 0 && s.Exists():
			s.Remove()
		case v.Present && v.Value != 0:
			s.Update(s.Option().Value + v.Value)
		}
		return 0, false
	}
	queue := NewQueue(batches...)
	out, _ := MapWithState(QueueStream(ssc, queue), SpecWithTime(sum).Timeout(stateIdle).Partitions(partitions))
	ForeachRDD(out, func(ctx context.Context, r *rdd.RDD[int], _ *Batch) error {
		_, err := rdd.Count(ctx, r)
		return err
	})
	mapper := ssc.states[0].stateful.(*stateMapper[string, int, int, int])
	mapper.files.limit, mapper.files.inline = 3, 200
	if parted {
		mapper.files.small, mapper.files.held, mapper.files.most = 100, 1000, 3
	}
	inStore(t, mapper)
	run := &stateRun{stateful: mapper, store: mapper.stateStore, committed: -1}
	ssc.states[0].stateful = run
	return ssc, run
}

// openState opens the log and loads the state of its last version.
func (r *stateRun) openState(t *testing.T, fsys vfs.FS, name string) error {
	l, rec, err := checkpoint.Open(t.Context(), fsys, stateFolderName, checkpoint.Owner{Host: name, PID: 7},
		checkpoint.Options{Every: 3, Wait: true, PutTimeout: time.Second})
	if err != nil {
		return err
	}
	r.log = l
	at := rec.State.Committed.Sequence
	if err := l.Sweep(t.Context(), stateDir); err != nil {
		return err
	}
	r.base = at + 1
	r.committed = at
	snapshot, deltas := rec.State.Version("op", at)
	return r.load(t.Context(), stateFolder{fs: fsys, dir: stateFolderName, epoch: l.Epoch(), operator: "op", loaded: -1,
		snapshot: snapshot, deltas: deltas}, snapshot, deltas)
}

// wantState compares a state that was loaded with what it was, and with its definition.
func (r *stateRun) wantState(t *testing.T, batches [][]statePair, where string) {
	t.Helper()
	got := dumpState(r.store)
	if want := r.dumps[r.committed]; want != "?" && want != got {
		t.Fatalf("%s: after batch %d:\n%swas\n%s", where, r.committed, got, want)
	}
	model := stateModel{}
	for line := range strings.Lines(got) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		model[k] = v
	}
	if want := newStateModel(batches, (*r.times)[:r.committed+1]); !maps.Equal(model, want) {
		t.Fatalf("%s: after batch %d:\n%v, and the definition says\n%v", where, r.committed, model, want)
	}
}

// liveState runs the batches that are left until the end, or until the disk fails.
func liveState(t *testing.T, fsys vfs.FS, name string, batches [][]statePair, partitions int, dumps map[int64]string,
	times *[]Time) (*stateRun, error) {
	t.Helper()
	// The state must be loaded before the queue is known: how many batches are left stands in the log.
	s, err := checkpoint.Read(t.Context(), fsys, stateFolderName)
	if err != nil {
		return nil, err
	}
	left := batches
	if s != nil {
		left = batches[s.Committed.Sequence+1:]
	}
	ssc, run := buildState(t, left, partitions, partitions == 3)
	run.dumps, run.times, run.until = dumps, times, int64(len(batches))
	if err := run.openState(t, fsys, name); err != nil {
		err = errors.Join(err, ssc.Stop(t.Context()))
		if run.log != nil {
			err = errors.Join(err, run.log.Close(t.Context()))
		}
		return nil, err
	}
	if s == nil || run.base == s.Committed.Sequence+1 {
		run.wantState(t, batches, name)
	}
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(len(left))*time.Second + time.Second/2)
	if err := ssc.Stop(t.Context(), Graceful()); err != nil {
		t.Fatal(err)
	}
	run.close()
	return run, errors.Join(run.err, run.log.Close(t.Context()))
}

// versions loads each version that the log still names, into other numbers of partitions.
func (r *stateRun) versions(t *testing.T, fsys vfs.FS) {
	t.Helper()
	s, err := checkpoint.Read(t.Context(), fsys, stateFolderName)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for seq := max(s.Released, 0); seq <= s.Committed.Sequence; seq++ {
		want := r.dumps[seq]
		if want == "?" {
			continue
		}
		n++
		snapshot, deltas := s.Version("op", seq)
		ssc, other := buildState(t, nil, 1+int(seq)%7, false)
		folder := stateFolder{fs: fsys, dir: stateFolderName, epoch: 99, operator: "op", loaded: -1}
		err := other.load(t.Context(), folder, snapshot, deltas)
		if err != nil {
			t.Fatal(err)
		}
		if got := dumpState(other.store); sortedLines(got) != sortedLines(want) {
			t.Fatalf("version %d:\n%swas\n%s", seq, got, want)
		}
		scanned := ""
		err = checkpoint.ScanState(t.Context(), fsys, stateFolderName, snapshot, deltas, checkpoint.AllParts,
			func(row checkpoint.StateRow) error {
				v, _, err := other.store.values.Decode(row.Value)
				scanned += fmt.Sprintf("%s=%d@%d\n", row.Key, v, row.Touch)
				return err
			})
		if err != nil || sortedLines(scanned) != sortedLines(want) {
			t.Fatalf("version %d, scanned (%v):\n%swas\n%s", seq, err, scanned, want)
		}
		for row := range strings.Lines(want) {
			key, _, _ := strings.Cut(row, "=")
			_, there, err := checkpoint.GetState(t.Context(), fsys, stateFolderName, snapshot, deltas, []byte(key))
			_, other, errOther := checkpoint.GetState(t.Context(), fsys, stateFolderName, snapshot, deltas,
				[]byte(key+"?"))
			if err != nil || errOther != nil || !there || other {
				t.Fatalf("version %d: %s is there: %v (%v), another key: %v (%v)", seq, key, there, err, other, errOther)
			}
			break
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n < 4 {
		t.Fatalf("only %d versions are left", n)
	}
}

// TestStateFiles: a state is the same after a restart, in its order too, and at each version that the log names; merges
// leave few files, and none that nobody needs.
func TestStateFiles(t *testing.T) { inEachStore(t, checkStateFiles) }

func checkStateFiles(t *testing.T) {
	for seed := range uint64(6) {
		batches := stateScript(seed, 60)
		synctest.Test(t, func(t *testing.T) {
			disk, dumps, times := vfs.NewDisk("disk"), map[int64]string{}, []Time{}
			for life, until := range []int{20, 21, 60} {
				name := fmt.Sprint("life ", life)
				run, err := liveState(t, disk.Mount(nil), name, batches[:until], 3-int(seed%2), dumps, &times)
				if err != nil || run.committed != int64(until-1) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				run.versions(t, disk.Mount(nil))
				if runs := run.store.files.runs; life == 2 && (len(runs) == 0 || len(runs) > 4 ||
					(len(runs[0]) == checkpoint.StateParts) != (seed%2 == 0)) {
					t.Errorf("seed %d: %d runs, of the first %v", seed, len(runs), runs)
				}
			}
			files := 0
			for name := range disk.Files() {
				if strings.Contains(name, "/state/") {
					files++
				}
			}
			if files > 12 && seed%2 == 1 || files > 6*checkpoint.StateParts {
				t.Errorf("seed %d: %d files are left", seed, files)
			}
		})
	}
}

// TestStateRescaled: the number of partitions may be another one in each life.
func TestStateRescaled(t *testing.T) { inEachStore(t, checkStateRescaled) }

func checkStateRescaled(t *testing.T) {
	batches := stateScript(3, 40)
	synctest.Test(t, func(t *testing.T) {
		disk, times := vfs.NewDisk("disk"), []Time{}
		for life, n := range []int{3, 5, 1, 7} {
			run, err := liveState(t, disk.Mount(nil), fmt.Sprint(n, " partitions"), batches[:10*(life+1)], n,
				map[int64]string{int64(10*life - 1): "?"}, &times)
			if err != nil || run.committed != int64(10*life+9) {
				t.Fatalf("%d partitions: %v", n, err)
			}
		}
	})
}

// TestStateCrash kills a life before each of its steps, and takes what is on the disk then, with and without a power
// failure: the state is that of the last batch of the log, and the next life comes to the end.
func TestStateCrash(t *testing.T) { inEachStore(t, checkStateCrash) }

func checkStateCrash(t *testing.T) {
	batches, stride := stateScript(1, 9), 1
	if testing.Short() { // As under the race detector, which takes minutes for all of them.
		stride = 4
	}
	for step := 1; ; step += stride {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			disk, dumps, times := vfs.NewDisk("disk"), map[int64]string{-1: ""}, []Time{}
			_, err := liveState(t, disk.Mount(dieBefore(step)), "first", batches, 2, dumps, &times)
			whole = err == nil
			disks := []*vfs.Disk{disk, disk.Crash(uint64(step)), disk.Crash(uint64(step) + 1000)}
			for i, after := range disks {
				dumps, times := maps.Clone(dumps), slices.Clone(times)
				run, err := liveState(t, after.Mount(nil), "second", batches, 2, dumps, &times)
				if err != nil || run.committed != int64(len(batches)-1) {
					t.Fatalf("step %d, disk %d: %v", step, i, err)
				}
				run.versions(t, after.Mount(nil))
			}
		})
		if whole {
			t.Logf("%d steps", step-1)
			return
		}
	}
}

// dieBefore kills a process before one of its steps.
func dieBefore(step int) func(vfs.Step) vfs.Fault {
	return func(s vfs.Step) vfs.Fault {
		if s.Number >= step {
			return vfs.Die
		}
		return vfs.None
	}
}

// TestStateFaults: a step of the disk that fails costs a life at most, and no merge is lost by it.
func TestStateFaults(t *testing.T) { inEachStore(t, checkStateFaults) }

func checkStateFaults(t *testing.T) {
	batches := stateScript(2, 9)
	faults := []vfs.Fault{vfs.Fail, vfs.Lose, vfs.Tear, vfs.Full}
	for step := 1; ; step += 3 {
		reached := false
		synctest.Test(t, func(t *testing.T) {
			disk, dumps, times := vfs.NewDisk("disk"), map[int64]string{-1: ""}, []Time{}
			_, first := liveState(t, disk.Mount(func(s vfs.Step) vfs.Fault {
				if s.Number == step {
					reached = true
					return faults[step%len(faults)]
				}
				return vfs.None
			}), "first", batches, 2+step%2, dumps, &times)
			run, err := liveState(t, disk.Mount(nil), "second", batches, 2, dumps, &times)
			if err != nil || run.committed != int64(len(batches)-1) {
				t.Fatalf("step %d: %v, then %v", step, first, err)
			}
			run.versions(t, disk.Mount(nil))
		})
		if !reached {
			return
		}
	}
}

// TestStateDamage: a file that is not what was written is refused by its name, whatever became of it.
func TestStateDamage(t *testing.T) { inEachStore(t, checkStateDamage) }

func checkStateDamage(t *testing.T) {
	batches := stateScript(4, 9)
	synctest.Test(t, func(t *testing.T) {
		disk, times := vfs.NewDisk("disk"), []Time{}
		if _, err := liveState(t, disk.Mount(nil), "first", batches, 2, map[int64]string{-1: ""}, &times); err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Read(t.Context(), disk.Mount(nil), stateFolderName)
		if err != nil {
			t.Fatal(err)
		}
		snapshot, deltas := s.Version("op", s.Committed.Sequence)
		load := func(fsys vfs.FS, snapshot []checkpoint.File, deltas []checkpoint.Delta) error {
			_, run := buildState(t, nil, 2, false)
			folder := stateFolder{fs: fsys, dir: stateFolderName, epoch: 9, operator: "op"}
			return run.load(t.Context(), folder, snapshot, deltas)
		}
		if err := load(disk.Mount(nil), snapshot, deltas); err != nil {
			t.Fatal(err)
		}
		files := slices.Clone(snapshot)
		for i, d := range deltas {
			files = append(files, d.Files...)
			for at := range d.Inline {
				spoilt := slices.Clone(deltas)
				spoilt[i].Inline = slices.Clone(d.Inline)
				spoilt[i].Inline[at] ^= 4
				err := load(disk.Mount(nil), snapshot, spoilt)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprint("commit record of batch ", d.Sequence)) {
					t.Fatalf("byte %d of the delta of batch %d: %v", at, d.Sequence, err)
				}
			}
		}
		if len(files) < 2 {
			t.Fatalf("there are only the files %v", files)
		}
		for _, f := range files {
			for at := 0; at < int(f.Length); at += 3 {
				bad := disk.Crash(0)
				for _, spoil := range []func([]byte) []byte{
					func(b []byte) []byte { b[at] ^= 1; return b },
					func(b []byte) []byte { return b[:at] },
				} {
					if err := bad.Spoil(vfs.Join(stateFolderName, f.Name), spoil); err != nil {
						t.Fatal(err)
					}
					err := load(bad.Mount(nil), snapshot, deltas)
					if err == nil || !strings.Contains(err.Error(), f.Name) {
						t.Fatalf("byte %d of %s: %v", at, f.Name, err)
					}
				}
			}
		}
	})
}

// TestStateOfAnotherType: a state of other types than the program's is refused with both.
func TestStateOfAnotherType(t *testing.T) { inEachStore(t, checkStateOfAnotherType) }

func checkStateOfAnotherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, times := vfs.NewDisk("disk"), []Time{}
		run, err := liveState(t, disk.Mount(nil), "first", stateScript(4, 3), 2, map[int64]string{-1: ""}, &times)
		if err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Read(t.Context(), disk.Mount(nil), stateFolderName)
		if err != nil {
			t.Fatal(err)
		}
		snapshot, deltas := s.Version("op", 2)
		folder := stateFolder{fs: disk.Mount(nil), dir: stateFolderName, epoch: 9, operator: "op"}
		ssc, _ := buildState(t, nil, 2, false)
		values, err1 := newStateStore[string, float64](ssc, "x", nil, true, nil)
		keys, err2 := newStateStore[int, int](ssc, "x", nil, true, nil)
		seed := *run.store
		seed.files = newStateFiles(run.store.files.head, nil)
		seed.files.head.Seed++
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for want, load := range map[string]stateful{
			`its values are "int64", and the program's "float64"`: &stateMapper[string, int, float64, int]{stateStore: values},
			`its keys are "string", and the program's "int64"`:    &stateMapper[int, int, int, int]{stateStore: keys},
			"were parted under the seed":                          &stateMapper[string, int, int, int]{stateStore: &seed},
		} {
			err := load.load(t.Context(), folder, snapshot, deltas)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s is not in: %v", want, err)
			}
		}
	})
}
