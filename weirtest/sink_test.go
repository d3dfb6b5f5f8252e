package weirtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/weirtest"
)

// A bank is a store with transactions by name, as Kafka has them: who begins with a name fences all before him.
type bank struct {
	mu     sync.Mutex
	rows   []string
	ids    map[string]int64
	epochs map[string]int // by transaction

	steps int // of the process that is to be cut off, from the step of its birth on
	cutAt int
	late  bool
}

var errCut = errors.New("cut off")

// A bankSink is one process's.
type bankSink struct {
	*bank
	job    string
	mortal bool
	dead   bool
	mine   map[string]int // epochs
	// broken is what is wrong with the sink.
	broken string
}

// step is one on the way to the store. It holds b.mu.
func (s *bankSink) step(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errCut
	}
	if s.mortal && s.steps == s.cutAt {
		s.dead = true
		if s.late {
			_ = do()
		}
		return errors.Join(errCut, dstream.ErrInDoubt)
	}
	if s.mortal {
		s.steps++
	}
	return do()
}

func (s *bankSink) Open(_ context.Context, job string, _ int64) error {
	s.job, s.mine = job, map[string]int{}
	return s.step(func() error { return nil })
}

func (s *bankSink) name(output, effect string) string {
	if s.broken == "identity by output" {
		return output
	}
	return fmt.Sprintf("%q %q %q", s.job, output, effect)
}

func (s *bankSink) Transaction(id dstream.Effect) string { return s.name(id.Output, id.Name) }

func (s *bankSink) Last(_ context.Context, output, effect string, _ int) (seq int64, ok bool, err error) {
	err = s.step(func() error {
		seq, ok = s.ids[s.name(output, effect)]
		return nil
	})
	return seq, ok, err
}

func (s *bankSink) Fence(_ context.Context, names []string) error {
	for _, name := range names {
		err := s.step(func() error {
			s.epochs[name]++
			s.mine[name] = s.epochs[name]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *bankSink) AppendRecord(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (s *bankSink) WriteAll(ctx context.Context, effects []dstream.Staged) error {
	name := s.Transaction(effects[0].ID)
	s.mu.Lock()
	begun := s.mine[name] > 0 && s.mine[name] == s.epochs[name]
	s.mu.Unlock()
	if !begun && s.broken != "no fencing" {
		if err := s.Fence(ctx, []string{name}); err != nil {
			return err
		}
	}
	rows := make([][]string, len(effects))
	for i, e := range effects {
		for raw, err := range e.Records {
			if err != nil {
				return err
			}
			rows[i] = append(rows[i], string(raw))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.broken == "two steps" {
		if err := s.step(func() error { s.rows = append(s.rows, slices.Concat(rows...)...); return nil }); err != nil {
			return err
		}
		clear(rows)
	}
	return s.step(func() error {
		if s.broken != "no fencing" && s.mine[name] != s.epochs[name] {
			return dstream.ErrFenced
		}
		last, held := s.ids[name]
		for i, e := range effects {
			if s.broken == "one batch" && e.ID.Sequence != effects[0].ID.Sequence {
				continue
			}
			seq := e.ID.Sequence
			if held && last >= seq && s.broken != "identity ignored" && !(s.broken == "no fencing" && last != seq) {
				continue
			}
			s.ids[name] = seq
			s.rows = append(s.rows, rows[i]...)
		}
		return nil
	})
}

func (s *bankSink) Mark(ctx context.Context, id dstream.Effect, back bool) error {
	name := s.Transaction(id)
	if err := s.Fence(ctx, []string{name}); err != nil {
		return err
	}
	return s.step(func() error {
		if back || s.ids[name] < id.Sequence || s.broken == "goes back" {
			s.ids[name] = id.Sequence
		}
		return nil
	})
}

func (s *bankSink) Write(context.Context, dstream.Effect, iter.Seq[string]) error {
	return errors.New("it has transactions")
}

func (s *bankSink) Close(context.Context) error { return s.step(func() error { return nil }) }

func bankSuite(broken string) weirtest.SinkSuite[string] {
	return weirtest.SinkSuite[string]{
		Bubble: true,
		Record: func(n int) string { return fmt.Sprint("row ", n) },
		New: func(*testing.T) weirtest.SinkStore[string] {
			b := &bank{ids: map[string]int64{}, epochs: map[string]int{}}
			mortal := false
			var born *bankSink
			return weirtest.SinkStore[string]{
				Process: func() dstream.Sink[string] {
					born = &bankSink{bank: b, mortal: mortal, broken: broken}
					mortal = false
					return born
				},
				Stored: func() []int {
					b.mu.Lock()
					defer b.mu.Unlock()
					return numbers(b.rows)
				},
				Cut: func(step int, late bool) func() bool {
					b.cutAt, b.late, mortal = step, late, true
					var doomed *bankSink
					return func() bool {
						b.mu.Lock()
						defer b.mu.Unlock()
						if doomed == nil {
							doomed = born
						}
						return doomed.dead
					}
				},
				Forget: func(job, output, effect string) {
					s := &bankSink{bank: b, job: job, broken: broken}
					delete(b.ids, s.name(output, effect))
				},
			}
		},
	}
}

// A sink with transactions that keeps to its contract passes.
func TestSink(t *testing.T) { weirtest.Sink(t, bankSuite("")) }

// A sink that does not is found out.
func TestSinkFinds(t *testing.T) {
	for _, broken := range []string{"identity ignored", "two steps", "no fencing", "identity by output", "goes back",
		"one batch"} {
		quiet := func(t *testing.T) { weirtest.Sink(t, bankSuite(broken)) }
		if testing.RunTests(func(_, _ string) (bool, error) { return true, nil },
			[]testing.InternalTest{{Name: "broken: " + broken, F: quiet}}) {
			t.Errorf("a sink with %s passes", broken)
		}
	}
}

// numbers are those of rows.
func numbers(rows []string) (ns []int) {
	for _, row := range rows {
		var n int
		_, _ = fmt.Sscanf(row, "row %d", &n)
		ns = append(ns, n)
	}
	return ns
}
