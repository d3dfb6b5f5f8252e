package dstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// store is a sink in memory that keeps the identities of its effects.
type store struct {
	open, closing error

	mu      sync.Mutex
	effects map[string][]int
	calls   []string
}

func (s *store) Open(context.Context, string, int64) error {
	s.calls = append(s.calls, "open")
	return s.open
}

func (s *store) Last(context.Context, string, string, int) (int64, bool, error) { return 0, false, nil }

func (s *store) Write(_ context.Context, id dstream.Effect, in iter.Seq[int]) error {
	vs := slices.Collect(in)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(id.Key(), id.Job+"/")
	if _, there := s.effects[key]; there {
		return nil
	}
	if s.effects == nil {
		s.effects = map[string][]int{}
	}
	s.effects[key] = vs
	return nil
}

func (s *store) Close(context.Context) error {
	s.calls = append(s.calls, "close")
	return s.closing
}

// TestWriteTo: one effect for each partition of each batch, in a sink that is opened and closed once.
func TestWriteTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &store{}
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2}, []int{3}))
		dstream.WriteTo(d, dstream.Sink[int](s))
		dstream.WriteTo(dstream.Map(d, func(v int) int { return -v }), dstream.Sink[int](s))
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for key, vs := range s.effects {
			got = append(got, fmt.Sprint(key, vs))
		}
		slices.Sort(got)
		const plain, negative = "writeTo[](queueStream[int]())", "writeTo[](map[int](queueStream[int]()))"
		want := []string{negative + "//0/0[-1]", negative + "//0/1[-2]", negative + "//1/0[-3]",
			plain + "//0/0[1]", plain + "//0/1[2]", plain + "//1/0[3]"}
		if !slices.Equal(got, want) {
			t.Errorf("stored\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if want := []string{"open", "close"}; !slices.Equal(s.calls, want) {
			t.Errorf("the sink saw %v, want %v", s.calls, want)
		}
	})
}

// TestSave: effects of a body have names, each once.
func TestSave(t *testing.T) {
	for _, second := range []string{"negative", "numbers"} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			s := &store{}
			d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}))
			dstream.ForeachRDD(d.Named("in"), func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				if err := dstream.Save(ctx, b, "numbers", r, dstream.Sink[int](s)); err != nil {
					return err
				}
				return dstream.Save(ctx, b, second, rdd.Map(r, func(v int) int { return -v }), dstream.Sink[int](s))
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			err := ssc.Stop(t.Context(), dstream.Graceful())
			if err == nil {
				err = ssc.AwaitTermination(t.Context())
			}
			if second == "numbers" {
				if err == nil || !strings.Contains(err.Error(), `a second effect named "numbers"`) {
					t.Errorf("a second effect of one name: %v", err)
				}
				return
			}
			if got := fmt.Sprint(
				s.effects,
			); err != nil ||
				got != "map[foreachRDD[](in)/negative/0/0:[-1] foreachRDD[](in)/numbers/0/0:[1]]" {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// TestSinkTroubles: a sink that does not open keeps the job from starting; one that does not close is told of.
func TestSinkTroubles(t *testing.T) {
	cause := errors.New("no such table")
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		dstream.WriteTo(dstream.QueueStream(ssc, dstream.NewQueue[int]()), dstream.Sink[int](&store{open: cause}))
		if err := ssc.Start(t.Context()); !errors.Is(err, cause) {
			t.Errorf("Start: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		dstream.WriteTo(dstream.QueueStream(ssc, dstream.NewQueue[int]()), dstream.Sink[int](&store{closing: cause}))
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		stopNow(t, ssc)
		if err := ssc.AwaitTermination(t.Context()); !errors.Is(err, cause) {
			t.Errorf("AwaitTermination: %v", err)
		}
	})
}

// TestFirstLogLines say what each output promises, which depends on its inputs.
func TestFirstLogLines(t *testing.T) {
	const (
		queue    = "queueStream [0]: at-least-once as long as the process lives; the queue is in memory"
		received = "push [1]: at-least-once as long as the process lives; there is no write ahead log"
		ranged   = "at-least-once if the program commits what it has read"
	)
	idle := &feed{run: func(context.Context, *dstream.Store[string], int) error { return nil }}
	length := func(s string) int { return len(s) }
	for _, tt := range []struct {
		name   string
		output func(queue, received, ranged *dstream.DStream[int])
		want   []string
	}{
		{"queue", func(q, _, _ *dstream.DStream[int]) { dstream.Print(q, 1) }, []string{queue}},
		{"receiver", func(_, r, _ *dstream.DStream[int]) { dstream.Print(r, 1) }, []string{received}},
		{"ranged", func(_, _, s *dstream.DStream[int]) { dstream.Print(s, 1) }, []string{ranged}},
		{
			"all together",
			func(q, r, s *dstream.DStream[int]) { dstream.Print(dstream.Union(q, r, s), 1) },
			[]string{queue, received, ranged},
		},
		{
			"sink of what is received",
			func(_, r, _ *dstream.DStream[int]) { dstream.WriteTo(r, dstream.Sink[int](&promising{})) },
			[]string{"no duplicates on Sundays", received},
		},
		{
			"sink of ranges",
			func(_, _, s *dstream.DStream[int]) { dstream.WriteTo(s, dstream.Sink[int](&promising{})) },
			[]string{"no duplicates on Sundays", ranged},
		},
		{
			"dead letters",
			func(_, r, s *dstream.DStream[int]) {
				dstream.Print(dstream.MapTry(dstream.Union(r, s), noFives, dstream.ToDeadLetters()), 1)
				dstream.Print(dstream.DeadLetters(r.Context()), 1)
			},
			[]string{received, ranged},
		},
		{
			"no dead letters",
			func(q, _, _ *dstream.DStream[int]) { dstream.Print(dstream.DeadLetters(q.Context()), 1) },
			[]string{ranged},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second,
				rdd.WithLogger(logger))
			if err != nil {
				t.Fatal(err)
			}
			ssc.SetOutput(io.Discard)
			tt.output(
				dstream.QueueStream(ssc, dstream.NewQueue[int]()),
				dstream.Map(dstream.ReceiverStream(ssc, "push", dstream.Receiver[string](idle)), length),
				dstream.Map(dstream.FromSource(ssc, "numbers", dstream.Source[string](&numbers{})), length),
			)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			stopNow(t, ssc)
			line, _, _ := strings.Cut(log.String()[strings.LastIndex(log.String(), "guarantee="):], "\n")
			for _, part := range []string{queue, received, ranged, "no duplicates on Sundays"} {
				if got := strings.Contains(line, part); got != slices.Contains(tt.want, part) {
					t.Errorf("%s: that it says %q is %v: %s", tt.name, part, got, line)
				}
			}
		})
	}
}

// promising is a sink that says what it promises.
type promising struct{ store }

func (*promising) Guarantee() string { return "no duplicates on Sundays" }

// TestStatsReport logs quantiles of the last batches.
func TestStatsReport(t *testing.T) {
	var log bytes.Buffer
	report := dstream.StatsReport(slog.New(slog.NewTextHandler(&log, nil)), 3)
	at := time.Now()
	for i := range 5 {
		report(
			dstream.BatchCompleted{
				BatchInfo: dstream.BatchInfo{SubmissionTime: at, ProcessingStart: at.Add(time.Second),
					ProcessingEnd: at.Add(time.Second + time.Duration(i)*time.Minute)},
			},
		)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for _, want := range []string{"batches=3", "total.min=2m1s", "total.50%=3m1s", "total.max=4m1s", "processing.max=4m0s"} {
		if !strings.Contains(lines[4], want) {
			t.Errorf("%s does not say %s", lines[4], want)
		}
	}
}
