package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestCallsAfterStart that belong before it are warned of at once, change nothing, and are told again at the end,
// beside what the program fails of.
func TestCallsAfterStart(t *testing.T) {
	type ints = dstream.DStream[int]
	tests := map[string]func(ssc *dstream.Context, d *ints, o *dstream.Output){
		"map": func(_ *dstream.Context, d *ints, _ *dstream.Output) {
			dstream.Map(d, func(v int) int { return v })
		},
		"print":    func(_ *dstream.Context, d *ints, _ *dstream.Output) { dstream.Print(d, 1) },
		"Remember": func(ssc *dstream.Context, _ *ints, _ *dstream.Output) { ssc.Remember(time.Hour) },
		"SavesTo": func(_ *dstream.Context, _ *ints, o *dstream.Output) {
			dstream.SavesTo(o, dstream.Sink[int](&kept{last: map[string]int64{}}))
		},
	}
	cause := errors.New("the table is locked")
	for name, call := range tests {
		for _, fails := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				ssc := newContext(t)
				d := dstream.QueueStream(ssc, dstream.NewQueue[int]())
				o := dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					if fails && b.Sequence == 2 {
						return cause
					}
					return nil
				})
				var warnings []string
				ssc.AddListener(func(e dstream.Event) {
					if e, ok := e.(dstream.Warning); ok {
						warnings = append(warnings, fmt.Sprint(e.Message, ": ", e.Err))
					}
				})
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1500 * time.Millisecond)
				call(ssc, d, o)
				synctest.Wait()
				if len(warnings) != 1 || !strings.Contains(warnings[0], dstream.ErrStarted.Error()) ||
					!strings.Contains(warnings[0], "late_test.go:") || !strings.Contains(warnings[0], name) {
					t.Errorf("%s: warned of %q", name, warnings)
				}
				time.Sleep(2 * time.Second)
				if running := ssc.State() == dstream.Active; running == fails {
					t.Errorf("%s: fails %v, but running %v", name, fails, running)
				}
				_ = ssc.Stop(t.Context(), dstream.Graceful())
				err := ssc.AwaitTermination(t.Context())
				if !errors.Is(err, dstream.ErrStarted) || errors.Is(err, cause) != fails {
					t.Errorf("%s, fails %v: %v", name, fails, err)
				}
			})
		}
	}
}

// TestRememberAfterStart releases what would be released without it.
func TestRememberAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &numbers{}
		dstream.Foreach(dstream.FromSource(ssc, "numbers", dstream.Source[string](s)), func(string) error { return nil })
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ssc.Remember(time.Hour)
		time.Sleep(2500 * time.Millisecond)
		_ = ssc.Stop(t.Context(), dstream.Graceful())
		if got := strings.Join(s.log, "; "); !strings.Contains(got, "released r1") {
			t.Errorf("the source saw %s", got)
		}
	})
}

// TestRemember: one call that was wrong is told as that, and a right one after it is not the second.
func TestRemember(t *testing.T) {
	for _, tt := range []struct {
		calls []time.Duration
		want  string
	}{
		{[]time.Duration{time.Minute}, ""},
		{[]time.Duration{time.Millisecond, time.Minute},
			"Remember needs at least the batch interval of 1s, not 1ms"},
		{[]time.Duration{time.Minute, time.Hour}, "Remember was called twice"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			dstream.Foreach(dstream.QueueStream(ssc, dstream.NewQueue[int]()), func(int) error { return nil })
			for _, d := range tt.calls {
				ssc.Remember(d)
			}
			err := ssc.Start(t.Context())
			if err == nil {
				err = ssc.Stop(t.Context())
			}
			text := fmt.Sprint(err)
			if tt.want == "" && err != nil || tt.want != "" && (!strings.HasSuffix(text, tt.want) ||
				strings.Count(text, "Remember") != 1) {
				t.Errorf("%v: %v, want %q", tt.calls, err, tt.want)
			}
		})
	}
}
