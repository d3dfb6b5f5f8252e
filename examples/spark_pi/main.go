// Spark_pi estimates pi by throwing darts: the first program that a Spark user runs to see that the
// installation works.
//
//	go run ./examples/spark_pi [--master local[*]] [--slices 2]
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

func main() {
	master := flag.String("master", "local[*]", "where tasks run")
	slices := flag.Int("slices", 2, "partitions; each throws 100,000 darts")
	flag.Parse()
	pi, err := estimate(context.Background(), *master, *slices)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("Pi is roughly %v\n", pi)
}

func estimate(ctx context.Context, master string, slices int) (float64, error) {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", master).Set("spark.app.name", "Spark Pi"))
	if err != nil {
		return 0, err
	}
	defer sc.Stop(ctx)
	n := 100_000 * slices
	darts := make([]int, n)
	for i := range darts {
		darts[i] = i
	}
	hits := rdd.Map(rdd.Parallelize(sc, darts, slices), func(int) int {
		x, y := 2*rand.Float64()-1, 2*rand.Float64()-1
		if x*x+y*y <= 1 {
			return 1
		}
		return 0
	})
	count, err := rdd.Reduce(ctx, hits, func(a, b int) int { return a + b })
	return 4 * float64(count) / float64(n), err
}
