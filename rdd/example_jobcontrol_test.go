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

func ExampleCountAsync() {
	ctx := context.Background()
	sc := local()
	n := rdd.CountAsync(ctx, rdd.Parallelize(sc, numbers))
	words := rdd.CollectAsync(ctx, rdd.Parallelize(sc, []string{"to", "be"}, 2)) // at the same time
	fmt.Println(n.Wait(ctx))
	fmt.Println(words.Wait(ctx))
	// Output:
	// 4 <nil>
	// [to be] <nil>
}

func ExampleCollectAsync() {
	ctx := context.Background()
	f := rdd.CollectAsync(ctx, rdd.Parallelize(local(), numbers))
	<-f.Done() // or a select with other channels
	fmt.Println(f.Wait(ctx))
	// Output: [1 2 3 4] <nil>
}

func ExampleTakeAsync() {
	ctx := context.Background()
	fmt.Println(rdd.TakeAsync(ctx, rdd.Parallelize(local(), numbers), 2).Wait(ctx))
	// Output: [1 2] <nil>
}

func ExampleForeachAsync() {
	ctx := context.Background()
	f := rdd.ForeachAsync(ctx, rdd.Parallelize(local(), numbers, 1), func(v int) error {
		fmt.Println(v)
		return nil
	})
	_, err := f.Wait(ctx)
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// 3
	// 4
	// <nil>
}

func ExampleForeachPartitionAsync() {
	ctx := context.Background()
	f := rdd.ForeachPartitionAsync(ctx, rdd.Parallelize(local(), numbers, 1),
		func(tc *rdd.TaskContext, in iter.Seq[int]) error {
			fmt.Println(tc.PartitionID(), slices.Collect(in))
			return nil
		})
	_, err := f.Wait(ctx)
	fmt.Println(err)
	// Output:
	// 0 [1 2 3 4]
	// <nil>
}

func ExampleFutureAction_Cancel() {
	ctx := context.Background()
	endless := rdd.FromPartitions(local(), "endless", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(func(int) bool) { <-tc.Done() }
	})
	f := rdd.CountAsync(ctx, endless)
	f.Cancel()
	_, err := f.Wait(ctx)
	fmt.Println(errors.Is(err, rdd.ErrCancelled))
	// Output: true
}
