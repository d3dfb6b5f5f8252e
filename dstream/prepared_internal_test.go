package dstream

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
)

// A shelf is a sink that commits what tasks have made ready.
type shelf struct {
	*bank
	made int
}

func (s *shelf) Prepare(_ context.Context, id Effect, in iter.Seq[string]) ([]byte, error) {
	records := slices.Collect(in)
	if len(records) == 0 {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return fmt.Appendf(nil, "%d.%d: %s (%d)", id.Sequence, id.Partition, strings.Join(records, " "), s.made), nil
}

func (s *shelf) Commit(_ context.Context, id Effect, made [][]byte) error {
	all := make([]string, len(made))
	for i, m := range made {
		all[i], _, _ = strings.Cut(string(m), " (")
	}
	s.say("commit %d: %s", id.Sequence, strings.Join(all, ", "))
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *shelf) Drop(_ context.Context, made [][]byte) {
	for _, m := range made {
		text, _, _ := strings.Cut(string(m), " (")
		s.say("drop %s", text)
	}
}

// What tasks have made ready is committed at once, in the order of the partitions, again when it is in doubt; what is
// of attempts that lost, and of a job that failed, is dropped; a batch without records is not committed.
func TestPrepared(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fails   func(v string) bool // once
		answers []error
		want    []string
	}{
		{"smooth", nil, nil, []string{"commit 0: 0.0: a b, 0.1: c d", "commit 2: 2.0: e"}},
		{"in doubt", nil, []error{fmt.Errorf("put: %w", ErrInDoubt), ErrFenced}, []string{"commit 0: 0.0: a b, 0.1: c d",
			"commit 0: 0.0: a b, 0.1: c d", "commit 0: 0.0: a b, 0.1: c d", "commit 2: 2.0: e"}},
		{"a task fails once", func(v string) bool { return v == "d" }, nil,
			[]string{"commit 0: 0.0: a b, 0.1: c d", "commit 2: 2.0: e"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{bank: &bank{last: -1, plain: true, answers: tt.answers}}
				ssc, err := NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
				if err != nil {
					t.Fatal(err)
				}
				ssc.SetOutput(io.Discard)
				var once sync.Once
				d := Map(QueueStream(ssc, NewQueue([]string{"a", "b", "c", "d"}, nil, []string{"e"})), func(v string) string {
					if tt.fails != nil && tt.fails(v) {
						once.Do(func() { panic("once") })
					}
					return v
				})
				WriteTo(d, Sink[string](s)).Named("out")
				(&sinkJob{ssc: ssc, bank: s.bank}).know(logState(-1), owned)
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(8500 * time.Millisecond)
				if err := ssc.Stop(t.Context(), Graceful()); err != nil {
					t.Fatal(err)
				}
				got := slices.DeleteFunc(slices.Clone(s.calls), func(c string) bool {
					return !strings.HasPrefix(c, "commit") && !strings.HasPrefix(c, "drop")
				})
				if !slices.Equal(got, tt.want) {
					t.Errorf("the sink saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		})
	}
}

// What was made ready for a job that failed is dropped.
func TestPreparedForNothing(t *testing.T) {
	s := &shelf{bank: &bank{}}
	p := &preparing{sink: s, made: map[int][][]byte{}}
	one, two := []byte("0.0: a (1)"), []byte("0.0: a (2)")
	for _, made := range [][]byte{one, two} {
		if !p.add(0, made) {
			t.Error("the job is over")
		}
	}
	p.end(t.Context(), [][]byte{two})
	if p.add(0, []byte("late")) {
		t.Error("the job is not over")
	}
	if got := strings.Join(s.calls, ", "); got != "drop 0.0: a" {
		t.Errorf("calls %s, want one that drops the loser", got)
	}
}
