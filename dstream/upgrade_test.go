package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A version is one of a program that is upgraded: it counts numbers by their rest of three in a state, writes each sum
// that changed through a sink, and looks at a window.
type version struct {
	input, state, output string
	interval             time.Duration
	master               string
	settings             []string
	shuffle              []rdd.ShuffleOption
	partitions           int // of the state; 0 is the default
	weight               int // what the function makes of a number
	texts                bool
	also, between        bool // one more output, one more operator
	without              bool // the window
	group                bool // another operator, of the same name

	seen *[]string
	sink *sinkOf
}

// firstVersion is the one that planned what the others meet.
func firstVersion(seen *[]string, sink *sinkOf) version {
	return version{input: "numbers", state: "sums", output: "out", interval: time.Second, master: "local[2]", weight: 1,
		seen: seen, sink: sink}
}

// sinkOf stores by identity, once. While it is stuck it stores nothing.
type sinkOf struct {
	world
	stuck, fails atomic.Bool
	unclosable   error
}

func (*sinkOf) Open(context.Context, string, int64) error { return nil }

func (s *sinkOf) Close(context.Context) error { return s.unclosable }

func (s *sinkOf) Last(_ context.Context, output, effect string, partition int) (seq int64, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.rows {
		parts := strings.Split(key, "/")
		var at int64
		_, _ = fmt.Sscan(parts[3], &at)
		if parts[1] == output && parts[4] == fmt.Sprint(partition) && (!ok || at > seq) {
			seq, ok = at, true
		}
	}
	return seq, ok, nil
}

func (s *sinkOf) Write(ctx context.Context, id dstream.Effect, in iter.Seq[string]) error {
	for s.stuck.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if s.fails.Load() {
		return errors.New("the table is gone")
	}
	return s.write(nil, id, in)
}

func (v version) build(ssc *dstream.Context) {
	d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named(v.input)
	if v.between {
		d = dstream.Filter(d, func(int) bool { return true }).Named("filtered")
	}
	var texts *dstream.DStream[string]
	if v.texts {
		texts = stateOf(v, d, func(n int) string { return fmt.Sprint(n) })
	} else {
		texts = stateOf(v, d, func(n int) int { return n })
	}
	dstream.WriteTo(texts, dstream.Sink[string](v.sink)).Named(v.output)
	byRest := dstream.Map(d, func(n int) pair { return rdd.KV("", n) })
	if !v.without {
		w := dstream.ReduceByKeyAndWindow(byRest, func(a, b int) int { return a + b }, 4*time.Second, 0, v.shuffle...)
		if v.group {
			w = dstream.Map(dstream.GroupByKeyAndWindow(byRest, 4*time.Second, 0),
				func(kv rdd.Pair[string, []int]) pair { return rdd.KV("", len(kv.Value)) })
		}
		dstream.ForeachRDD(w.Named("window"), func(ctx context.Context, r *rdd.RDD[pair], b *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			*v.seen = append(*v.seen, fmt.Sprint(b.Sequence, vs))
			return err
		}).Named("show")
	}
	if v.also {
		dstream.WriteTo(texts, dstream.Sink[string](&sinkOf{})).Named("also")
	}
}

// stateOf has the state hold an S made of the sum.
func stateOf[S any](v version, d *dstream.DStream[int], held func(int) S) *dstream.DStream[string] {
	spec := dstream.Spec(func(rest int, n rdd.Optional[int], s *dstream.State[rdd.Pair[S, int]]) string {
		sum := s.Option().Or(rdd.Pair[S, int]{}).Value + n.Value*v.weight
		s.Update(rdd.KV(held(sum), sum))
		return fmt.Sprint(rest, ": ", sum)
	})
	if v.partitions > 0 {
		spec = spec.Partitions(v.partitions)
	}
	keyed := dstream.Map(d, func(n int) rdd.Pair[int, int] { return rdd.KV(n%3, n) }).Named("keyed")
	out, _ := dstream.MapWithState(keyed, spec)
	return out.Named(v.state)
}

func (v version) context(t *testing.T, m *vfs.Mount) *dstream.Context {
	t.Helper()
	c := conf.New().Set("spark.master", v.master)
	for pair := range slices.Chunk(v.settings, 2) {
		c.Set(pair[0], pair[1])
	}
	ssc, err := dstream.NewContext(c, v.interval, rdd.WithFileSystem(m))
	if err != nil {
		t.Fatal(err)
	}
	ssc.Checkpoint("disk:/ck")
	v.build(ssc)
	return ssc
}

// runs is a context that has run for a while, and goes on.
func (v version) runs(t *testing.T, m *vfs.Mount, d time.Duration) *dstream.Context {
	t.Helper()
	ssc := v.context(t, m)
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lives(t, ssc, d)
	return ssc
}

// wroteUpTo checks that the sink has, of each batch up to the last one, what a program gives that was never stopped.
func (v version) wroteUpTo(t *testing.T, batches int) {
	t.Helper()
	sums, got := [3]int{}, v.sink.batches()
	if len(got) < batches {
		t.Errorf("the sink has %d batches, want %d at least", len(got), batches)
	}
	for b := range len(got) {
		var want []string
		for n := 2 * b; n < 2*b+2; n++ {
			sums[n%3] += n
			want = append(want, fmt.Sprintf("%d: %d", n%3, sums[n%3]))
		}
		slices.Sort(want)
		if !slices.Equal(got[int64(b)], want) {
			t.Errorf("batch %d wrote %q, want %q", b, got[int64(b)], want)
		}
	}
}

// sawWindows checks that each window has what one has of a program that was never stopped.
func (v version) sawWindows(t *testing.T) {
	t.Helper()
	for _, got := range *v.seen {
		var b, sum int64
		_, _ = fmt.Sscan(got, &b)
		for n := max(2*(b-3), 0); n < 2*b+2; n++ {
			sum += n
		}
		if want := fmt.Sprint(b, []pair{rdd.KV("", int(sum))}); got != want {
			t.Errorf("a window is %s, want %s", got, want)
		}
	}
	if len(*v.seen) < 3 {
		t.Errorf("there are the windows %q", *v.seen)
	}
}

// TestUpgrades has each change of a program meet a checkpoint that was left by a clean stop, and one with a planned
// batch: it goes on, or is refused by name before anything runs. What CheckCheckpoint says is what Start does.
func TestUpgrades(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(v *version)
		changes string // what a check tells of
		clean   string // why it is refused after a clean stop; "" if it goes on
		open    string // and with a planned batch
		// other tells that what is written is another thing now.
		other bool
	}{
		{name: "nothing", change: func(*version) {}},
		{name: "function", change: func(v *version) { v.weight = 2 }, other: true},
		{name: "operator added", change: func(v *version) { v.between = true },
			changes: `the operator "filtered" is new (filter at upgrade_test.go:`,
			open:    `the operator "filtered" is new (filter at upgrade_test.go:`},
		{name: "output added", change: func(v *version) { v.also = true },
			changes: `the output "also" is new (writeTo at upgrade_test.go:`,
			open:    `the operator "also" is new`},
		{name: "operators removed", change: func(v *version) { v.without = true },
			changes: `is not in the program any more`, open: `is not in the program any more`},
		{name: "operator is another one", change: func(v *version) { v.group = true },
			changes: `the operator "window" was reduceByKeyAndWindow of`,
			clean:   `the window "window" of the checkpoint is not in the program, and "reduceByKeyAndWindow`,
			open:    `the window "window" of the checkpoint is not in the program, and "reduceByKeyAndWindow`},
		{name: "input renamed", change: func(v *version) { v.input = "others" },
			changes: `the input "numbers" is not in the program any more, the input "others" is new`,
			clean:   `the input "numbers" of the checkpoint is not in the program, and "others" is new`,
			open:    `the input "numbers" of the checkpoint is not in the program, and "others" is new`},
		{name: "input renamed, said", change: func(v *version) {
			v.input, v.settings = "others", []string{"weir.checkpoint.rename", "numbers => others"}
		}, changes: `the input "numbers" is called "others" now`, open: "needs what is to be renamed or dropped"},
		{name: "state renamed", change: func(v *version) { v.state = "totals" },
			changes: `the state "sums" is not in the program any more, the state "totals" is new`,
			clean:   `the state "sums" of the checkpoint is not in the program, and "totals" is new`,
			open:    `the state "sums" of the checkpoint is not in the program, and "totals" is new`},
		{name: "state renamed, said", change: func(v *version) {
			v.state, v.settings = "totals", []string{"weir.checkpoint.rename", "sums=>totals"}
		}, changes: `the state "sums" is called "totals" now`, open: "needs what is to be renamed or dropped"},
		{name: "state renamed to nothing", change: func(v *version) {
			v.settings = []string{"weir.checkpoint.rename", "sums => totals"}
		}, changes: `the state "sums" is called "totals" now`,
			clean: `weir.checkpoint.rename has the state "sums" be called "totals", which is none of the program`,
			open:  `weir.checkpoint.rename has the state "sums" be called "totals", which is none of the program`},
		{name: "state of another type", change: func(v *version) { v.texts = true },
			changes: `the state "sums" values were {Key int64; Value int64}, are {Key string; Value int64}`,
			clean:   `the state "sums" (upgrade_test.go:`, open: `the state "sums" (upgrade_test.go:`},
		{name: "output renamed", change: func(v *version) { v.output = "results" },
			changes: `the output "out" is not in the program any more, the output "results" is new`,
			clean:   `the output "out" of the checkpoint is not in the program, and "results" is new`,
			open:    `the output "out" of the checkpoint is not in the program, and "results" is new`},
		{name: "output renamed, said", change: func(v *version) {
			v.output, v.settings = "results", []string{"weir.checkpoint.rename", "out => results"}
		}, changes: `the output "out" is called "results" now`, open: "needs what is to be renamed or dropped"},
		{name: "output dropped", change: func(v *version) {
			v.output, v.settings = "results", []string{"weir.checkpoint.drop", "out"}
		}, changes: `the output "out" is given up, the output "results" is new`,
			open: "needs what is to be renamed or dropped"},
		{name: "interval", change: func(v *version) { v.interval = 2 * time.Second },
			changes: `the setting "weir.streaming.interval" was 1s, is 2s`,
			open:    `differently now: the setting "weir.streaming.interval" was 1s, is 2s;`},
		{name: "partitions of the state", change: func(v *version) { v.partitions = 5 },
			changes: `the state "sums" had 2 partitions, has 5 partitions`,
			open:    `the state "sums" had 2 partitions, has 5 partitions`},
		{name: "partitions of a shuffle", change: func(v *version) { v.shuffle = []rdd.ShuffleOption{rdd.Partitions(3)} },
			changes: `had as many partitions as spark.default.parallelism says, has 3 partitions`,
			open:    `had as many partitions as spark.default.parallelism says, has 3 partitions`},
		{name: "a partitioner", change: func(v *version) {
			v.shuffle = []rdd.ShuffleOption{rdd.PartitionBy[string](allInOne{})}
		}, changes: "dealt keys by their hash, deals them by dstream_test.allInOne",
			open: "dealt keys by their hash, deals them by dstream_test.allInOne"},
		{name: "default parallelism", change: func(v *version) { v.settings = []string{"spark.default.parallelism", "7"} },
			changes: `the setting "spark.default.parallelism" was 2, is 7`,
			open:    `the setting "spark.default.parallelism" was 2, is 7`},
		{name: "cores", change: func(v *version) { v.master = "local[7]" },
			changes: `the setting "spark.master" was local[2], is local[7]`},
		{name: "a setting of no account", change: func(v *version) { v.settings = []string{"spark.task.maxFailures", "9"} }},
	} {
		for _, open := range []bool{false, true} {
			name, refused := tt.name+", clean stop", tt.clean
			if open {
				name, refused = tt.name+", planned batch", tt.open
			}
			t.Run(name, func(t *testing.T) {
				upgrade(t, tt.change, open, tt.changes, refused, tt.other)
			})
		}
	}
}

type allInOne struct{}

func (allInOne) NumPartitions() int   { return 1 }
func (allInOne) Partition(string) int { return 0 }

// upgrade runs the first version, and then the changed one.
func upgrade(t *testing.T, change func(v *version), open bool, changes, refused string, other bool) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, sink := vfs.NewDisk("disk"), []string{}, &sinkOf{}
		v := firstVersion(&seen, sink)
		m := disk.Mount(nil)
		ssc := v.context(t, m)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3200 * time.Millisecond)
		if open {
			sink.stuck.Store(true)
			time.Sleep(time.Second)
			m.Kill()
			_ = ssc.Stop(t.Context())
			sink.stuck.Store(false)
		} else {
			time.Sleep(time.Second)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}
		before := maps.Clone(disk.Files())
		seen = nil
		change(&v)
		said := v.check(t, disk, open, changes, refused)
		if after := disk.Files(); !maps.EqualFunc(before, after, slices.Equal) {
			t.Error("a check has changed the disk")
		}
		ssc = v.context(t, disk.Mount(nil))
		err := ssc.Start(t.Context())
		if fmt.Sprint(err) != fmt.Sprint(said) {
			t.Fatalf("a check says\n%v, and a start\n%v", said, err)
		}
		if err != nil {
			if len(seen) > 0 {
				t.Errorf("it was refused, and ran %q", seen)
			}
			return
		}
		time.Sleep(4 * v.interval)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if !other {
			v.wroteUpTo(t, 7)
		}
		if !other && !v.without && !v.group && v.interval == time.Second {
			v.sawWindows(t)
		}
	})
}

// check gives what a check says, which may change nothing.
func (v version) check(t *testing.T, disk *vfs.Disk, open bool, changes, refused string) error {
	t.Helper()
	checked := v.context(t, disk.Mount(func(s vfs.Step) vfs.Fault { return vfs.Die })) // It may change nothing.
	fit, said := checked.CheckCheckpoint(t.Context())
	if err := checked.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	var told []string
	if fit != nil {
		for _, c := range fit.Changes {
			told = append(told, c.String())
		}
		if len(fit.Open) > 0 != open {
			t.Errorf("a check finds the planned batches %v; there is one: %v", fit.Open, open)
		}
	}
	if got := strings.Join(told, ", "); !strings.Contains(got, changes) || changes == "" && got != "" {
		t.Errorf("a check tells %q, want %q", got, changes)
	}
	if refused == "" && said != nil {
		t.Errorf("a check says %v", said)
	}
	if refused != "" && (!errors.Is(said, dstream.ErrUnfit) || !strings.Contains(said.Error(), refused)) {
		t.Errorf("a check says %v, want %q", said, refused)
	}
	return said
}

// TestStateLeftOut: a state that a program does not have is kept, and one that has it again is told what it lacks.
func TestStateLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		for i, tt := range []struct {
			has  bool
			want string
		}{
			{true, ""},
			{false, `the state "sums" is not in the program any more`},
			{true, `the state "sums" is in the program again, as it was left: the records of the batches since are not in it`},
			{true, ""},
		} {
			var log strings.Builder
			ssc, err := dstream.NewContext(nil, time.Second, rdd.WithFileSystem(disk.Mount(nil)),
				rdd.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.Foreach(d, func(int) error { return nil }).Named("look")
			if tt.has {
				texts := stateOf(version{state: "sums", weight: 1}, d, func(n int) int { return n })
				dstream.Foreach(texts, func(string) error { return nil }).Named("sum")
			}
			var warned []string
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.Warning); ok {
					warned = append(warned, fmt.Sprint(e.Err))
				}
			})
			if i > 0 {
				fit, err := ssc.CheckCheckpoint(t.Context())
				if err != nil || !strings.Contains(fmt.Sprint(fit.Changes), tt.want) {
					t.Errorf("program %d: %v, and a check says %v, want %q", i, err, fit.Changes, tt.want)
				}
			}
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(warned, "\n"); got != tt.want {
				t.Errorf("program %d warns of %q, want %q", i, got, tt.want)
			}
			const another = "the program is not the one that planned the last batch"
			if changed := tt.want != ""; strings.Contains(log.String(), another) != changed {
				t.Errorf("program %d has changed: %v, and its log is\n%s", i, changed, log.String())
			}
		}
	})
}
