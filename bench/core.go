package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// A contest is one piece of work done in several ways in turn, the first of which is the measure of the others.
type contest struct {
	name    string
	records int
	cores   int
	ways    []way
	// bar is what weir's way must reach, for who reads the table.
	bar string
	// budget is weir.memory.budget, "" for the usual one.
	budget string
	// load makes what the ways work on, nil for nothing: only for a contest that is held, for what lies in the heap
	// costs those after it.
	load func()
}

// A way does the work once and gives a number that all ways must agree on.
type way struct {
	name string
	do   func(ctx context.Context, sc *rdd.Context) (int64, error)
}

// coreBench measures the engine from memory.
type coreBench struct {
	runs  int
	only  string
	scale float64
}

func (c *coreBench) flags(args []string) error {
	set := flag.NewFlagSet("core", flag.ContinueOnError)
	set.IntVar(&c.runs, "runs", 5, "runs of each measurement; the median counts")
	set.StringVar(&c.only, "only", "", "only the contests whose names hold this text")
	set.Float64Var(&c.scale, "scale", 1, "times the usual number of records")
	if err := set.Parse(args); err != nil {
		return err
	}
	if c.runs < 1 || c.scale <= 0 {
		return errors.New("--runs and --scale must be above 0")
	}
	return nil
}

// n is a number of records at the bench's scale.
func (c *coreBench) n(records int) int { return max(int(float64(records)*c.scale), 1) }

func (c *coreBench) run(ctx context.Context) error {
	results := newResults()
	makers := []func(*coreBench) contest{chain, wordCount(1), wordCount(2),
		reduceByKey(100, 1), reduceByKey(100_000, 1), reduceByKey(10_000_000, 1), reduceByKey(100_000, 2),
		spill, groupByKey, join, sortBy, distinct}
	for _, maker := range makers {
		w := maker(c)
		if !strings.Contains(w.name, c.only) {
			continue
		}
		rows, err := c.compete(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		table(fmt.Sprintf("%s, %d records; bar: %s", w.name, w.records, w.bar), rows)
		results.add(w.name, rows)
	}
	if strings.Contains("windows, empty batches, durable batches", c.only) {
		if err := c.streams(ctx, results); err != nil {
			return err
		}
	}
	return results.compareAndKeep()
}

// compete runs the ways of a contest in turn.
func (c *coreBench) compete(ctx context.Context, w contest) ([]*row, error) {
	if w.load != nil {
		w.load()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(w.cores))
	rows := make([]*row, len(w.ways))
	for i, x := range w.ways {
		rows[i] = &row{name: x.name, records: w.records}
	}
	for range c.runs {
		var want int64
		for i, x := range w.ways {
			got, err := c.once(ctx, w, x, rows[i])
			if err != nil {
				return nil, err
			}
			if i == 0 {
				want = got
			}
			if got != want {
				return nil, fmt.Errorf("%s gives %d, %s %d", w.ways[0].name, want, x.name, got)
			}
		}
	}
	return rows, nil
}

func (c *coreBench) once(ctx context.Context, w contest, x way, r *row) (got int64, err error) {
	settings := conf.New().Set("spark.master", fmt.Sprintf("local[%d]", w.cores))
	if w.budget != "" {
		settings.Set("weir.memory.budget", w.budget).Set("weir.receiver.memory", "1m").
			Set("weir.kafka.fetchBytes", "1m")
	}
	sc, err := rdd.NewContext(settings)
	if err != nil {
		return 0, err
	}
	defer sc.Stop(ctx)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = r.timed(func() (err error) { got, err = x.do(ctx, sc); return err })
	runtime.ReadMemStats(&after)
	r.allocs = append(r.allocs, float64(after.Mallocs-before.Mallocs)/float64(w.records))
	return got, err
}
