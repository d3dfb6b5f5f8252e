package dstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A logged is what a program logs; it may be read while it runs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLogged(t *testing.T) (*dstream.Context, *logged) {
	log := &logged{}
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second,
		rdd.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	ssc.SetOutput(io.Discard)
	return ssc, log
}

// TestFailedBatchIsLogged: with its level, the batch said once, and the stack of a panic once, be it in a task or in
// the driver.
func TestFailedBatchIsLogged(t *testing.T) {
	bad := func(int) bool { return regexp.MustCompile(strings.Repeat("(", 1)).MatchString("x") }
	tests := map[string]struct {
		output func(d *dstream.DStream[int])
		level  string
		panics bool
	}{
		"a good batch": {func(d *dstream.DStream[int]) { dstream.Print(d, 1) }, "INFO", false},
		"an error": {func(d *dstream.DStream[int]) {
			dstream.Foreach(d, func(int) error { return errors.New("no disk") })
		}, "ERROR", false},
		"a panic in a task": {func(d *dstream.DStream[int]) { dstream.Print(dstream.Map(d, bad), 1) }, "ERROR", true},
		"a panic in a body": {func(d *dstream.DStream[int]) {
			dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { bad(0); return nil })
		}, "ERROR", true},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			ssc, log := newLogged(t)
			tt.output(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})))
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			err := errors.Join(ssc.Stop(t.Context(), dstream.Graceful()), ssc.AwaitTermination(t.Context()))
			got, message, stacks := log.String(), "batch failed", 0
			if err == nil {
				message = "batch completed"
			}
			if tt.panics {
				stacks = 1
			}
			if strings.Count(got, "level="+tt.level+` msg="`+message+`"`) != 1 || strings.Contains(got, "<nil>") ||
				strings.Count(got, "stack=") != stacks {
				t.Errorf("%s: logged\n%s", name, got)
			}
			_, panicked := errors.AsType[*rdd.PanicError](err)
			if panicked != tt.panics || (err != nil) != (tt.level == "ERROR") ||
				err != nil && strings.Count(err.Error(), "batch 0 (") != strings.Count(err.Error(), "output ") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestSilentInput is a broker that is away: it is told early, and a stop does not wait for it.
func TestSilentInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, log := newLogged(t)
		s := &numbers{plan: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }}
		dstream.Print(dstream.FromSource(ssc, "numbers", dstream.Source[string](s)), 1)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		const says = "an input has not answered yet"
		time.Sleep(3 * time.Second) // of which the last two or three pass in the first question
		if got := log.String(); strings.Contains(got, says) {
			t.Errorf("too early:\n%s", got)
		}
		time.Sleep(2 * time.Second)
		if got := log.String(); strings.Count(got, says) != 1 || !strings.Contains(got, `input="numbers [0]"`) {
			t.Errorf("after the silence:\n%s", got)
		}
		began := time.Now()
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil || time.Since(began) > 0 {
			t.Errorf("the stop took %v: %v", time.Since(began), err)
		}
	})
}

// TestReceiverGoneIsLogged: a stream that will give nothing more is told of once, whatever its receiver stopped for.
func TestReceiverGoneIsLogged(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(st *dstream.Store[string], n int)
		want int
	}{
		"at its end":          {func(st *dstream.Store[string], _ int) { st.Stop(nil) }, 1},
		"for an error":        {func(st *dstream.Store[string], _ int) { st.Stop(errors.New("lost")) }, 1},
		"with the program":    {func(*dstream.Store[string], int) {}, 0},
		"to be started again": {func(st *dstream.Store[string], _ int) { st.Restart(errors.New("lost")) }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ssc, log := newLogged(t)
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], n int) error {
				tt.end(st, n)
				return nil
			}}
			dstream.Print(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)), 1)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), `msg="a receiver has stopped for good`); n != tt.want {
				t.Errorf("%s: it is logged %d times, want %d:\n%s", name, n, tt.want, log)
			}
		})
	}
}
