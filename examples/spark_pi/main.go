// Spark_pi estimates pi by throwing darts: the first program that a Spark user runs to see that the
// installation works.
//
//	go run ./examples/spark_pi [--master local[*]] [SLICES]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// run gives the exit code: 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	master, slices, err := parse(args, stderr)
	if err == nil {
		err = conf.New().SetFrom("--master", "spark.master", master).Validate()
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	}
	pi, err := estimate(ctx, master, slices)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintf(stdout, "Pi is roughly %v\n", pi)
	return 0
}

// parse reads the command line; the number of slices is an argument, as Spark's is, or a flag.
func parse(args []string, stderr io.Writer) (master string, slices int, err error) {
	set := flag.NewFlagSet("spark_pi", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&master, "master", "local[*]", "where tasks run")
	set.IntVar(&slices, "slices", 2, "partitions; each throws 100,000 darts")
	if err := set.Parse(args); err != nil {
		return "", 0, err
	}
	if set.NArg() == 1 {
		if slices, err = strconv.Atoi(set.Arg(0)); err != nil {
			return "", 0, fmt.Errorf("the number of slices is a whole number, not %q", set.Arg(0))
		}
	}
	switch {
	case set.NArg() > 1:
		return "", 0, fmt.Errorf("%q is one argument too many: there is only the number of slices", set.Arg(1))
	case slices < 1 || slices > maxSlices:
		return "", 0, fmt.Errorf("the number of slices must be from 1 to %d, not %d", maxSlices, slices)
	}
	return master, slices, nil
}

const (
	dartsPerSlice = 100_000
	maxSlices     = 1_000_000
)

func estimate(ctx context.Context, master string, slices int) (float64, error) {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", master).Set("spark.app.name", "Spark Pi"))
	if err != nil {
		return 0, err
	}
	defer sc.Stop(ctx)
	numbers := make([]int, slices)
	hits := rdd.Map(rdd.Parallelize(sc, numbers, slices), func(int) int {
		n := 0
		for range dartsPerSlice {
			x, y := 2*rand.Float64()-1, 2*rand.Float64()-1
			if x*x+y*y <= 1 {
				n++
			}
		}
		return n
	})
	count, err := rdd.Reduce(ctx, hits, func(a, b int) int { return a + b })
	return 4 * float64(count) / (dartsPerSlice * float64(slices)), err
}
