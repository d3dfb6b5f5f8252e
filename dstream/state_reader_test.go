package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// keptSums has a state of the numbers by their last digit, and a window over it, which the next life has to have again.
func keptSums(got map[string]string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		keyed := dstream.Map(d, func(v int) pair { return rdd.KV(fmt.Sprint("key ", v%10), v) })
		sums := dstream.UpdateStateByKey(keyed, total, rdd.Partitions(2)).Named("sums")
		at := func(what string, d *dstream.DStream[pair]) {
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[pair], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				texts := make([]string, len(vs))
				for i, v := range vs {
					texts[i] = fmt.Sprintf("%s=%d", strings.TrimPrefix(v.Key, "key "), v.Value)
				}
				slices.Sort(texts)
				got[what], got["time"] = strings.Join(texts, " "), b.Time.String()
				return err
			}).Named("watch " + what)
		}
		at("sums", sums)
		at("window", dstream.Window(sums, 2*time.Second, 0))
	}
}

// outside is a context beside the program's, on the same disk.
func outside(t *testing.T, disk *vfs.Disk) *rdd.Context {
	t.Helper()
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"), rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sc.Stop(context.Background()) })
	return sc
}

// all gives what a reader yields.
func all(t *testing.T, r *dstream.StateReader[string, int]) string {
	t.Helper()
	var texts []string
	for e, err := range r.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, fmt.Sprintf("%s=%d", strings.TrimPrefix(e.Key, "key "), e.Value))
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

func diff(t *testing.T, r *dstream.StateReader[string, int], since int64) string {
	t.Helper()
	var texts []string
	for d, err := range r.Diff(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, fmt.Sprintf("%s:%d-%d", d.Key, d.Before.Value.Value, d.After.Value.Value))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// TestStateReader reads a state while batches run, from within and from without, and when they have ended.
func TestStateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		p := mustLive(t, disk, keptSums(got))
		inside, err := dstream.StateOf[string, int](p.Context, "sums")
		if err != nil {
			t.Fatal(err)
		}
		without, err := dstream.OpenState[string, int](outside(t, disk), "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(7500 * time.Millisecond)
		// Batches 0 to 6 took 0 to 13.
		const want = "0=10 1=12 2=14 3=16 4=4 5=5 6=6 7=7 8=8 9=9"
		for name, r := range map[string]*dstream.StateReader[string, int]{"inside": inside, "outside": without} {
			if s := all(t, r); s != want {
				t.Errorf("%s: %s", name, s)
			}
			if s := all(t, r.At(5)); s != "0=10 1=12 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9" {
				t.Errorf("%s, as of batch 5: %s", name, s)
			}
			if s := diff(t, r, 3); s != "key 0:0-10, key 1:1-12, key 2:2-14, key 3:3-16, key 8:0-8, key 9:0-9" {
				t.Errorf("%s: %s", name, s)
			}
			if s := diff(t, r.At(1), 4); s != "key 4:4-0, key 5:5-0, key 6:6-0, key 7:7-0, key 8:8-0, key 9:9-0" {
				t.Errorf("%s, backwards: %s", name, s)
			}
			e, ok, err := r.Get(t.Context(), "key 3")
			if err != nil || !ok || e.Value != 16 || e.Touched.String() != got["time"] {
				t.Errorf("%s: key 3 is %+v, %v, %v; the last batch was that of %s", name, e, ok, err, got["time"])
			}
			if e, ok, err := r.Get(t.Context(), "key 10"); err != nil || ok {
				t.Errorf("%s: key 10 is %+v, %v", name, e, err)
			}
			e, ok, err = r.At(5).Get(t.Context(), "key 3")
			if err != nil || !ok || e.Value != 3 {
				t.Errorf("%s: key 3 as of batch 5 is %+v, %v, %v", name, e, ok, err)
			}
			versions, err := r.Versions(t.Context())
			if n := len(versions); err != nil || n < 6 || versions[n-1].Sequence != 6 ||
				versions[n-1].Time.String() != got["time"] {
				t.Errorf("%s: the versions are %v, %v", name, versions, err)
			}
			_, _, err = r.At(7).Get(t.Context(), "key 3")
			wantError(t, name, err, nil, `the state "sums"`, "batch 7 is not committed: the last one is 6")
		}
		p.stop(t)
		for name, r := range map[string]*dstream.StateReader[string, int]{"inside": inside, "outside": without} {
			if s := all(t, r); s != want {
				t.Errorf("%s, after the end: %s", name, s)
			}
		}
		info, err := without.Info(t.Context())
		if err != nil || info.Key != "string" || info.Value != "int64" || info.Bytes == 0 || info.Version.Sequence != 6 {
			t.Errorf("%+v, %v", info, err)
		}
	})
}

func wantError(t *testing.T, name string, err, kind error, parts ...string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		t.Errorf("%s: the error is %v", name, err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q is not in %v", name, part, err)
		}
	}
}

// TestStateReaderBytes reads a state without its types.
func TestStateReaderBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		p := mustLive(t, disk, keptSums(map[string]string{}))
		time.Sleep(2500 * time.Millisecond)
		p.stop(t)
		r := dstream.OpenRawState(outside(t, disk), "disk:/ck", "sums")
		info, err := r.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keys, err := codec.ParseSchema(info.Key)
		if err != nil {
			t.Fatal(err)
		}
		values, err := codec.ParseSchema(info.Value)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for e, err := range r.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			line, err := keys.AppendKeyJSON(nil, e.Key)
			if err != nil {
				t.Fatal(err)
			}
			if line, err = values.AppendJSON(append(line, ' '), e.Value); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
		slices.Sort(lines)
		if got := strings.Join(lines, ", "); got != `"key 0" 0, "key 1" 1, "key 2" 2, "key 3" 3` {
			t.Error(got)
		}
	})
}

// TestStateReaderRefused: what cannot be read says what is there.
func TestStateReaderRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		early := func(ssc *dstream.Context) {
			keptSums(map[string]string{})(ssc)
			r, err := dstream.StateOf[string, int](ssc, "sums")
			if err == nil {
				_, _, err = r.Get(t.Context(), "key 1")
			}
			wantError(t, "early", err, nil, `the state "sums": the program has not been started`)
		}
		p := mustLive(t, disk, early)
		_, err := dstream.StateOf[string, int](p.Context, "sum")
		wantError(t, "misspelt", err, dstream.ErrNoState, `"sum"`, "sums")
		_, err = dstream.StateOf[string, string](p.Context, "sums")
		wantError(t, "other types", err, dstream.ErrStateType, "string and int,", "string and string")
		time.Sleep(1500 * time.Millisecond)
		p.stop(t)
		sc := outside(t, disk)
		other, err := dstream.OpenState[string, float64](sc, "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = other.Get(t.Context(), "key 1")
		wantError(t, "other types outside", err, dstream.ErrStateType, `"int64", and the reader's "float64"`)
		_, err = dstream.OpenRawState(sc, "disk:/ck", "sum").Info(t.Context())
		wantError(t, "misspelt outside", err, dstream.ErrNoState, `["sums"]`)
		_, err = dstream.OpenRawState(sc, "disk:/none", "sums").Info(t.Context())
		wantError(t, "no checkpoint", err, nil, "disk:/none", "there is none", "looked for the folder disk:/none/log",
			"check the folder that is given")
	})
}

// TestStateReaderWithoutCheckpoint: single keys can be asked for, versions not.
func TestStateReaderWithoutCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[1]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		keptSums(map[string]string{})(ssc)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		r, err := dstream.StateOf[string, int](ssc, "sums")
		if err != nil {
			t.Fatal(err)
		}
		if e, ok, err := r.Get(t.Context(), "key 1"); err != nil || !ok || e.Value != 1 {
			t.Errorf("%+v, %v, %v", e, ok, err)
		}
		_, err = r.Versions(t.Context())
		wantError(t, "versions", err, nil, "without a checkpoint", "--checkpoint DIR")
		if err := ssc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStateReadWhileBatchesRun: whoever reads sees whole versions, and the files of a scan stay while it lasts, however
// many batches are released meanwhile.
func TestStateReadWhileBatchesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			keyed := dstream.FlatMap(d, func(int) iter.Seq[pair] {
				return func(yield func(pair) bool) {
					for k := range 200 {
						if !yield(rdd.KV(fmt.Sprint("key ", k), 1)) {
							return
						}
					}
				}
			})
			dstream.Print(dstream.UpdateStateByKey(keyed, total, rdd.Partitions(3)).Named("sums"), 0)
		}
		p := mustLive(t, disk, build, "weir.checkpoint.retainedBatches", "1")
		r, err := dstream.StateOf[string, int](p.Context, "sums")
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			time.Sleep(15 * time.Second)
			seen, n := map[int]int{}, 0
			for e, err := range r.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if seen[e.Value]++; n%40 == 0 {
					time.Sleep(10 * time.Second)
					if _, _, err := r.Get(t.Context(), e.Key); err != nil {
						t.Fatal(err)
					}
				}
				n++
			}
			if n != 200 || len(seen) != 1 {
				t.Fatalf("%d keys, with the values %v", n, seen)
			}
		}
		p.stop(t)
	})
}

// TestStateReaderTimeOut: a state with a time-out tells when a key was touched last, from memory and from files, and a
// key that has timed out is gone.
func TestStateReaderTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		p := mustLive(t, disk, statesBeside(got, 2))
		inside, err := dstream.StateOf[string, int](p.Context, "mapped")
		if err != nil {
			t.Fatal(err)
		}
		without, err := dstream.OpenState[string, int](outside(t, disk), "disk:/ck", "mapped")
		if err != nil {
			t.Fatal(err)
		}
		began := dstream.Time(time.Now().UnixMilli()).Floor(time.Second)
		time.Sleep(20500 * time.Millisecond)
		// Batch n took 2n and 2n+1; the state holds the squares modulo 23 of the last three seconds.
		touched := map[string]dstream.Time{}
		for n := range 20 {
			for _, v := range []int{2 * n, 2*n + 1} {
				touched[fmt.Sprint("key ", v*v%23)] = began.Add(time.Duration(n+1) * time.Second)
			}
		}
		for name, r := range map[string]*dstream.StateReader[string, int]{"inside": inside, "outside": without} {
			for key, at := range touched {
				e, ok, err := r.Get(t.Context(), key)
				old := at < began.Add(17*time.Second)
				if err != nil || ok == old || ok && e.Touched != at {
					t.Errorf("%s: %s is %+v, %v, %v; it was touched at %v", name, key, e, ok, err, at)
				}
			}
		}
		p.stop(t)
	})
}

// TestStateReaderInBody: a body may ask for the state, in a batch that runs again after a crash, too: it is as the
// batch before left it.
func TestStateReaderInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, asked := vfs.NewDisk("disk"), map[int64]int{}
		build := func(hang bool) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				keptSums(map[string]string{})(ssc)
				r, err := dstream.StateOf[string, int](ssc, "sums")
				if err != nil {
					t.Fatal(err)
				}
				d, err := dstream.Find[pair](ssc, "sums")
				if err != nil {
					t.Fatal(err)
				}
				dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[pair], b *dstream.Batch) error {
					e, _, err := r.Get(ctx, fmt.Sprint("key ", 2*b.Sequence-1))
					asked[b.Sequence] = e.Value
					if hang && b.Sequence == 2 {
						<-ctx.Done()
					}
					return err
				}).Named("asks")
			}
		}
		p := mustLive(t, disk, build(true))
		time.Sleep(3500 * time.Millisecond)
		p.die(t)
		delete(asked, 2)
		p = mustLive(t, disk, build(false))
		time.Sleep(time.Second)
		p.stop(t)
		if asked[1] != 1 || asked[2] != 3 || asked[3] != 5 {
			t.Errorf("%v", asked)
		}
	})
}
