package rdd_test

import (
	"sync"
	"testing"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// TestParallelism: what holds while a batch runs holds on all goroutines, and what holds for a goroutine is not seen by
// others and is over when its function is, also one that panics.
func TestParallelism(t *testing.T) {
	for _, settings := range [][2]string{{"spark.master", "local[4]"}, {"spark.default.parallelism", "4"}} {
		sc, err := rdd.NewContext(conf.New().Set(settings[0], settings[1]))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sc.Stop(t.Context()) })
		own := rdd.Parallelism{Default: 4}
		if settings[0] != "spark.master" {
			own.Shuffles = 4
		}
		want := func(when string, p rdd.Parallelism) {
			t.Helper()
			r := rdd.Parallelize(sc, []int{1, 2})
			upstream := rdd.Parallelize(sc, []int{1, 2}, 7)
			if p.Shuffles == 0 {
				p.Shuffles = 7
			}
			if d := rdd.Distinct(upstream); r.NumPartitions() != p.Default || d.NumPartitions() != p.Shuffles {
				t.Errorf("%v, %s: %d partitions, of a shuffle %d, want %+v", settings, when, r.NumPartitions(),
					d.NumPartitions(), p)
			}
		}
		elsewhere := func(when string, p rdd.Parallelism) {
			t.Helper()
			var wg sync.WaitGroup
			wg.Go(func() { want(when+", elsewhere", p) })
			wg.Wait()
		}
		batch, kept := rdd.Parallelism{Default: 3, Shuffles: 3}, rdd.Parallelism{Default: 2}
		want("at first", own)
		_ = sc.During(batch, func() error {
			want("during a batch", batch)
			elsewhere("during a batch", batch)
			sc.Within(kept, func() {
				want("within another", kept)
				elsewhere("within another", batch)
				sc.Within(own, func() { want("within that one", own) })
				want("within another again", kept)
			})
			want("behind the other", batch)
			if sc.Parallelism() != own {
				t.Errorf("%v: the settings say %+v, want %+v", settings, sc.Parallelism(), own)
			}
			func() {
				defer func() { _ = recover() }()
				sc.Within(kept, func() { panic("a function of the program") })
			}()
			want("after a panic", batch)
			return nil
		})
		want("in the end", own)
	}
}
