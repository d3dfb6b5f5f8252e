package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// noFives fails for multiples of five.
func noFives(v int) (int, error) {
	if v%5 == 0 {
		return 0, fmt.Errorf("%d is a multiple of five", v)
	}
	return v, nil
}

func letterTexts(ls []dstream.DeadLetter) string {
	var texts []string
	for _, l := range ls {
		texts = append(texts, fmt.Sprintf("%s %d:%d %s", l.Operator, l.Partition, l.Offset, l.Value))
	}
	return strings.Join(texts, ", ")
}

// buried has the dead letters of each batch written down.
func buried(ssc *dstream.Context, got map[string]string) {
	dstream.ForeachRDD(dstream.DeadLetters(ssc), func(ctx context.Context, r *rdd.RDD[dstream.DeadLetter],
		b *dstream.Batch,
	) error {
		ls, err := rdd.Collect(ctx, r)
		got[fmt.Sprintf("%02d dead", b.Sequence)] = letterTexts(ls)
		return err
	}).Named("dead")
}

// TestDeadLetters: there is one letter for each record that an operator gave up, whatever reads the operator and
// whatever fails meanwhile.
func TestDeadLetters(t *testing.T) {
	type numbers = dstream.DStream[int]
	all := func(ctx context.Context, r *rdd.RDD[int]) error { _, err := rdd.Count(ctx, r); return err }
	first := func(ctx context.Context, r *rdd.RDD[int]) error { _, err := rdd.Take(ctx, r, 1); return err }
	foreach := func(d *numbers, f func(ctx context.Context, r *rdd.RDD[int]) error) {
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error { return f(ctx, r) })
	}
	failures := 0
	for name, use := range map[string]func(d *numbers){
		"nothing":       func(*numbers) {},
		"one reader":    func(d *numbers) { foreach(d, all) },
		"three readers": func(d *numbers) { foreach(d, all); foreach(d, all); foreach(d, first) },
		"the first few": func(d *numbers) { foreach(d, first) },
		"persisted":     func(d *numbers) { d.Cache(); foreach(d, all); foreach(d, all) },
		"a shuffle":     func(d *numbers) { foreach(dstream.Repartition(d, 3), all) },
		"coalesced":     func(d *numbers) { foreach(coalesced(d), all) },
		"a late window": func(d *numbers) { foreach(dstream.Window(d, 2*time.Second, 2*time.Second), all) },
		"panes": func(d *numbers) {
			foreach(dstream.ReduceByWindow(d, func(a, b int) int { return a + b }, 2*time.Second, 0), all)
		},
		"tasks that fail": func(d *numbers) {
			foreach(dstream.MapTry(d, func(v int) (int, error) {
				if v == 4 && failures%2 == 0 {
					failures++
					return 0, errors.New("try again")
				}
				return v, nil
			}), all)
		},
		"an output that fails": func(d *numbers) {
			foreach(d, func(ctx context.Context, r *rdd.RDD[int]) error {
				if failures++; failures%2 == 1 {
					return errors.Join(all(ctx, r), errors.New("try again"))
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures = 0
				got := map[string]string{}
				ssc := newContext(t, "weir.streaming.failedBatch", "retry", "spark.default.parallelism", "2")
				q := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 4, 5, 10}, []int{2}, []int{15, 4, 4, 4}))
				buried(ssc, got) // Its place among the outputs makes no difference.
				use(dstream.MapTry(q, noFives, dstream.ToDeadLetters()).Named("checked"))
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3500*time.Millisecond + 20*time.Second) // Failed batches wait.
				stopNow(t, ssc)
				for key, want := range map[string]string{"00 dead": "checked 1:0 5, checked 1:1 10", "01 dead": "",
					"02 dead": "checked 0:0 15"} {
					if value, ok := got[key]; !ok || value != want {
						t.Errorf("%s: %q, want %q", key, value, want)
					}
				}
			})
		})
	}
}

// TestDeadLettersOutlive: letters of a batch whose process dies are written by the next one, also those of outputs that
// had finished.
func TestDeadLettersOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got, die := vfs.NewDisk("disk"), map[string]string{}, true
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			good := dstream.MapTry(d, noFives, dstream.ToDeadLetters()).Named("checked")
			watch(good, "good", got)
			dstream.ForeachRDD(good, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
				if die {
					<-ctx.Done() // It is killed here.
				}
				return nil
			}).Named("last")
			buried(ssc, got)
		}
		l := mustLive(t, disk, build)
		time.Sleep(1500 * time.Millisecond)
		l.mount.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = l.Stop(ctx)
		if got["00 good"] != "1" || got["00 dead"] != "" {
			t.Fatalf("%v", got)
		}
		die = false
		l = mustLive(t, disk, build)
		time.Sleep(2500 * time.Millisecond)
		l.stop(t)
		if got["00 dead"] != "checked 0:0 0" || got["01 dead"] != "" || got["02 dead"] != "checked 1:0 5" {
			t.Errorf("%v", got)
		}
	})
}

// TestDeadLettersRefused: where letters would be lost, or would come too late, the program does not start.
func TestDeadLettersRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, build := range map[string]func(ssc *dstream.Context, d *dstream.DStream[int]){
			"mapTry gives records up as dead letters, and no output takes them": func(_ *dstream.Context,
				d *dstream.DStream[int],
			) {
				watch(d, "all", map[string]string{})
			},
			"window of dead letters": func(ssc *dstream.Context, _ *dstream.DStream[int]) {
				watch(dstream.Window(dstream.DeadLetters(ssc), 2*time.Second, 0), "all", map[string]string{})
			},
		} {
			ssc := newContext(t)
			build(ssc, dstream.MapTry(dstream.QueueStream(ssc, dstream.NewQueue([]int{5})), noFives,
				dstream.ToDeadLetters()))
			if err := ssc.Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "deadletter_test.go:") {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestTooManyDeadLetters: where everything is dead the program is wrong, and its batch fails.
func TestTooManyDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "weir.streaming.maxDeadLetters", "2")
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{5, 10}, []int{5, 10, 15}))
		watch(dstream.MapTry(d, noFives, dstream.ToDeadLetters()), "all", map[string]string{})
		got := map[string]string{}
		buried(ssc, got)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "batch 1 (946684802000 ms): more than 2 records are dead letters") {
			t.Errorf("%v", err)
		}
		if got["00 dead"] != "mapTry 0:0 5, mapTry 1:0 10" || got["01 dead"] != "" {
			t.Errorf("%v", got)
		}
	})
}

// coalesced has one partition, whose task reads all of d's.
func coalesced(d *dstream.DStream[int]) *dstream.DStream[int] {
	return dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] { return rdd.Coalesce(r, 1) })
}

// TestDeadLettersOfOtherJobs: a job that a body has begun and does not wait for buries while the letters are collected.
func TestDeadLettersOfOtherJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			good := dstream.MapTry(dstream.Repartition(d, 200), noFives, dstream.ToDeadLetters()).Named("checked")
			dstream.ForeachRDD(good, func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
				rdd.CountAsync(ctx, r)
				return nil
			}).Named("out")
			buried(ssc, got)
		})
		time.Sleep(20500 * time.Millisecond)
		l.stop(t)
		for n := range 20 { // Batch n has the numbers 2n and 2n+1.
			letters, want := got[fmt.Sprintf("%02d dead", n)], 0
			if 2*n%5 == 0 || (2*n+1)%5 == 0 {
				want = 1
			}
			if got := strings.Count(letters, "checked"); got != want {
				t.Errorf("batch %d has %d letters, want %d: %q", n, got, want, letters)
			}
		}
	})
}
