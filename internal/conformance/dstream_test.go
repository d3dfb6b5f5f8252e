package conformance

import (
	"context"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// A streamCase is a line of dstream.json.
type streamCase struct {
	Name, Op      string
	Input, Input2 [][]string
	Ticks         int
	Output        map[string]any
}

// differences are the families of operators in which weir answers the definition of a window, computed by wanted, and
// not what Spark recorded: why says what Spark does there.
var differences = []struct {
	family  *regexp.Regexp
	differs func(length, slide int) bool
	why     string
}{
	{regexp.MustCompile(`^reduceByKeyAndWindowInverse_`), always,
		"with an inverse function Spark keeps keys without elements for ever, with a neutral value"},
	{regexp.MustCompile(`^reduceByKeyAndWindowInverseFilter_`), always,
		"Spark's job fails when a key that the filter dropped has values that are still to leave the window"},
	{regexp.MustCompile(`^reduceByWindowInverse_`), always,
		"Spark gives a neutral value for an empty window, where its form without an inverse gives nothing"},
	{regexp.MustCompile(`^countByWindow_`), always,
		"Spark gives nothing, not 0, before the first element was ever seen, and sums up wrongly if slide > length"},
	{regexp.MustCompile(`^countByValueAndWindow_`), func(length, slide int) bool { return slide > length },
		"Spark sums up wrongly if slide > length"},
}

func always(int, int) bool { return true }

// TestDStream runs each case with 1, 2 and 7 partitions.
func TestDStream(t *testing.T) {
	for _, c := range casesOf[streamCase](t, "dstream.json") {
		t.Run(c.Name, func(t *testing.T) {
			build, want, err := streamOp(c)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"1", "2", "7"} {
				for _, how := range waysOf(c) {
					synctest.Test(t, func(t *testing.T) {
						got := map[string]bag{}
						stop := startStream(t, c, build, n, how, got)
						time.Sleep(time.Duration(c.Ticks)*time.Second + time.Second/2)
						stop()
						c.compare(t, got, want, fmt.Sprintf("%s partitions, %v", n, how))
					})
				}
			}
		})
	}
}

// compare has the test fail for each second whose answer is not the wanted one.
func (c streamCase) compare(t *testing.T, got map[string]bag, want map[string]any, how string) {
	t.Helper()
	for at := 1; at <= c.Ticks; at++ {
		key := strconv.Itoa(at)
		g, there := got[key]
		w, wanted := want[key]
		if there != wanted || there && !same(g, w) {
			t.Errorf("%s, at %d s: %s\ngot  %v\nwant %v", how, at, c.Op, g, w)
		}
	}
}

// A way is one of those to run a case.
type way struct{ honest, store string }

// waysOf are the ways to run a case, of those with states on disk, too.
func waysOf(c streamCase) []way {
	ways := []way{{"false", "memory"}, {"true", "memory"}}
	if _, ok := stateOps[c.Name]; ok {
		ways = append(ways, way{"false", "pebble"})
	}
	return ways
}

// startStream runs a graph over the inputs; got has what it answered at each second.
func startStream(t *testing.T, c streamCase, build builder, partitions string, how way, got map[string]bag,
) (stop func()) {
	t.Helper()
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]").
		Set("spark.default.parallelism", partitions).Set("weir.honest", how.honest).
		Set("weir.state.store", how.store).Set("weir.state.memory", "8m"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ssc.SetOutput(io.Discard)
	ssc.AddStateStore(pebble.Store())
	begin := time.Now()
	if begin.Nanosecond() != 0 || begin.Unix()%60 != 0 {
		t.Fatal("slides are aligned to the clock, and this one does not begin at a full minute")
	}
	build(streams{dstream.QueueStream(ssc, dstream.NewQueue(c.Input...)),
		dstream.QueueStream(ssc, dstream.NewQueue(c.Input2...))}, reportTo(got, begin))
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
	}
}

// streams are the inputs of a case.
type streams struct{ a, b *dstream.DStream[string] }

func (s streams) pairs() (a, b *dstream.DStream[rdd.Pair[string, int]]) {
	return dstream.MapToPair(s.a, pair), dstream.MapToPair(s.b, pair)
}

func (s streams) ints() *dstream.DStream[int] { return dstream.Map(s.a, number) }

// pair reads "a:3"; "a" alone is the pair of a and 1.
func pair(s string) (string, int) {
	k, v, ok := strings.Cut(s, ":")
	if !ok {
		return k, 1
	}
	return k, number(v)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

type report func(at dstream.Time, vs bag)

// A builder makes the graph of a case and has what it answers reported.
type builder func(in streams, got report)

// reportTo keeps what was answered by the seconds since the begin.
func reportTo(got map[string]bag, begin time.Time) report {
	return func(at dstream.Time, vs bag) { got[fmt.Sprint(int(at.Std().Sub(begin).Seconds()))] = vs }
}

// to reports what a stream has in each batch.
func to[T any](d *dstream.DStream[T], got report) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		got(b.Time, bagOf(vs))
		return err
	})
}

var windowName = regexp.MustCompile(`^(\w+?)_(\d+)_(\d+)$`)

// streamOp finds the graph of a case, and what it must answer.
func streamOp(c streamCase) (builder, map[string]any, error) {
	if op, ok := plainOps[c.Name]; ok {
		return op, c.Output, nil
	}
	if op, ok := stateOps[c.Name]; ok {
		return op, c.Output, nil
	}
	m := windowName.FindStringSubmatch(c.Name)
	if m == nil || windowOps[m[1]] == nil {
		return nil, nil, fmt.Errorf("%s: there is no such operator here: %s", c.Name, c.Op)
	}
	length, slide := number(m[2]), number(m[3])
	build := windowOps[m[1]](time.Duration(length)*time.Second, time.Duration(slide)*time.Second)
	for _, d := range differences {
		if d.family.MatchString(c.Name) && d.differs(length, slide) {
			return build, wanted(m[1], c, length, slide), nil
		}
	}
	return build, c.Output, nil
}

var plainOps = map[string]builder{
	"map": func(in streams, got report) {
		to(dstream.Map(in.a, func(s string) string { return s + s }), got)
	},
	"flatMap": func(in streams, got report) {
		to(dstream.FlatMap(in.a, func(s string) iter.Seq[string] { return slices.Values([]string{s, s + "!"}) }), got)
	},
	"filter": func(in streams, got report) {
		to(dstream.Filter(in.a, func(s string) bool { return s != "a" }), got)
	},
	"count":        func(in streams, got report) { to(dstream.Count(in.a), got) },
	"countByValue": func(in streams, got report) { to(dstream.CountByValue(in.a), got) },
	"reduce":       func(in streams, got report) { to(dstream.Reduce(in.ints(), add), got) },
	"repartition_count": func(in streams, got report) {
		count := func(r *rdd.RDD[string], _ dstream.Time) *rdd.RDD[int] {
			return rdd.Parallelize(r.Context(), []int{r.NumPartitions()}, 1)
		}
		to(dstream.Transform(dstream.Repartition(in.a, 5), count), got)
	},
	"union": func(in streams, got report) { to(dstream.Union(in.a, in.b), got) },
	"transform_distinct": func(in streams, got report) {
		to(dstream.Transform(in.a, func(r *rdd.RDD[string], _ dstream.Time) *rdd.RDD[string] {
			return rdd.Distinct(r)
		}), got)
	},
	"transformWith": func(in streams, got report) {
		to(dstream.TransformWith(in.a, in.b, func(a, b *rdd.RDD[string], _ dstream.Time) *rdd.RDD[string] {
			return rdd.Subtract(a, b)
		}), got)
	},
	"groupByKey": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.GroupByKey(a), got)
	},
	"reduceByKey": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.ReduceByKey(a, add), got)
	},
	"combineByKey": func(in streams, got report) {
		a, _ := in.pairs()
		one := func(int) int { return 1 }
		to(dstream.CombineByKey(a, one, func(n, _ int) int { return n + 1 }, add), got)
	},
	"mapValues": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.MapValues(a, func(v int) int { return 10 * v }), got)
	},
	"flatMapValues": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.FlatMapValues(a, func(v int) iter.Seq[int] { return slices.Values([]int{v, -v}) }), got)
	},
	"cogroup": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.CoGroup(a, b), got)
	},
	"join": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.Join(a, b), got)
	},
	"leftOuterJoin": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.LeftOuterJoin(a, b), got)
	},
	"rightOuterJoin": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.RightOuterJoin(a, b), got)
	},
	"fullOuterJoin": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.FullOuterJoin(a, b), got)
	},
	"window_of_window": func(in streams, got report) {
		counts := dstream.Count(dstream.Window(in.a, 2*time.Second, 0))
		to(dstream.Window(counts, 3*time.Second, 2*time.Second), got)
	},
	"windowed_join": func(in streams, got report) {
		a, b := in.pairs()
		to(dstream.Join(dstream.Window(a, 3*time.Second, 0), dstream.Window(b, 2*time.Second, 0)), got)
	},
}

var windowOps = map[string]func(length, slide time.Duration) builder{
	"window": func(length, slide time.Duration) builder {
		return func(in streams, got report) { to(dstream.Window(in.a, length, slide), got) }
	},
	"countByWindow": func(length, slide time.Duration) builder {
		return func(in streams, got report) { to(dstream.CountByWindow(in.a, length, slide), got) }
	},
	"countByValueAndWindow": func(length, slide time.Duration) builder {
		return func(in streams, got report) { to(dstream.CountByValueAndWindow(in.a, length, slide), got) }
	},
	"reduceByWindow": func(length, slide time.Duration) builder {
		return func(in streams, got report) { to(dstream.ReduceByWindow(in.ints(), add, length, slide), got) }
	},
	"reduceByWindowInverse": func(length, slide time.Duration) builder {
		return func(in streams, got report) {
			to(dstream.ReduceByWindowInverse(in.ints(), add, minus, length, slide), got)
		}
	},
	"reduceByKeyAndWindow": func(length, slide time.Duration) builder {
		return func(in streams, got report) {
			a, _ := in.pairs()
			to(dstream.ReduceByKeyAndWindow(a, add, length, slide), got)
		}
	},
	"reduceByKeyAndWindowInverse": func(length, slide time.Duration) builder {
		return func(in streams, got report) {
			a, _ := in.pairs()
			to(dstream.ReduceByKeyAndWindowInverse(a, add, minus, nil, length, slide), got)
		}
	},
	"reduceByKeyAndWindowInverseFilter": func(length, slide time.Duration) builder {
		return func(in streams, got report) {
			a, _ := in.pairs()
			keep := func(_ string, v int) bool { return v != 0 }
			to(dstream.ReduceByKeyAndWindowInverse(a, add, minus, keep, length, slide), got)
		}
	},
	"groupByKeyAndWindow": func(length, slide time.Duration) builder {
		return func(in streams, got report) {
			a, _ := in.pairs()
			to(dstream.GroupByKeyAndWindow(a, length, slide), got)
		}
	},
}

func minus(a, b int) int { return a - b }
