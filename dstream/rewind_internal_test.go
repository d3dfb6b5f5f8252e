package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A rowSink is a sink whose partitions have identities of their own, and which can set them back.
type rowSink struct {
	*bank
	newest int64 // of any partition; Last, which is asked for one, knows of none
}

func (s *rowSink) Last(context.Context, string, string, int) (int64, bool, error) {
	return 0, false, nil
}

func (s *rowSink) Newest(context.Context, string, string) (int64, bool, error) {
	return s.newest, s.newest >= 0, nil
}

func (s *rowSink) Rewind(_ context.Context, id Effect) error {
	s.say("rewind %s %d", id.Output, id.Sequence)
	return nil
}

func (s *rowSink) Write(ctx context.Context, id Effect, in iter.Seq[string]) error {
	if err := s.bank.Write(ctx, id, in); err != nil || len(s.answers) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

// TestRewinder: a start looks at the identities of all partitions, whether the log knows of them or not, and sets them
// back for a user who accepts duplicates.
func TestRewinder(t *testing.T) {
	for _, tt := range []struct {
		name, accept  string
		newest        int64
		fails, called string
	}{
		{name: "new", newest: -1},
		{name: "as planned", newest: 9},
		{name: "ahead", newest: 12, fails: `or to "out=duplicates" so that batches from 10 on are written in any case`},
		{name: "ahead, loss", accept: "out=loss", newest: 12},
		{name: "ahead, duplicates", accept: "out=duplicates", newest: 12, called: "rewind out 9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rowSink{&bank{plain: true}, tt.newest}
				j := newSinkJob(t, s.bank, []string{"weir.sink.accept", tt.accept}, nil)
				j.ssc.outputs[0].sink, j.ssc.sinks.all = s, []held{s}
				j.know(logState(9), owned)
				err := j.ssc.Start(t.Context())
				if err == nil {
					err = j.ssc.Stop(t.Context())
				}
				failsWith(t, err, tt.fails)
				called := ""
				if i := slices.IndexFunc(s.calls, func(c string) bool { return strings.HasPrefix(c, "rewind") }); i >= 0 {
					called = s.calls[i]
				}
				if called != tt.called {
					t.Errorf("called %q, want %q", called, tt.called)
				}
			})
		})
	}
}

// TestLossOfPartitions: of batches that the user accepts as lost no partition is written, whatever identity it has.
func TestLossOfPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rowSink{&bank{plain: true}, 1}
		j := newSinkJob(t, s.bank, []string{"weir.sink.accept", "out=loss"}, []string{"a", "b"}, []string{"c"},
			[]string{"d", "e"})
		j.ssc.outputs[0].sink, j.ssc.sinks.all = s, []held{s}
		j.know(logState(-1), owned)
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		if err := j.ssc.Stop(t.Context(), Graceful()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range s.calls {
			if text, ok := strings.CutPrefix(c, "plain "); ok {
				got = append(got, text)
			}
		}
		slices.Sort(got)
		if want := []string{"2.0: d", "2.1: e"}; !slices.Equal(got, want) {
			t.Errorf("written %q, want %q", got, want)
		}
	})
}

// TestPartitionsFenced: a sink without transactions that was fenced is tried again as long as the log says that the job
// is ours.
func TestPartitionsFenced(t *testing.T) {
	lost := errors.New("another process owns the log")
	for _, tt := range []struct {
		name   string
		fenced int
		owner  error
		writes int
		fails  string
	}{
		{"fenced once", 1, nil, 2, ""},
		{"fenced for ever", 9, nil, 4, "tried 4 times"},
		{"another owner", 9, lost, 1, lost.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bank{last: -1, plain: true}
				for range tt.fenced {
					b.answers = append(b.answers, fmt.Errorf("refused: %w", ErrFenced))
				}
				s := &rowSink{b, -1}
				j := newSinkJob(t, b, []string{"spark.task.maxFailures", "1"})
				WriteTo(QueueStream(j.ssc, NewQueue([]string{"a"})), Sink[string](s)).Named("rows")
				j.know(logState(-1), func() error { return tt.owner })
				if err := j.ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(8500 * time.Millisecond)
				err := j.ssc.Stop(t.Context(), Graceful())
				if err == nil {
					err = j.ssc.AwaitTermination(t.Context())
				}
				failsWith(t, err, tt.fails)
				if n := strings.Count(j.calls(), "plain 0.0: a"); n != tt.writes {
					t.Errorf("written %d times, want %d:\n%s", n, tt.writes, j.calls())
				}
			})
		})
	}
}
