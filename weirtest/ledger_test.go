package weirtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/weirtest"
)

// A ledger is a store whose partitions have identities of their own, as tables of a database have them.
type ledger struct {
	mu    sync.Mutex
	rows  []string
	ids   map[string]int64
	owner *ledgerSink // the process that was opened last
}

// A ledgerSink is one process's.
type ledgerSink struct {
	*ledger
	job    string
	broken string
}

func (s *ledgerSink) Open(_ context.Context, job string, _ int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job, s.owner = job, s
	return nil
}

func (s *ledgerSink) key(output, effect string, partition int) string {
	return fmt.Sprintf("%q %q %q %03d", s.job, output, effect, partition)
}

func (s *ledgerSink) Last(_ context.Context, output, effect string, partition int) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok := s.ids[s.key(output, effect, partition)]
	return seq, ok && seq >= 0, nil
}

func (s *ledgerSink) Newest(_ context.Context, output, effect string) (newest int64, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest = -1
	for p := range 3 {
		if seq, ok := s.ids[s.key(output, effect, p)]; ok && (p == 0 || s.broken != "first partition only") {
			newest = max(newest, seq)
		}
	}
	return newest, newest >= 0, nil
}

func (s *ledgerSink) Rewind(_ context.Context, id dstream.Effect) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, seq := range s.ids {
		if strings.HasPrefix(key, strings.TrimSuffix(s.key(id.Output, id.Name, 0), "000")) {
			s.ids[key] = min(seq, id.Sequence)
		}
	}
	return nil
}

func (s *ledgerSink) Write(ctx context.Context, id dstream.Effect, in iter.Seq[string]) error {
	var rows []string
	for row := range in {
		if s.broken == "row by row" {
			s.mu.Lock()
			s.rows = append(s.rows, row)
			s.mu.Unlock()
			continue
		}
		rows = append(rows, row)
	}
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(id.Output, id.Name, id.Partition)
	last, held := s.ids[key]
	switch {
	case s.owner.job == s.job && s.owner != s && s.broken != "zombies":
		return errors.New("another process has been opened")
	case held && last >= id.Sequence:
		return nil
	}
	s.ids[key] = id.Sequence
	s.rows = append(s.rows, rows...)
	return nil
}

func (s *ledgerSink) Close(context.Context) error { return nil }

func ledgerSuite(broken string) weirtest.SinkSuite[string] {
	return weirtest.SinkSuite[string]{
		Bubble: true,
		Record: func(n int) string { return fmt.Sprint("row ", n) },
		New: func(*testing.T) weirtest.SinkStore[string] {
			l := &ledger{ids: map[string]int64{}}
			return weirtest.SinkStore[string]{
				Process: func() dstream.Sink[string] { return &ledgerSink{ledger: l, broken: broken} },
				Stored: func() []int {
					l.mu.Lock()
					defer l.mu.Unlock()
					return numbers(l.rows)
				},
				Forget: func(string, string, string) { clear(l.ids) },
			}
		},
	}
}

// A sink without transactions over partitions that keeps to its contract passes.
func TestPartitionSink(t *testing.T) { weirtest.Sink(t, ledgerSuite("")) }

// One that does not is found out.
func TestPartitionSinkFinds(t *testing.T) {
	for _, broken := range []string{"row by row", "zombies", "first partition only"} {
		quiet := func(t *testing.T) { weirtest.Sink(t, ledgerSuite(broken)) }
		if testing.RunTests(func(_, _ string) (bool, error) { return true, nil },
			[]testing.InternalTest{{Name: "broken: " + broken, F: quiet}}) {
			t.Errorf("a sink with the fault %q passes", broken)
		}
	}
}
