package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// gone is a source of which nothing can be read again once it was committed, as where Kafka's retention is shorter than
// a window.
type gone struct {
	twos
	until *atomic.Int64
}

func (s gone) Committed(_ context.Context, _ *dstream.Batch, rng []byte) error {
	_, until := parseSpan(rng)
	s.until.Store(int64(until))
	return nil
}

func (s gone) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] {
	if from, _ := parseSpan(rng); from < int(s.until.Load()) {
		return rdd.Map(s.twos.Read(sc, rng), func(v int) int { panic(fmt.Sprint(v, " is not there any more")) })
	}
	return s.twos.Read(sc, rng)
}

// paned are windows of all kinds that keep panes.
func paned(ssc *dstream.Context, from dstream.Source[int], length time.Duration, partitions int,
	got map[string]string,
) {
	d := dstream.FromSource(ssc, "numbers", from).Named("numbers")
	texts := dstream.Map(d, func(v int) pair { return rdd.KV(fmt.Sprint("key ", v*v%71), v) })
	parts := rdd.Partitions(partitions)
	sums := dstream.ReduceByKeyAndWindow(texts, plus, length, 2*time.Second, parts).Named("sums")
	some := dstream.ReduceByKeyAndWindowInverse(texts, plus, func(a, b int) int { return a - b },
		func(_ string, v int) bool { return v%2 == 0 }, length/2, 0, parts).Named("even sums")
	watch(sums, "sums", got)
	watch(some, "even", got)
	watch(dstream.CountByWindow(d, length, 0), "count", got)
	watch(dstream.ReduceByWindow(d, plus, length/5, 0).Named("total"), "total", got)
	watch(dstream.CountByValueAndWindow(dstream.Map(d, func(v int) int { return v % 7 }), length, 0), "values", got)
}

// TestPanesAreKept: what windows of panes hold is in the checkpoint. A process that goes on has it, whatever became of
// the sources, in as many partitions as there are now, and has in each batch what one has that ran on.
func TestPanesAreKept(t *testing.T) {
	run := func(lives ...time.Duration) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk, until := vfs.NewDisk("disk"), new(atomic.Int64)
			for i, lasts := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					paned(ssc, gone{until: until}, 30*time.Second, 3+i%2, got)
				})
				time.Sleep(lasts)
				if i%3 == 1 {
					l.die(t)
				} else {
					l.stop(t)
				}
			}
		})
		return got
	}
	want := run(300500 * time.Millisecond)
	got := run(1500*time.Millisecond, 5*time.Second, 2*time.Second, 91*time.Second, 130*time.Second, 71*time.Second)
	if len(want) < 300*4 || len(got) < len(want) { // After one that died, batches were missed while its lease ran out.
		t.Fatalf("lives gave %d results, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Fatalf("%s: lives gave %q, want %q", k, got[k], v)
		}
	}
}

// TestPanesGo: the checkpoint holds what windows hold, and little more, however long the program runs; and of batches
// only those that it retains.
func TestPanesGo(t *testing.T) {
	for name, tt := range map[string]struct{ heavy, bytes int }{
		"panes alike":                 {heavy: 2000, bytes: 3 * 200 * 1600},
		"large ones, then small ones": {heavy: 200, bytes: 200 * 1600 / 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					texts := dstream.Map(d, func(v int) pair {
						if v >= 2*tt.heavy {
							return rdd.KV(fmt.Sprint(v), v)
						}
						return rdd.KV(strings.Repeat(fmt.Sprintf("%04d", v), 200), v)
					})
					w := dstream.ReduceByKeyAndWindow(texts, plus, 200*time.Second, 0)
					dstream.ForeachRDD(w, func(ctx context.Context, r *rdd.RDD[pair], b *dstream.Batch) error {
						n, err := rdd.Count(ctx, r)
						if want := min(2*(b.Sequence+1), 400); n != want {
							t.Errorf("batch %d has %d keys, want %d", b.Sequence, n, want)
						}
						return err
					}).Named("out")
				}, "weir.checkpoint.retainedBatches", "10")
				time.Sleep(2000*time.Second + 500*time.Millisecond)
				l.stop(t)
				keepsLittle(t, l, disk, tt.bytes)
			})
		})
	}
}

// keepsLittle tells where a checkpoint holds more than so many bytes of panes, or anything else than what a window and
// the batches that are retained need.
func keepsLittle(t *testing.T, l *life, disk *vfs.Disk, most int) {
	t.Helper()
	bytes := 0
	for name, data := range disk.Files() {
		if strings.Contains(name, "/state/") {
			bytes += len(data)
		}
	}
	if bytes > most {
		t.Errorf("the checkpoint has %d bytes of panes, want at most %d", bytes, most)
	}
	info, err := dstream.ReadCheckpoint(t.Context(), l.RDD(), "disk:/ck")
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Batches) > 11 || len(info.Windows) != 1 || len(info.States) != 0 {
		t.Errorf("%d batches are kept, the windows %q, the states %q", len(info.Batches), info.Windows, info.States)
	}
}

// TestWindowsAlike: windows that only a counter could tell apart are not kept; a start reads once more what they hold.
func TestWindowsAlike(t *testing.T) {
	run := func(lives ...time.Duration) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, lasts := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
					most := func(a, b int) int { return max(a, b) }
					watch(dstream.ReduceByKeyAndWindow(d, plus, 3*time.Second, 0), "sums", got)
					watch(dstream.ReduceByKeyAndWindow(d, most, 5*time.Second, 0), "most", got)
					watch(dstream.ReduceByKeyAndWindow(d, plus, 4*time.Second, 0).Named("kept"), "kept", got)
				})
				time.Sleep(lasts)
				l.stop(t)
			}
		})
		return got
	}
	want, got := run(12500*time.Millisecond), run(3500*time.Millisecond, 5*time.Second, 4*time.Second)
	if len(got) < 36 || !maps.Equal(got, want) {
		t.Errorf("lives gave\n%v, want\n%v", got, want)
	}
}

// TestAlikeWindowsChange: of windows that are alike none is taken for another when they change places or one goes.
func TestAlikeWindowsChange(t *testing.T) {
	most := func(a, b int) int { return max(a, b) }
	window := map[string]func(d *pairs) *pairs{
		"sums": func(d *pairs) *pairs { return dstream.ReduceByKeyAndWindow(d, plus, 4*time.Second, 0) },
		"most": func(d *pairs) *pairs { return dstream.ReduceByKeyAndWindow(d, most, 6*time.Second, 0) },
	}
	run := func(lives ...string) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, names := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					one := dstream.Map(d, func(v int) pair { return rdd.KV("k", v) })
					for name := range strings.FieldsSeq(names) {
						watch(window[name](one), name, got)
					}
				}, "weir.checkpoint.retainedBatches", "1")
				time.Sleep(time.Duration(20/len(lives))*time.Second + time.Second/2)
				l.stop(t)
			}
		})
		return got
	}
	want := run("sums most")
	for _, lives := range [][]string{{"sums most", "most sums"}, {"sums most", "most"}, {"most sums", "most"}} {
		got := run(lives...)
		if len(got) < 30 {
			t.Errorf("%q gave %d results", lives, len(got))
		}
		for k, v := range got {
			if _, there := want[k]; there && want[k] != v {
				t.Errorf("%q: %s is %s, want %s", lives, k, v, want[k])
			}
		}
	}
}

// TestUnreadWindow: a window that no output reads in one life has what came in it.
func TestUnreadWindow(t *testing.T) {
	run := func(lives ...bool) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, read := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
					w := dstream.ReduceByKeyAndWindow(d, plus, 15*time.Second, 0).Named("sums")
					if read {
						watch(w, "sums", got)
					}
					watch(d, "all", got)
				}, "weir.checkpoint.retainedBatches", "1")
				time.Sleep(time.Duration(20/len(lives))*time.Second + time.Second/2)
				l.stop(t)
			}
		})
		return got
	}
	want, got := run(true), run(true, false, true, true)
	for k, v := range got {
		if _, there := want[k]; there && want[k] != v {
			t.Errorf("%s is %s, want %s", k, v, want[k])
		}
	}
	if len(got) < 30 {
		t.Errorf("%d results", len(got))
	}
}

// TestOneOfAlikeWindows: a window that the checkpoint holds is not passed over when another one like it is added.
func TestOneOfAlikeWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		build := func(windows int) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
				for n := range windows {
					w := dstream.ReduceByKeyAndWindow(d, plus, time.Duration(3+n)*time.Second, 0)
					watch(w, fmt.Sprint("sums ", n), map[string]string{})
				}
			}
		}
		l := mustLive(t, disk, build(1))
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		_, err := liveOn(t, disk, build(2))
		if !errors.Is(err, dstream.ErrUnfit) ||
			!strings.Contains(fmt.Sprint(err), `the window "reduceByKeyAndWindow[`) ||
			!strings.Contains(fmt.Sprint(err), "is one of several in the program that are alike") {
			t.Errorf("a second window that is like it: %v", err)
		}
		mustLive(t, disk, build(1)).stop(t)
	})
}

// TestKindOfAName: a name that was a state's is not taken for a window's.
func TestKindOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		build := func(window bool) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
				sums := dstream.UpdateStateByKey(d, add)
				if window {
					sums = dstream.ReduceByKeyAndWindow(d, plus, 3*time.Second, 0)
				}
				watch(sums.Named("sums"), "sums", map[string]string{})
			}
		}
		l := mustLive(t, disk, build(false))
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		_, err := liveOn(t, disk, build(true))
		if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(fmt.Sprint(err), "something of another kind") {
			t.Errorf("a window of a state's name: %v", err)
		}
	})
}

// TestPanesOfAnotherType: a window whose values are of another type now is refused by name.
func TestPanesOfAnotherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
			watch(dstream.ReduceByKeyAndWindow(d, plus, 3*time.Second, 0).Named("sums"), "sums", map[string]string{})
		})
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		_, err := dstream.OpenRawState(l.RDD(), "disk:/ck", "sums").Info(t.Context())
		if !errors.Is(err, dstream.ErrNoState) || !strings.Contains(err.Error(), "it is a window") {
			t.Errorf("a reader of a state: %v", err)
		}
		_, err = liveOn(t, disk, func(ssc *dstream.Context) {
			d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
			texts := dstream.MapValues(d, func(v int) string { return fmt.Sprint(v) })
			first := func(a, _ string) string { return a }
			sums := dstream.ReduceByKeyAndWindow(texts, first, 3*time.Second, 0).Named("sums")
			watch(sums, "sums", map[string]string{})
		})
		if !errors.Is(err, dstream.ErrStateType) ||
			!strings.Contains(fmt.Sprint(err), `the window "sums" (panefiles_test.go:`) {
			t.Errorf("a start with another type: %v", err)
		}
	})
}
