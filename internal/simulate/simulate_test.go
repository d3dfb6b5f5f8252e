package simulate

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	seed  = flag.Uint64("seed", 0, "run the graph or chain of this seed alone")
	count = flag.Int("graphs", 0, "how many graphs or chains to run; 0 for 10,000, or 1,000 of durable ones, and "+
		"a 20th with -short")
	begin     = flag.Uint64("from", 1, "the first seed of those")
	firstOnly = flag.Bool("first", false, "give up at the first seed that fails, and tell it as it is")
)

// TestMain has the garbage collector run seldom: there is hardly anything to keep from one graph to the next.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestGraphs runs the graphs of successive seeds.
func TestGraphs(t *testing.T) {
	runSeeds(t, "graphs", 10_000, func(t *testing.T, seed uint64, dir string) error {
		g := New(seed)
		err := verdict(t, g, dir)
		if err != nil {
			whole := g
			g, err = shrink(g, err, func(g *Graph) error { return verdict(t, g, dir) })
			err = fmt.Errorf("%w\n%v\nshrunk from\n%v", err, g, whole)
		}
		return err
	})
}

// failuresMax is how many failing seeds are told before the test gives up.
const failuresMax = 5

// runSeeds checks the seeds that the flags ask for, several at a time.
func runSeeds(t *testing.T, what string, usual int, check func(t *testing.T, seed uint64, dir string) error) {
	next, end := *begin, *begin+uint64(*count)
	switch {
	case *seed != 0:
		next, end = *seed, *seed+1
	case *count == 0 && testing.Short():
		end = next + uint64(usual)/20
	case *count == 0:
		end = next + uint64(usual)
	}
	var taken, ran, failed atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				most := int64(failuresMax)
				if *firstOnly {
					most = 1
				}
				for failed.Load() < most {
					s := next + uint64(taken.Add(1)) - 1
					if s >= end {
						return
					}
					if err := checkSeed(t, s, dir, check); err != nil {
						failed.Add(1)
						t.Errorf("seed %d: %v\nreplay it: go test ./internal/simulate -run %s -args -seed %d", s, err,
							strings.Split(t.Name(), "/")[0], s)
					}
					ran.Add(1)
				}
			})
		}
	})
	t.Logf("%d %s ran, %d failed", ran.Load(), what, failed.Load())
}

// checkSeed names the seed of a panic, such as that of a bubble in which all goroutines wait.
func checkSeed(t *testing.T, seed uint64, dir string, check func(*testing.T, uint64, string) error) error {
	returned := false
	defer func() {
		if !returned {
			fmt.Fprintf(os.Stderr, "%s: seed %d ended the test\n", t.Name(), seed)
		}
	}()
	err := check(t, seed, dir)
	returned = true
	return err
}

// verdict runs a graph twice and says what is wrong.
func verdict(t *testing.T, g *Graph, dir string) error {
	var runs [2]*execution
	for i, s := range g.Runs {
		var err error
		synctest.Test(t, func(t *testing.T) {
			if runs[i], err = g.run(t.Context(), s, dir); err == nil {
				err = runs[i].compare()
			}
		})
		if err == nil {
			err = leftover(dir)
		}
		if err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
	}
	return runs[0].same(runs[1])
}

// leftover tells of files that a program that has ended left behind.
func leftover(dir string) error {
	files, err := os.ReadDir(dir)
	if err == nil && len(files) > 0 {
		err = fmt.Errorf("the program left %v in spark.local.dir", files)
		for _, f := range files {
			_ = os.RemoveAll(dir + "/" + f.Name())
		}
	}
	return err
}

// TestGraphsCover: graphs hold every operator in each of its variants, with elements in it.
func TestGraphsCover(t *testing.T) { covers(t, 4_000, New, operators()) }

// TestChainsCover: chains hold every operator in each of its variants, and every action, with elements in it.
func TestChainsCover(t *testing.T) {
	covers(t, 4_000, NewChain, chainOperators())
	seen := map[string]bool{}
	for s := range uint64(4_000) {
		g := NewChain(s + 1)
		for _, o := range g.Outputs {
			k := g.Steps[o.Step].kind()
			if a, ok := actionOf(o.Action, k); ok && (a.needs <= g.Steps[o.Step].order || a.needs == undefined) {
				seen[a.name+k.String()] = true
			}
		}
	}
	for _, a := range actions() {
		if !seen[a.name+a.of.String()] {
			t.Errorf("%s of %v: no chain has it where its result is defined", a.name, a.of)
		}
	}
}

func covers(t *testing.T, seeds uint64, graph func(seed uint64) *Graph, ops []*operator) {
	t.Helper()
	seen := map[string]bool{}
	for s := range seeds {
		g := graph(s + 1)
		a := g.answer(g.nominal())
		for i, step := range g.Steps {
			for b := 0; step.op != nil && b < len(a.batches); b++ {
				if texts, _ := a.texts(i, b); len(texts) > 0 || !step.defined {
					seen[step.op.variant(step.Variant)] = true
					break
				}
			}
		}
	}
	for _, o := range ops {
		for v := range o.variants {
			if !seen[o.variant(v)] {
				t.Errorf("%s: nothing holds it", o.variant(v))
			}
		}
	}
}

// TestShrink: what is left of a graph is what it fails of.
func TestShrink(t *testing.T) {
	holds := func(g *Graph) error {
		for _, s := range g.Steps {
			if s.op != nil && s.op.name == "reduceByKeyAndWindow" {
				return errFault
			}
		}
		return nil
	}
	for s := uint64(1); ; s++ {
		g := New(s)
		if holds(g) == nil || len(g.Steps) < 8 {
			continue
		}
		small, err := shrink(g, errFault, holds)
		if err == nil || len(small.Steps) > 3 || len(small.Outputs) != 1 || small.Batches != 1 {
			t.Errorf("seed %d: %v is left of %v", s, small, g)
		}
		return
	}
}

// TestGraphsAreOfTheirSeed: a seed gives the same graph each time, and the same chain.
func TestGraphsAreOfTheirSeed(t *testing.T) {
	for s := range uint64(200) {
		if a, b := New(s).String(), New(s).String(); a != b {
			t.Fatalf("seed %d:\n%s\n%s", s, a, b)
		}
		if a, b := NewChain(s).String(), NewChain(s).String(); a != b {
			t.Fatalf("seed %d:\n%s\n%s", s, a, b)
		}
	}
}
