package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

func ExampleWithLocalProperty() {
	ctx := rdd.WithLocalProperty(context.Background(), "tenant", "blue")
	r := rdd.MapPartitions(rdd.Parallelize(local(), numbers, 1),
		func(tc *rdd.TaskContext, _ iter.Seq[int]) iter.Seq[string] {
			return slices.Values([]string{tc.LocalProperty("tenant")})
		})
	fmt.Println(rdd.Collect(ctx, r))
	// Output: [blue] <nil>
}

func ExampleContext_CancelJobGroup() {
	sc := local()
	started := make(chan bool)
	endless := rdd.FromPartitions(sc, "endless", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(func(int) bool) {
			started <- true
			<-tc.Done()
		}
	})
	go func() {
		<-started
		sc.CancelJobGroup("nightly")
	}()
	_, err := rdd.Count(rdd.WithJobGroup(context.Background(), "nightly", "the nightly report"), endless)
	fmt.Println(errors.Is(err, rdd.ErrCancelled))
	// Output: true
}

func ExampleContext_Status() {
	sc := local()
	r := rdd.MapPartitions(rdd.Parallelize(sc, numbers, 1),
		func(tc *rdd.TaskContext, _ iter.Seq[int]) iter.Seq[string] {
			job := sc.Status()[0]
			return slices.Values([]string{job.Action, job.Group, job.Description})
		})
	fmt.Println(rdd.Collect(rdd.WithJobGroup(context.Background(), "nightly", "the nightly report"), r))
	// Output: [collect nightly the nightly report] <nil>
}

func ExampleContext_PersistentRDDs() {
	sc := local()
	r := rdd.Parallelize(sc, numbers, 2).Named("numbers").Cache()
	fmt.Println(rdd.Count(context.Background(), r))
	for _, p := range sc.PersistentRDDs() {
		fmt.Println(p.Name, p.Level, p.Cached, "of", p.Partitions)
	}
	fmt.Println(sc.MemoryStatus().Used > 0)
	// Output:
	// 4 <nil>
	// numbers MEMORY_ONLY 2 of 2
	// true
}

func ExampleWithPool() {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[1]").Set("spark.scheduler.mode", "FAIR"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sc.Stop(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(rdd.Count(rdd.WithPool(ctx, "urgent"), rdd.Parallelize(sc, numbers)))
	// Output: 4 <nil>
}
