package pebble_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// TestRows compares a store with a map, under changes at random.
func TestRows(t *testing.T) {
	rows, err := pebble.Store().Open(t.TempDir(), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	model := map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	key := func() string { return fmt.Sprintf("%03d", r.IntN(500)) }
	for round := range 200 {
		b := rows.Batch()
		after := maps.Clone(model)
		for range r.IntN(50) {
			k, v := key(), strings.Repeat("v", r.IntN(9))
			if err := b.Put([]byte(k), []byte(v)); err != nil {
				t.Fatal(err)
			}
			after[k] = v
			if gone := key(); r.IntN(2) == 0 {
				err = b.Delete([]byte(gone))
				delete(after, gone)
			}
		}
		if r.IntN(5) > 0 && err == nil {
			err, model = b.Commit(), after
		}
		from, to := key(), key()
		if round%20 == 19 && from <= to && err == nil {
			err = rows.Clear([]byte(from), []byte(to))
			maps.DeleteFunc(model, func(k, _ string) bool { return k >= from && k < to })
		}
		if err != nil {
			t.Fatal(err)
		}
		wantRows(t, rows, model, key(), "zzz", round)
		wantRows(t, rows, model, "", key(), round)
		k := key()
		v, ok, err := rows.Get([]byte(k), []byte("before "))
		if want, there := model[k]; err != nil || ok != there || string(v) != "before "+want {
			t.Fatalf("round %d: %s is %q, %v (%v), and should be %q, %v", round, k, v, ok, err, want, there)
		}
	}
	open := rows.Batch()
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := rows.Get([]byte("1"), nil); err == nil {
		t.Error("a store that is closed was read")
	}
	if err := open.Commit(); err == nil {
		t.Error("a store that is closed was written")
	}
	if err := rows.Close(); err != nil {
		t.Errorf("closed once more: %v", err)
	}
}

func wantRows(t *testing.T, rows dstream.StateRows, model map[string]string, from, to string, round int) {
	t.Helper()
	var got, want []string
	err := rows.Scan([]byte(from), []byte(to), func(k, v []byte) bool {
		got = append(got, string(k)+"="+string(v))
		return true
	})
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if k >= from && k < to {
			want = append(want, k+"="+model[k])
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("round %d, from %q to %q: %v (%v), and should be %v", round, from, to, got, err, want)
	}
}

// TestScanIsOfOneMoment: what is written while a scan goes on is not in it.
func TestScanIsOfOneMoment(t *testing.T) {
	rows, err := pebble.Store().Open(t.TempDir(), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	put := func(v string) {
		b := rows.Batch()
		for i := range 100 {
			err = b.Put(fmt.Appendf(nil, "%02d", i), []byte(v))
		}
		if err = b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	n := 0
	err = rows.Scan([]byte("0"), []byte("a"), func(_, v []byte) bool {
		if n++; n == 10 {
			put("new")
		}
		return bytes.Equal(v, []byte("old"))
	})
	if err != nil || n != 100 {
		t.Errorf("%d rows were as they had been (%v)", n, err)
	}
}

type pair = rdd.Pair[string, int]

// threes is a source whose batches have three numbers each.
type threes struct{}

func (threes) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return []byte("0"), nil
	}
	return from, nil
}

func (threes) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	return fmt.Append(nil, number(from)+3), 3, nil
}

func (threes) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] {
	n := number(rng)
	return rdd.Parallelize(sc, []int{n - 3, n - 2, n - 1}, 2)
}

func (threes) Committed(context.Context, *dstream.Batch, []byte) error { return nil }
func (threes) Released(context.Context, []byte) error                  { return nil }

func number(rng []byte) (n int) {
	_, _ = fmt.Sscan(string(rng), &n)
	return n
}

func sum(vs []int, s int, _ bool) (int, bool) {
	for _, v := range vs {
		s += v
	}
	return s, s%4 != 0
}

// states is a program with a state of each kind; got has what each output saw of each batch, in order.
func states(ssc *dstream.Context, partitions int, got map[string]string) {
	d := dstream.FromSource(ssc, "numbers", dstream.Source[int](threes{})).Named("numbers")
	keyed := dstream.Map(d, func(v int) pair { return rdd.KV(fmt.Sprint("key ", v*v%47), v) })
	spec := dstream.Spec(func(k string, v rdd.Optional[int], s *dstream.State[int]) string {
		switch sum := s.Option().Or(0) + v.Value; {
		case s.IsTimingOut():
		case sum%7 == 0 && s.Exists():
			s.Remove()
		default:
			s.Update(sum)
		}
		return fmt.Sprint(k, " ", s.Option(), s.IsTimingOut())
	}).Timeout(3 * time.Second).Partitions(partitions)
	out, snapshots := dstream.MapWithState(keyed, spec)
	watch(out, "mapped", got)
	watch(snapshots, "snapshots", got)
	initial := rdd.Parallelize(ssc.RDD(), []pair{rdd.KV("key 1", 100), rdd.KV("old", 1), rdd.KV("old", 2)}, 2)
	opt := rdd.Partitions(partitions)
	watch(dstream.UpdateStateByKeyFrom(keyed, initial, sum, opt), "sums", got)
	touched, all := dstream.UpdateTouchedStateByKey(keyed, sum, opt)
	watch(touched, "touched", got)
	watch(all, "all", got)
	type groups = iter.Seq[dstream.StateGroup[string, int, int]]
	longer := func(in groups) iter.Seq[pair] {
		return func(yield func(pair) bool) {
			in(func(g dstream.StateGroup[string, int, int]) bool {
				s, live := sum(g.Values, g.State.Value, false)
				return !live || len(g.Key) > 9 || yield(rdd.KV(g.Key+"x", s))
			})
		}
	}
	watch(dstream.UpdateStatePartitions(keyed, nil, longer, false, opt), "partitions", got)
}

func watch[T any](d *dstream.DStream[T], name string, got map[string]string) {
	d.Named(name)
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		got[fmt.Sprintf("%02d %s", b.Sequence, name)] = fmt.Sprint(r.NumPartitions(), " partitions: ", vs)
		return err
	}).Named("watch " + name)
}

// TestStates: programs that are stopped, killed, and started with other numbers of partitions give in each batch what
// they give with states in memory, in the same order, and leave nothing in spark.local.dir.
func TestStates(t *testing.T) {
	type lifetime struct {
		partitions, seconds int
		killed              bool
	}
	run := func(disk *vfs.Disk, store string, lives ...lifetime) map[string]string {
		got, dir := map[string]string{}, t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(3 * time.Second) // Since the checkpoint was begun, in another bubble.
			for _, l := range lives {
				mount := disk.Mount(nil)
				c := conf.New().Set("spark.master", "local[2]").Set("spark.local.dir", dir).
					Set("weir.state.store", store).Set("weir.state.memory", "8m")
				ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(mount))
				if err != nil {
					t.Fatal(err)
				}
				ssc.Checkpoint("disk:/ck")
				ssc.AddStateStore(pebble.Store())
				states(ssc, l.partitions, got)
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(l.seconds)*time.Second + time.Second/2)
				if l.killed {
					mount.Kill()
					_ = ssc.Stop(t.Context())
					time.Sleep(20 * time.Second) // The times that were missed have a batch each.
					continue
				}
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
			}
		})
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			t.Errorf("%s: %v are left (%v)", store, left, err)
		}
		return got
	}
	for _, lives := range [][]lifetime{
		{{3, 40, false}},
		{{2, 8, false}, {2, 8, true}, {2, 9, false}},
		{{3, 7, true}, {3, 3, false}, {5, 9, false}, {1, 9, true}},
	} {
		begun := vfs.NewDisk("disk") // With the seed by which keys are dealt.
		run(begun, "memory", lifetime{3, 1, false})
		want, got := run(begun.Crash(1), "memory", lives...), run(begun.Crash(1), "pebble", lives...)
		both := 0
		for _, name := range slices.Sorted(maps.Keys(want)) {
			text, seen := got[name]
			// Which of two lives runs the batch between them depends on what the second has waited for.
			seen = seen && text[:1] == want[name][:1]
			if seen && text != want[name] {
				t.Fatalf("%v: %s:\ngot  %s\nwant %s", lives, name, text, want[name])
			}
			if seen {
				both++
			}
		}
		if both < 150 { // How many batches a start after a crash makes up for depends on what it waited for.
			t.Fatalf("%v: only %d outputs were seen in both", lives, both)
		}
	}
}

// TestNotHandedIn: the setting alone is an error that names the option.
func TestNotHandedIn(t *testing.T) {
	ssc, err := dstream.NewContext(conf.New().Set("weir.state.store", "pebble"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	states(ssc, 1, map[string]string{})
	err = ssc.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "weir.WithStateStore(pebble.Store())") {
		t.Errorf("the start gave: %v", err)
	}
}
