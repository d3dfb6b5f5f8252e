package dstream_test

import (
	"flag"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

var crashStep = flag.Int("crash", 0, "the step at which TestCrashAtEveryStep crashes; 0 is each")

// A world is what lies outside of all processes: it stores what is written together with its identity, once.
type world struct {
	mu   sync.Mutex
	rows map[string][]string // by batch and partition
}

func (w *world) write(_ *rdd.TaskContext, id dstream.Effect, in iter.Seq[string]) error {
	rows := slices.Collect(in)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows == nil {
		w.rows = map[string][]string{}
	}
	if _, there := w.rows[id.Key()]; !there {
		w.rows[id.Key()] = rows
	}
	return nil
}

// batches gives what each batch wrote, in the order of the rows' texts.
func (w *world) batches() map[int64][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[int64][]string{}
	for key, rows := range w.rows {
		var seq int64
		parts := strings.Split(key, "/")
		_, _ = fmt.Sscan(parts[len(parts)-2], &seq)
		all[seq] = append(all[seq], rows...)
		slices.Sort(all[seq])
	}
	return all
}

// runningSums counts and adds up the numbers by their rest of three, and has each state that changed written out.
func runningSums(w *world) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		byRest := dstream.Map(d, func(v int) rdd.Pair[int, int] { return rdd.KV(v%3, v) })
		add := func(k int, v rdd.Optional[int], s *dstream.State[[2]int]) string {
			now := s.Option().Or([2]int{})
			now[0]++
			now[1] += v.Value
			s.Update(now)
			return fmt.Sprintf("%d: %d numbers, sum %d", k, now[0], now[1])
		}
		sums, _ := dstream.MapWithState(byRest, dstream.Spec(add))
		dstream.ForeachPartition(sums.Named("sums"), w.write).Named("out")
	}
}

// modelSums is what the batches of runningSums write.
func modelSums(batches int64) map[int64][]string {
	want, counts, sums := map[int64][]string{}, [3]int{}, [3]int{}
	for b := range int(batches) {
		for v := 2 * b; v < 2*b+2; v++ {
			counts[v%3]++
			sums[v%3] += v
			want[int64(b)] = append(want[int64(b)], fmt.Sprintf("%d: %d numbers, sum %d", v%3, counts[v%3], sums[v%3]))
		}
		slices.Sort(want[int64(b)])
	}
	return want
}

// TestCrashAtEveryStep ends the process before each change of the disk, as kill -9 and as a power failure do, and at
// some that follow within the next process. Whatever happens, each record has been counted exactly once in the state,
// and each batch written once.
func TestCrashAtEveryStep(t *testing.T) {
	total := crashAt(t, 0, 0)
	for k := 1; k <= total; k++ {
		if *crashStep == 0 || *crashStep == k {
			crashAt(t, k, uint64(k))
			crashAt(t, k, 0)
		}
	}
}

// crashAt runs a program whose process dies before its step k, or not at all if k is 0; seed 0 leaves the disk as it
// is. It gives the number of steps of the first process.
func crashAt(t *testing.T, k int, seed uint64) (steps int) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		start := func(k int) *life {
			l, err := liveOnFaulty(t, disk, func(s vfs.Step) vfs.Fault {
				if s.Number == k {
					return vfs.Die
				}
				return vfs.None
			}, runningSums(w))
			if err != nil && k == 0 {
				t.Fatalf("step %d, seed %d: the program does not start again: %v", k, seed, err)
			}
			return l
		}
		l := start(k)
		time.Sleep(3700 * time.Millisecond)
		if k == 0 {
			l.stop(t)
			steps = l.mount.Steps()
		} else {
			l.die(t)
		}
		if seed > 0 {
			disk = disk.Crash(seed)
			l = start(7 + k%29) // and soon once more
			time.Sleep(10 * time.Second)
			l.die(t)
			disk = disk.Crash(seed + 1)
		}
		l = start(0)
		time.Sleep(3700 * time.Millisecond)
		l.stop(t)
		got := w.batches()
		want := modelSums(int64(len(got)))
		for b, rows := range want {
			if !slices.Equal(got[b], rows) {
				t.Errorf("step %d, seed %d: batch %d wrote %q, want %q (go test ./dstream -run CrashAtEveryStep "+
					"-args -crash %d)", k, seed, b, got[b], rows, k)
			}
		}
		if len(got) < 3 {
			t.Errorf("step %d, seed %d: only %d batches ran", k, seed, len(got))
		}
	})
	return steps
}
