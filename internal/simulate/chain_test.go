package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestChains runs chains of RDD operators of successive seeds, with actions at their ends.
func TestChains(t *testing.T) {
	runSeeds(t, "chains", 10_000, func(t *testing.T, seed uint64, dir string) error {
		g := NewChain(seed)
		err := chainVerdict(t, g, dir)
		if err != nil {
			whole := g
			g, err = shrink(g, err, func(g *Graph) error { return chainVerdict(t, g, dir) })
			err = fmt.Errorf("%w\n%v\nshrunk from\n%v", err, g, whole)
		}
		return err
	})
}

// scheme is that of a file system in memory, for checkpoints and for what actions save.
const scheme = "memory"

// partitionsMax is how many partitions an input of a chain has at most.
const partitionsMax = 7

// faultsProperty tells tasks which of them are to fail.
const faultsProperty = "simulate.faults"

// faultsOf is Settings.Faults of a chain's run.
func faultsOf(tc *rdd.TaskContext) int {
	n, _ := strconv.Atoi(tc.LocalProperty(faultsProperty)) // 0 for jobs that building the chain runs.
	return n
}

// NewChain makes the chain of a seed: a graph of one batch.
func NewChain(seed uint64) *Graph {
	r := rand.New(rand.NewPCG(seed, 2))
	g := &Graph{Seed: seed, Interval: time.Second, Batches: 1, Parallelism: 1 + r.IntN(5), ops: chainOperators()}
	weightMax, rows := bounds(r)
	kinds := []kind{kindOf[string]{}, kindOf[int]{}, kindOf[row]{}}
	for len(g.Steps) < 1+int(seed%3) {
		if s := newInput(r, g, rows); slices.Contains(kinds, s.kind()) {
			s.input.how, s.input.entries = source, s.input.entries[:1]
			s.input.entries[0].partitions = 1 + r.IntN(partitionsMax)
			g.Steps = append(g.Steps, s)
		}
	}
	g.growAll(r, weightMax)
	for range 1 + r.IntN(3) {
		o := newOutput(r, g)
		other := func(a action) bool { return a.of != g.Steps[o.Step].kind() }
		a := pick(r, slices.DeleteFunc(slices.Clone(actions()), other))
		g.Outputs = append(g.Outputs, Output{Step: o.Step, Action: a.name, Seed: r.IntN(6)})
	}
	for i := range g.Runs {
		g.Runs[i] = newSettings(r)
		g.Runs[i].Faults = r.IntN(4)
	}
	g.prune()
	return g
}

// chainVerdict runs a chain twice and says what is wrong.
func chainVerdict(t *testing.T, g *Graph, dir string) error {
	var runs [2][][]string
	for i, s := range g.Runs {
		var err error
		synctest.Test(t, func(t *testing.T) {
			if runs[i], err = g.runChain(t.Context(), s, dir); err == nil {
				err = g.compareChain(runs[i])
			}
		})
		if err == nil {
			err = leftover(dir)
		}
		if err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
	}
	for i := range g.Outputs {
		if !slices.Equal(runs[0][i], runs[1][i]) {
			return fmt.Errorf("output %d: the runs give other orders:\none   %q\nother %q", i, runs[0][i], runs[1][i])
		}
	}
	return nil
}

// runChain gives the elements of each output, and behind them what its action gives.
func (g *Graph) runChain(ctx context.Context, s Settings, dir string) (results [][]string, err error) {
	fs := vfs.NewMemory(scheme)
	sc, err := rdd.NewContext(s.conf(g, dir, g.Parallelism), rdd.WithFileSystem(fs))
	if err != nil {
		return nil, err
	}
	ctx = rdd.WithLocalProperty(ctx, faultsProperty, strconv.Itoa(s.Faults))
	defer func() {
		if e := sc.Stop(ctx); err == nil {
			err = e
		}
	}()
	if err := errors.Join(fs.MkdirAll(ctx, scheme+":/saved"), sc.SetCheckpointDir(scheme+":/checkpoints")); err != nil {
		return nil, err
	}
	tables := g.buildChain(sc)
	for _, o := range g.Outputs {
		k := g.Steps[o.Step].kind()
		result := ""
		if a, ok := actionOf(o.Action, k); ok { // Before the elements are collected, which leaves shuffles behind.
			if result, err = a.result(ctx, tables[o.Step], o.Seed); err != nil {
				return nil, err
			}
		}
		texts, err := k.collect(ctx, tables[o.Step])
		if err != nil {
			return nil, err
		}
		results = append(results, append(texts, result))
	}
	return results, nil
}

func (g *Graph) buildChain(sc *rdd.Context) []any {
	tables := make([]any, len(g.Steps))
	for i, s := range g.Steps {
		if s.op == nil {
			rows, partitions := g.answer(g.nominal()).at(i, 0), 0
			if len(s.input.entries) > 0 {
				partitions = s.input.entries[0].partitions
			}
			tables[i] = s.input.kind.parallelize(sc, rows, max(partitions, 1))
			continue
		}
		in := make([]any, len(s.In))
		for j, p := range s.In {
			in[j] = tables[p]
		}
		tables[i] = s.op.live(nil, s, in)
		if s.Level != rdd.NotPersisted {
			s.op.out.persistTable(tables[i], s.Level)
		}
	}
	return tables
}

func actionOf(name string, of kind) (action, bool) {
	i := slices.IndexFunc(actions(), func(a action) bool { return a.name == name && a.of == of })
	if i < 0 {
		return action{}, false
	}
	return actions()[i], true
}

// compareChain tells where a run differs from the definitions.
func (g *Graph) compareChain(results [][]string) error {
	answers := g.answer(g.nominal())
	for i, o := range g.Outputs {
		s := g.Steps[o.Step]
		if !s.defined {
			continue
		}
		texts, result := results[i][:len(results[i])-1], results[i][len(results[i])-1]
		want, _ := answers.texts(o.Step, 0)
		if s.order != list {
			texts = slices.Sorted(slices.Values(texts))
		}
		if !slices.Equal(texts, want) {
			return fmt.Errorf("output %d:\ngot  %q\nwant %q", i, texts, want)
		}
		if a, ok := actionOf(o.Action, s.kind()); ok && a.needs <= s.order {
			if want := fmt.Sprint(a.want(answers.at(o.Step, 0), o.Seed)); result != want {
				return fmt.Errorf("output %d, %s: got %q, want %q, of %s", i, a.name, result, want,
					strings.Join(texts, " "))
			}
		}
	}
	return nil
}
