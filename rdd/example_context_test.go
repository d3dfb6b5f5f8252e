package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// Settings have Spark's names; a misspelt one is answered with the nearest.
func ExampleNewContext() {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[3]").Set("spark.app.name", "totals"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sc.Stop(context.Background())
	fmt.Println(sc.DefaultParallelism())
	_, err = rdd.NewContext(conf.New().Set("spark.default.paralelism", "3"))
	_, why, _ := strings.Cut(err.Error(), "; ")
	fmt.Println(why)
	// Output:
	// 3
	// the nearest known name is spark.default.parallelism
}

// Half of an outer join may be absent.
func ExampleOptional() {
	sc := local()
	joined := rdd.LeftOuterJoin(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1))
	print(rdd.MapValues(joined, func(p rdd.Pair[int, rdd.Optional[float64]]) float64 {
		return float64(p.Key) * p.Value.Or(1)
	}))
	v, there := rdd.Some(2).Get()
	fmt.Println(v, there, rdd.None[int]())
	// Output:
	// [(apple,1.5) (apple,2) (pear,1)] <nil>
	// 2 true None
}

func ExamplePartitions() {
	counts := rdd.ReduceByKey(rdd.Parallelize(local(), fruit), add, rdd.Partitions(5))
	fmt.Println(counts.NumPartitions())
	// Output: 5
}

// By its name an RDD is found in plans, errors and the status.
func ExampleRDD_Named() {
	sc := local()
	r := rdd.Parallelize(sc, numbers).Named("numbers").Cache()
	fmt.Println(rdd.Count(context.Background(), r))
	fmt.Println(sc.PersistentRDDs()[0].Name, r.StorageLevel())
	// Output:
	// 4 <nil>
	// numbers MEMORY_ONLY
}

// Where partitions would best be computed: a hint for a cluster.
func ExampleRDD_Prefer() {
	r := rdd.Parallelize(local(), numbers, 2).Prefer(func(p int) []string { return []string{fmt.Sprint("node", p)} })
	fmt.Println(r.PreferredLocations(1))
	// Output: [node1]
}

func ExampleBroadcast() {
	sc := local()
	price := rdd.NewBroadcast(sc, map[string]float64{"apple": 0.5})
	print(rdd.Map(rdd.Parallelize(sc, fruit), func(f rdd.Pair[string, int]) float64 {
		return float64(f.Value) * price.Value()[f.Key]
	}))
	price.Destroy() // no task may use it afterwards
	// Output: [1.5 0 2] <nil>
}

// A task that cannot go on says so: to end its sequence would look like the end of the partition.
func ExampleTaskContext_Fail() {
	broken := errors.New("the third is broken")
	untilThree := func(tc *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
		return func(yield func(int) bool) {
			for v := range in {
				if v == 3 {
					tc.Fail(broken)
				}
				if !yield(v) {
					return
				}
			}
		}
	}
	r := rdd.MapPartitions(rdd.Parallelize(local(), numbers, 1), untilThree)
	_, err := rdd.Count(context.Background(), r)
	fmt.Println(errors.Is(err, broken))
	fmt.Println(rdd.Take(context.Background(), r, 2)) // reads no more than it needs
	// Output:
	// true
	// [1 2] <nil>
}

// What a task opens is closed when its attempt ends, however it ends.
func ExampleTaskContext_OnEnd() {
	r := rdd.Parallelize(local(), numbers, 1)
	err := rdd.ForeachPartition(context.Background(), r, func(tc *rdd.TaskContext, in iter.Seq[int]) error {
		tc.OnEnd(func() { fmt.Println("closed") })
		fmt.Println("partition", tc.PartitionID(), "attempt", tc.AttemptNumber(), slices.Collect(in))
		return nil
	})
	fmt.Println(err)
	// Output:
	// partition 0 attempt 0 [1 2 3 4]
	// closed
	// <nil>
}

func ExampleRangePartitioner_Bounds() {
	pairs := rdd.MapToPair(rdd.Parallelize(local(), numbers), func(v int) (int, int) { return v, v })
	by, err := rdd.NewRangePartitioner(context.Background(), pairs, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(by.Bounds(), by.Partition(2), by.Partition(3), by.Partition(99))
	// Output: [2] 0 1 1
}

func ExampleCompressed() {
	dir, remove := scratch()
	defer remove()
	sc := local()
	out := filepath.ToSlash(dir) + "/fruit"
	fmt.Println(rdd.SaveAsTextFile(context.Background(), rdd.Parallelize(sc, fruit, 1), out, rdd.Compressed(rdd.Gzip)))
	entries, err := os.ReadDir(out)
	fmt.Println(entries[len(entries)-1].Name(), err)
	print(rdd.TextFile(sc, out))
	// Output:
	// <nil>
	// part-00000.gz <nil>
	// [(apple,3) (pear,1) (apple,4)] <nil>
}

func ExampleMinPartitions() {
	dir, remove := scratch()
	defer remove()
	_ = os.WriteFile(filepath.Join(dir, "a.txt"), []byte("to be\nor not\nto be\n"), 0o600)
	r := rdd.TextFile(local(), dir, rdd.MinPartitions(3), rdd.MaxLength(1<<20))
	fmt.Println(r.NumPartitions() >= 3)
	print(r)
	// Output:
	// true
	// [to be or not to be] <nil>
}

// The command is told more than the elements: a variable, a folder to work in, and a line before each partition.
func ExamplePipeEnv() {
	want := "[<greeting> hello to hello be] <nil>"
	if _, err := exec.LookPath("sh"); err != nil {
		fmt.Println(want) // There are systems without it.
		return
	}
	command := []string{"sh", "-c", `read head; echo "<$head>"; while read line; do echo "$WORD"; echo "$line"; done`}
	print(rdd.Pipe(rdd.Parallelize(local(), []string{"to", "be"}, 1), command,
		rdd.PipeEnv("WORD=hello"), rdd.PipeDir(os.TempDir()),
		rdd.PipeHeader(func(write func(line string)) { write("greeting") })))
	// Output: [<greeting> hello to hello be] <nil>
}

// Jobs of the same context are shown with it, and can be cancelled together.
func ExampleWithJobGroup() {
	sc := local()
	ctx := rdd.WithJobGroup(context.Background(), "nightly", "the nightly report")
	group := func(tc *rdd.TaskContext, _ iter.Seq[int]) iter.Seq[string] {
		return slices.Values([]string{tc.LocalProperty("spark.jobGroup.id"), tc.LocalProperty("spark.job.description")})
	}
	fmt.Println(rdd.Collect(ctx, rdd.MapPartitions(rdd.Parallelize(sc, numbers, 1), group)))
	// Output: [nightly the nightly report] <nil>
}
