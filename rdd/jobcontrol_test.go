package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// waiting is an RDD whose tasks wait until they are cancelled, or an hour is over.
func waiting(sc *rdd.Context, n int) *rdd.RDD[int] {
	return rdd.FromPartitions(sc, "waiting", n, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(func(int) bool) {
			select {
			case <-tc.Done():
				tc.Check()
			case <-time.After(time.Hour):
			}
		}
	})
}

// TestCancelling: each way to cancel ends the jobs that it means, whose errors say who did it.
func TestCancelling(t *testing.T) {
	tests := map[string]struct {
		cancel func(sc *rdd.Context) int
		ended  string // the jobs of 0, 1, 2 that were cancelled
		by     string
	}{
		"a group":     {func(sc *rdd.Context) int { return sc.CancelJobGroup("etl") }, "0 2", `CancelJobGroup("etl")`},
		"no group":    {func(sc *rdd.Context) int { return sc.CancelJobGroup("none") }, "", ""},
		"all":         {func(sc *rdd.Context) int { return sc.CancelAllJobs() }, "0 1 2", "CancelAllJobs"},
		"one":         {func(sc *rdd.Context) int { return count(sc.CancelJob(1)) }, "1", "CancelJob(1)"},
		"no such job": {func(sc *rdd.Context) int { return count(sc.CancelJob(7)) }, "", ""},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			sc := newContext(t, "spark.master", "local[8]")
			var wg sync.WaitGroup
			errs := make([]error, 3)
			for i, group := range []string{"etl", "other", "etl"} {
				wg.Go(func() {
					_, errs[i] = rdd.Count(rdd.WithJobGroup(t.Context(), group, "nightly"), waiting(sc, 2))
				})
				synctest.Wait()
			}
			n := tt.cancel(sc)
			wg.Wait()
			var ended []string
			for i, err := range errs {
				if err == nil {
					continue
				}
				ended = append(ended, fmt.Sprint(i))
				for _, want := range []string{"count at jobcontrol_test.go:", fmt.Sprintf("(job %d)", i), tt.by,
					"at jobcontrol_test.go:"} {
					if !errors.Is(err, rdd.ErrCancelled) || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v does not say %q", name, err, want)
					}
				}
			}
			if got := strings.Join(ended, " "); got != tt.ended || n != len(ended) {
				t.Errorf("%s: cancelled %s, said %d; want %s", name, got, n, tt.ended)
			}
		})
	}
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// TestStatus: what runs, for whom, and how far it is.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newContext(t, "spark.master", "local[2]")
		ended := make(chan error)
		sums := rdd.ReduceByKey(kv(rdd.Parallelize(sc, []int{1, 2, 3}, 3)), add, rdd.Partitions(2))
		slow := rdd.MapTry(sums, func(p rdd.Pair[string, int]) (int, error) {
			time.Sleep(time.Second)
			return p.Value, nil
		})
		go func() {
			ctx := rdd.WithPool(rdd.WithJobGroup(t.Context(), "etl", "nightly"), "batch")
			_, err := rdd.Count(ctx, slow)
			ended <- err
		}()
		synctest.Wait()
		jobs := sc.Status()
		if len(jobs) != 1 {
			t.Fatalf("%+v", jobs)
		}
		j := jobs[0]
		if !strings.HasPrefix(j.Site, "jobcontrol_test.go:") || time.Since(j.Started) != 0 {
			t.Errorf("at %s, started %v", j.Site, j.Started)
		}
		var stages []string
		for _, s := range j.Stages {
			stages = append(stages, fmt.Sprintf("%d %s %d/%d/%d/%d", s.Number, s.Op, s.Tasks, s.Done, s.Running, s.Failed))
		}
		got := fmt.Sprint(j.ID, j.Action, j.Group, j.Description, j.Pool, j.Batch, stages)
		if want := "0countetlnightlybatch-1 [0 mapToPair 3/3/0/0 1 mapTry 2/0/2/0]"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if err := <-ended; err != nil || len(sc.Status()) != 0 {
			t.Errorf("%v, then %+v", err, sc.Status())
		}
	})
}

// TestPersistentRDDs: what is kept, from Persist to Unpersist.
func TestPersistentRDDs(t *testing.T) {
	sc := newContext(t)
	list := func() (got []string) {
		for _, p := range sc.PersistentRDDs() {
			got = append(got, fmt.Sprintf("%s %s %v %d of %d, memory %v, disk %v", p.Name, p.Op, p.Level, p.Cached,
				p.Partitions, p.Memory > 0, p.Disk > 0))
		}
		return got
	}
	check := func(when string, want ...string) {
		t.Helper()
		if got := list(); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", when, got, want)
		}
	}
	check("at first")
	a := rdd.Map(rdd.Parallelize(sc, []int{1, 2, 3}, 2), func(v int) int { return v }).Cache().Named("first")
	b := rdd.Map(a, func(v int) int { return v }).Persist(rdd.DiskOnly)
	check("before a job", "first map MEMORY_ONLY 0 of 2, memory false, disk false",
		" map DISK_ONLY 0 of 2, memory false, disk false")
	show(true, b)
	check("after a job", "first map MEMORY_ONLY 2 of 2, memory true, disk false",
		" map DISK_ONLY 2 of 2, memory false, disk true")
	if m := sc.MemoryStatus(); m.Used <= 0 || m.Peak < m.Used || m.Total <= m.Peak {
		t.Errorf("memory %+v", m)
	}
	a.Unpersist()
	check("of which one is dropped", " map DISK_ONLY 2 of 2, memory false, disk true")
	b.Unpersist()
	check("at last")
	if m := sc.MemoryStatus(); m.Used != 0 {
		t.Errorf("memory %+v", m)
	}
}

// TestAllocationFile: pools are read from the file that spark.scheduler.allocation.file names, and what is wrong with
// it is told when the context is made.
func TestAllocationFile(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.xml"), filepath.Join(dir, "bad.xml")
	text := "<allocations><pool name='low'/><pool name='urgent'><weight>3</weight></pool></allocations>"
	for name, text := range map[string]string{good: text, bad: strings.Replace(text, "3", "many", 1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct{ mode, file, want string }{
		"no file":        {"FAIR", "", ""},
		"a file":         {"FAIR", good, ""},
		"a URL":          {"FAIR", "file://" + good, ""},
		"FIFO":           {"FIFO", bad, ""},
		"a bad one":      {"FAIR", bad, `bad.xml: pool "urgent": weight must be a whole number`},
		"one that isn't": {"FAIR", filepath.Join(dir, "none.xml"), "none.xml: "},
		"another place":  {"FAIR", "hdfs://host/fair.xml", "no file system for hdfs"},
	}
	for name, tt := range tests {
		c := conf.New().Set("spark.scheduler.mode", tt.mode)
		if tt.file != "" {
			c.Set("spark.scheduler.allocation.file", tt.file)
		}
		_, err := rdd.NewContext(c)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestFairPools: with spark.scheduler.mode=FAIR a job in a pool of its own need not wait for a long one.
func TestFairPools(t *testing.T) {
	for mode, want := range map[string]time.Duration{"FIFO": 12 * time.Second, "FAIR": 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			sc := newContext(t, "spark.master", "local[2]", "spark.scheduler.mode", mode)
			second := func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
				return func(func(int) bool) { time.Sleep(time.Second) }
			}
			begin := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = rdd.Count(t.Context(), rdd.FromPartitions(sc, "long", 20, second)) })
			synctest.Wait()
			_, err := rdd.Count(rdd.WithPool(t.Context(), "urgent"), rdd.FromPartitions(sc, "short", 3, second))
			if took := time.Since(begin); err != nil || took != want {
				t.Errorf("%s: the short job took %v, %v; want %v", mode, took, err, want)
			}
			wg.Wait()
		})
	}
}

// TestSpeculationOfAPersistedRDD: the second attempt at a partition that is being computed to be kept does not wait for
// the first.
func TestSpeculationOfAPersistedRDD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newContext(t, "spark.master", "local[4]", "spark.speculation", "true")
		r := rdd.FromPartitions(sc, "slow", 4, func(tc *rdd.TaskContext, p int) iter.Seq[int] {
			return func(yield func(int) bool) {
				wait := 100 * time.Millisecond
				if p == 3 && tc.AttemptNumber() == 0 {
					wait = time.Hour
				}
				select {
				case <-time.After(wait):
					yield(p)
				case <-tc.Done():
					tc.Check()
				}
			}
		}).Cache()
		begin := time.Now()
		if got, err := rdd.Collect(t.Context(), r); fmt.Sprint(got, err) != "[0 1 2 3] <nil>" ||
			time.Since(begin) > time.Second {
			t.Errorf("%v, %v after %v", got, err, time.Since(begin))
		}
	})
}

// TestLocalProperties reach the tasks of the jobs that were started with them.
func TestLocalProperties(t *testing.T) {
	sc := newContext(t)
	one := rdd.Parallelize(sc, []int{1}, 1)
	r := rdd.MapPartitions(one, func(tc *rdd.TaskContext, _ iter.Seq[int]) iter.Seq[string] {
		return slices.Values([]string{tc.LocalProperty("tenant"), tc.LocalProperty("spark.jobGroup.id"),
			tc.LocalProperty("spark.job.description"), tc.LocalProperty("spark.scheduler.pool")})
	})
	base := context.Background()
	ctx := rdd.WithPool(rdd.WithJobGroup(rdd.WithLocalProperty(base, "tenant", "blue"), "g", "d"), "p")
	for ctx, want := range map[context.Context]string{ctx: "[blue g d p]", base: "[   ]"} {
		if got, err := rdd.Collect(ctx, r); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q, %v; want %s", got, err, want)
		}
	}
}
