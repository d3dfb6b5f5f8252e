package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// TestAccumulators add up what the driver and tasks add, by the goroutine and by the task.
func TestAccumulators(t *testing.T) {
	sc := newContext(t)
	long, double := rdd.NewLongAccumulator(sc, "seen"), rdd.NewDoubleAccumulator(sc, "")
	all := rdd.NewCollectionAccumulator[string](sc, "names")
	if got := fmt.Sprint(long.IsZero(), long.Sum(), long.Count(), long.Avg(), double.Avg(), all.Value()); got !=
		"true 0 0 0 0 []" {
		t.Errorf("at first: %s", got)
	}
	long.Add(100)
	err := rdd.ForeachPartition(context.Background(), rdd.Parallelize(sc, []int{1, 2, 3, 4}, 3),
		func(tc *rdd.TaskContext, in iter.Seq[int]) error {
			mine := all.In(tc)
			for v := range in {
				long.Add(int64(v))
				long.In(tc).Add(int64(v))
				double.Add(float64(v) / 2)
				elsewhere(func() { mine.Add(fmt.Sprint("v", v)) })
			}
			return nil
		})
	names := all.Value()
	slices.Sort(names)
	got := fmt.Sprint(err, long.Value(), long.Count(), long.Avg(), double.Sum(), double.Count(), double.Avg(), names)
	if want := "<nil> 120 9 13.333333333333334 5 4 1.25 [v1 v2 v3 v4]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := fmt.Sprint(long.ID(), double.ID(), all.ID(), long.Name(), double.Name(), all.Name()); got !=
		"0 1 2seennames" {
		t.Errorf("they are %s", got)
	}
	long.Reset()
	all.Reset()
	if !long.IsZero() || long.Count() != 0 || len(all.Value()) != 0 {
		t.Errorf("after Reset: %d, %v", long.Value(), all.Value())
	}
}

// elsewhere runs f on another goroutine and waits for it.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// TestAccumulatorsCountWinners: what attempts add that fail, or lose, does not count.
func TestAccumulatorsCountWinners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newContext(t, "spark.master", "local[8]", "spark.speculation", "true", "spark.task.maxFailures", "3")
		tried, n := rdd.NewCollectionAccumulator[string](sc, ""), rdd.NewLongAccumulator(sc, "")
		r := rdd.Parallelize(sc, []int{0, 1, 2, 3}, 4)
		err := rdd.ForeachPartition(t.Context(), r, func(tc *rdd.TaskContext, _ iter.Seq[int]) error {
			tried.In(tc).Add(fmt.Sprint(tc.PartitionID(), ".", tc.AttemptNumber()))
			n.Add(1)
			switch {
			case tc.PartitionID() == 0 && tc.AttemptNumber() < 2:
				return errors.New("flaky")
			case tc.PartitionID() == 3 && tc.AttemptNumber() == 0:
				time.Sleep(time.Hour) // It loses, and does not listen.
			}
			return nil
		})
		got := tried.Value()
		slices.Sort(got)
		if want := "<nil> [0.2 1.0 2.0 3.1] 4"; fmt.Sprint(err, got, n.Value()) != want {
			t.Errorf("%v %v %d, want %s", err, got, n.Value(), want)
		}
		time.Sleep(2 * time.Hour)
		if n.Value() != 4 {
			t.Errorf("%d when the loser has ended", n.Value())
		}
	})
}

// TestAccumulatorsOfTransformations count each time that a partition is computed.
func TestAccumulatorsOfTransformations(t *testing.T) {
	ctx := context.Background()
	type pairs = *rdd.RDD[rdd.Pair[string, int]]
	tests := map[string]struct {
		keep func(r pairs) pairs
		want string
	}{
		"computed anew": {func(r pairs) pairs { return r }, "3 6"},
		"persisted":     {func(r pairs) pairs { return r.Cache() }, "3 3"},
		"shuffled":      {func(r pairs) pairs { return rdd.ReduceByKey(r, add) }, "3 3"},
	}
	for name, tt := range tests {
		sc := newContext(t)
		n := rdd.NewLongAccumulator(sc, "")
		words := kv(rdd.Parallelize(sc, []int{1, 2, 3}, 2))
		r := tt.keep(rdd.Map(words, func(p rdd.Pair[string, int]) rdd.Pair[string, int] {
			n.Add(1)
			return p
		}))
		var got []string
		for range 2 {
			if _, err := rdd.Count(ctx, r); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(n.Value()))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestAccumulatorsAreReadInTheDriver: a task that asks for a total fails at once, and says why.
func TestAccumulatorsAreReadInTheDriver(t *testing.T) {
	sc := newContext(t, "spark.task.maxFailures", "4")
	n := rdd.NewLongAccumulator(sc, "seen")
	for method, read := range map[string]func(){"Value": func() { n.Value() }, "Reset": n.Reset,
		"Count": func() { n.Count() }, "IsZero": func() { n.IsZero() }} {
		tries := 0
		err := rdd.Foreach(context.Background(), rdd.Parallelize(sc, []int{1}, 1), func(int) error {
			tries++
			read()
			return nil
		})
		want := method + ` of the accumulator "seen" was asked for inside a task`
		if err == nil || !strings.Contains(err.Error(), want) || tries != 1 {
			t.Errorf("%v after %d tries, want %s", err, tries, want)
		}
	}
}

// longest is an accumulator of a user's own.
type longest struct{ text string }

func (l *longest) IsZero() bool                                  { return l.text == "" }
func (l *longest) Copy() rdd.AccumulatorV2[string, string]       { return &longest{l.text} }
func (l *longest) Reset()                                        { l.text = "" }
func (l *longest) Merge(other rdd.AccumulatorV2[string, string]) { l.Add(other.Value()) }
func (l *longest) Value() string                                 { return l.text }
func (l *longest) Add(s string) {
	if s == "unheard of" {
		panic("such a word")
	}
	if len(s) > len(l.text) {
		l.text = s
	}
}

// TestRegister: an accumulator of the user's own is shown with the tasks that add to it, and its panic in the driver
// fails the action, not the process.
func TestRegister(t *testing.T) {
	sc := newContext(t, "spark.master", "local[1]")
	var mu sync.Mutex
	var shown []string
	free, err := sc.Observe(func(e exec.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e, ok := e.(exec.TaskEnded); ok {
			shown = append(shown, fmt.Sprint(e.Accumulators))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	word := rdd.Register(sc, "word", rdd.AccumulatorV2[string, string](&longest{"at"}))
	silent := rdd.NewLongAccumulator(sc, "")
	if err := rdd.Foreach(context.Background(), rdd.Parallelize(sc, []string{"a", "abc", "ab"}, 3), func(s string) error {
		word.Add(s)
		silent.Add(1)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(shown, " "), "[{0 word a at}] [{0 word abc abc}] [{0 word ab abc}]"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	err = rdd.ForeachPartition(context.Background(), rdd.Parallelize(sc, []int{1}, 1),
		func(tc *rdd.TaskContext, _ iter.Seq[int]) error {
			defer func() { _ = recover() }()
			word.In(tc).Add("unheard of")
			return nil
		})
	if word.Value() != "abc" || err != nil {
		t.Errorf("%s, %v", word.Value(), err)
	}
	bad := rdd.Register(sc, "bad", rdd.AccumulatorV2[string, string](&spoilt{}))
	err = rdd.Foreach(context.Background(), rdd.Parallelize(sc, []int{1}, 1), func(int) error { bad.Add("x"); return nil })
	if err == nil || !strings.Contains(err.Error(), `accumulator "bad"`) || !strings.Contains(err.Error(), "no merging") {
		t.Errorf("a Merge that panics: %v", err)
	}
}

// spoilt panics where it is merged.
type spoilt struct{ longest }

func (s *spoilt) Copy() rdd.AccumulatorV2[string, string] { return &spoilt{} }
func (s *spoilt) Merge(rdd.AccumulatorV2[string, string]) { panic("no merging") }
