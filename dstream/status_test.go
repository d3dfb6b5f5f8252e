package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestStatus: what no event tells of a program is there when it has started, and was not before; and each task says
// which output it works for.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ssc *dstream.Context
		outputs := map[int]bool{}
		l := mustLive(t, vfs.NewDisk("disk"), func(c *dstream.Context) {
			ssc = c
			ssc.SetOutput(io.Discard)
			in := dstream.FromSource(ssc, "numbers", dstream.Source[int](late{behind: 12})).Named("numbers")
			sums := dstream.UpdateStateByKey(dstream.Map(in, parity), total).Named("sums")
			dstream.WriteTo(in, dstream.Sink[int](&kept{last: map[string]int64{}})).Named("kept")
			dstream.Print(sums, 1).Named("shown")
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.TaskEnded); ok {
					outputs[e.Output] = true
				}
			})
			if _, ok := ssc.Status(); ok {
				t.Error("there is a status before the start")
			}
		})
		time.Sleep(2500 * time.Millisecond)
		s, ok := ssc.Status()
		if !ok || s.Epoch != 1 || s.Checkpoint != "disk:/ck" || s.Job == "" || len(s.Skipped) > 0 ||
			!slices.Equal(s.States, []string{"sums"}) {
			t.Errorf("%v: %+v", ok, s)
		}
		in := s.Inputs[0]
		if got := fmt.Sprintln(in.StreamID, in.Name, in.Kind, in.Receiver, in.Rate, in.Reason, in.Behind); got !=
			"0 numbers numbers false 1e+06 weir.streaming.firstBatchRecords, until batches were seen to be processed "+
				"faster 12\n" || !strings.HasPrefix(in.Site, "status_test.go:") {
			t.Errorf("%s %s", got, in.Site)
		}
		for i, want := range []string{"kept writeTo exactly-once: ", "shown print at-least-once: "} {
			o := s.Outputs[i]
			if got := o.Name + " " + o.Kind + " " + o.Guarantee; o.ID != i || !strings.HasPrefix(got, want) ||
				!strings.Contains(o.Why, "disk:/ck") || !strings.HasPrefix(o.Site, "status_test.go:") {
				t.Errorf("%+v, want %s", o, want)
			}
		}
		l.stop(t)
		if !outputs[0] || !outputs[1] {
			t.Errorf("tasks told of the outputs %v", outputs)
		}
	})
}

// TestGoesOnInTurn: a batch that an earlier process has planned is submitted, too, when it is to run. Else it would
// seem to have waited since the year 1, for which back-pressure would brake.
func TestGoesOnInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		var events []string
		build := func(hangs bool) func(*dstream.Context) {
			return func(ssc *dstream.Context) {
				in := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				dstream.ForeachRDD(in, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					if hangs && b.Sequence == 2 {
						<-ctx.Done()
						return context.Cause(ctx)
					}
					<-time.After(100 * time.Millisecond)
					return nil
				}).Named("out")
				ssc.AddListener(func(e dstream.Event) {
					switch e := e.(type) {
					case dstream.BatchSubmitted:
						events = append(events, fmt.Sprint("submitted ", e.Sequence))
					case dstream.BatchCompleted:
						events = append(events, fmt.Sprintf("completed %d after %v", e.Sequence, e.SchedulingDelay()))
					case dstream.RateUpdated:
						events = append(events, fmt.Sprintf("rate %.0f", e.Rate))
					}
				})
			}
		}
		settings := []string{"spark.streaming.backpressure.enabled", "true",
			"spark.streaming.backpressure.pid.minRate", "1"}
		l := mustLive(t, disk, build(true), settings...)
		time.Sleep(3500 * time.Millisecond)
		l.die(t)
		events = nil
		l = mustLive(t, disk, build(false), settings...)
		time.Sleep(300 * time.Millisecond)
		l.stop(t)
		if got := strings.Join(events, ", "); got != "submitted 2, completed 2 after 0s, rate 20, "+
			"submitted 3, completed 3 after 0s, rate 20" {
			t.Error(got)
		}
	})
}

// TestStatusOfFailedStart: there is none.
func TestStatusOfFailedStart(t *testing.T) {
	ssc, err := dstream.NewContext(nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := ssc.Start(t.Context()); err == nil {
		t.Fatal("a program without outputs has started")
	}
	if s, ok := ssc.Status(); ok {
		t.Errorf("%+v", s)
	}
}

// late is a source of twos that says how far it is behind.
type late struct {
	twos
	behind int64
}

func (l late) Behind() (int64, bool) { return l.behind, true }

// TestRawStateOf: a program's own states can be read without their types, while it runs.
func TestRawStateOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ssc *dstream.Context
		l := mustLive(t, vfs.NewDisk("disk"), func(c *dstream.Context) {
			ssc = c
			ssc.SetOutput(io.Discard)
			in := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.Print(dstream.UpdateStateByKey(dstream.Map(in, parity), total).Named("sums"), 1)
		})
		time.Sleep(2500 * time.Millisecond)
		r, err := dstream.RawStateOf(ssc, "sums")
		if err != nil {
			t.Fatal(err)
		}
		v, err := dstream.ViewState(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]string{}
		for e, err := range v.Reader.All(t.Context()) {
			row, wrong := v.Row(e)
			if err := errors.Join(err, wrong); err != nil {
				t.Fatal(err)
			}
			rows[string(e.Key)] = row
		}
		key, err := v.Key(`"even"`)
		if err != nil || string(key) != "even" || len(rows) != 2 ||
			!strings.HasPrefix(rows["odd"], `{"key":"odd","value":`) || v.Info.Version.Sequence != 1 {
			t.Errorf("%q %v, %v, %+v", key, err, rows, v.Info)
		}
		if _, err := dstream.RawStateOf(ssc, "other"); !errors.Is(err, dstream.ErrNoState) {
			t.Errorf("another state: %v", err)
		}
		if _, err := r.At(77).Info(t.Context()); !errors.Is(err, dstream.ErrNoVersion) {
			t.Errorf("a version to come: %v", err)
		}
		l.stop(t)
	})
}

// What a page may say of a program, and the rows of a state of which the types are not known.
func ExampleContext_Status() {
	temporary(func(dir string) error {
		return evenAndOdd(dir, 6, func(ssc *dstream.Context) {
			s, _ := ssc.Status()
			fmt.Println(s.Inputs[0].Name, s.Inputs[0].Reason)
			fmt.Println(s.Outputs[0].Kind, s.Outputs[0].Guarantee)
			fmt.Println(s.States)
		})
	})
	// Output:
	// numbers weir.streaming.firstBatchRecords, until batches were seen to be processed faster
	// print at-least-once: a batch whose process dies is run again, with the same records
	// [sums]
}

func ExampleViewState() {
	temporary(func(dir string) error {
		if err := evenAndOdd(dir, 4, func(*dstream.Context) {}); err != nil {
			return err
		}
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			return err
		}
		defer sc.Stop(context.Background())
		v, err := dstream.ViewState(context.Background(), dstream.OpenRawState(sc, dir, "sums").At(1))
		if err != nil {
			return err
		}
		key, err := v.Key("odd")
		if err != nil {
			return err
		}
		e, _, err := v.Reader.Get(context.Background(), key)
		if err != nil {
			return err
		}
		value, err := v.ValueJSON(e.Value)
		fmt.Println(v.Info.Key, v.Info.Value, value)
		return err
	})
	// Output: string int64 4
}
