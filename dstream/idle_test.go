package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// nowAndThen is a source outside of the process to which a number comes at each of its times, counted from its begin.
type nowAndThen struct {
	begin time.Time
	at    []time.Duration
}

func (s *nowAndThen) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		from = []byte("0-0")
	}
	return from, nil
}

func (s *nowAndThen) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	_, done := parseSpan(from)
	n := done
	for n < len(s.at) && time.Since(s.begin) >= s.at[n] {
		n++
	}
	return fmt.Appendf(nil, "%d-%d", done, n), int64(n - done), nil
}

func (s *nowAndThen) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] { return twos{}.Read(sc, rng) }

func (s *nowAndThen) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (s *nowAndThen) Released(context.Context, []byte) error { return nil }

// An account is a sink with transactions outside of the process.
type account struct {
	mu   sync.Mutex
	last int64
	rows []string
	// die is called when a batch is to be stored; it tells whether the process dies then, and whether before or after.
	die func(sequence int64) (before, after bool)
	// exact tells that it has been opened: before that it promises less, as real ones do.
	exact bool
}

func newAccount() *account { return &account{last: -1} }

func (s *account) Open(_ context.Context, _ string, epoch int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exact = epoch > 0
	return nil
}

func (s *account) Guarantee() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exact {
		return ""
	}
	return "at-least-once"
}

func (s *account) Last(context.Context, string, string, int) (seq int64, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.last >= 0, nil
}

func (s *account) Transaction(id dstream.Effect) string { return id.Output }

func (s *account) Fence(context.Context, []string) error { return nil }

func (s *account) AppendRecord(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (s *account) WriteAll(_ context.Context, effects []dstream.Staged) error {
	s.mu.Lock()
	die := s.die
	s.mu.Unlock()
	var before, after bool
	if die != nil {
		before, after = die(effects[0].ID.Sequence)
	}
	if before {
		return errors.New("dead")
	}
	if err := s.store(effects); err != nil || !after {
		return err
	}
	return errors.New("dead, and stored")
}

// dies sets die, nil for none.
func (s *account) dies(die func(sequence int64) (before, after bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.die = die
}

func (s *account) store(effects []dstream.Staged) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.last
	for _, e := range effects {
		if e.ID.Sequence <= before {
			continue
		}
		for raw, err := range e.Records {
			if err != nil {
				return err
			}
			s.rows = append(s.rows, fmt.Sprintf("%d:%s", e.ID.Sequence, raw))
		}
		s.last = e.ID.Sequence
	}
	return nil
}

func (s *account) Mark(context.Context, dstream.Effect, bool) error { return nil }

func (s *account) Write(context.Context, dstream.Effect, iter.Seq[string]) error {
	panic("there are transactions")
}

func (s *account) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exact = false
	return nil
}

// upTo lists the rows of batches up to one, those of a batch in the order of their texts.
func (s *account) upTo(sequence int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := slices.DeleteFunc(slices.Clone(s.rows), func(row string) bool {
		var of int64
		_, _ = fmt.Sscan(strings.Replace(row, ":", " ", 1), &of)
		return of > sequence
	})
	slices.Sort(rows)
	return strings.Join(rows, " ")
}

func (s *account) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.rows, " ")
}

// entries lists the batches that a log has: those before which there were idle ones with their number.
func entries(t *testing.T, disk *vfs.Disk) string {
	t.Helper()
	st, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, b := range st.Batches {
		text := fmt.Sprint(b.Plan.Sequence)
		if b.Plan.Idle > 0 {
			text = fmt.Sprintf("%d(%d)", b.Plan.Sequence, b.Plan.Idle)
		}
		if b.Skip != nil {
			text += "skipped"
		}
		if b.Open() {
			text += "open"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

// graphs of TestIdle end in an account, or elsewhere.
type idleGraph func(d *dstream.DStream[int], l *account)

func lines[T any](d *dstream.DStream[T]) *dstream.DStream[string] {
	return dstream.Map(d, func(v T) string { return fmt.Sprint(v) })
}

func toAccount(d *dstream.DStream[int], l *account) { dstream.WriteTo(lines(d), l).Named("out") }

func counted(timeout time.Duration) idleGraph {
	return func(d *dstream.DStream[int], l *account) {
		count := func(k int, v rdd.Optional[int], s *dstream.State[int]) string {
			if s.IsTimingOut() {
				return "over"
			}
			s.Update(s.Option().Or(0) + 1)
			return fmt.Sprint("n", s.Get())
		}
		spec := dstream.Spec(count)
		if timeout > 0 {
			spec = spec.Timeout(timeout)
		}
		counts, _ := dstream.MapWithState(dstream.Map(d, func(v int) rdd.Pair[int, int] { return rdd.KV(0, v) }), spec)
		dstream.WriteTo(counts, l).Named("out")
	}
}

// TestIdle: which batches are in the log. The second one without a record has the range of the first, and needs no
// entry if nothing was done in it.
func TestIdle(t *testing.T) {
	const s = time.Second
	body := func(context.Context, *rdd.RDD[int], *dstream.Batch) error { return nil }
	tests := []struct {
		name   string
		at     []time.Duration // of the numbers
		graph  idleGraph
		until  time.Duration
		logged string
		rows   string
	}{
		{"a sink", []time.Duration{1500 * time.Millisecond, 6500 * time.Millisecond}, toAccount, 10 * s,
			"0 1 2 6(3) 7", "1:0 6:1"},
		{"a sink that counts", []time.Duration{1500 * time.Millisecond}, func(d *dstream.DStream[int], l *account) {
			dstream.WriteTo(lines(dstream.Count(d)), l).Named("out")
		}, 5 * s, "0 1 2 3 4", "0:0 1:1 2:0 3:0 4:0"},
		{"print", nil, func(d *dstream.DStream[int], _ *account) { dstream.Print(d, 1) }, 5 * s, "0", ""},
		{"a body", nil, func(d *dstream.DStream[int], _ *account) { dstream.ForeachRDD(d, body) }, 4 * s, "0 1 2 3", ""},
		{"a sink and a body", nil, func(d *dstream.DStream[int], l *account) {
			toAccount(d, l)
			dstream.ForeachRDD(d, body)
		}, 4 * s, "0 1 2 3", ""},
		{"a window", nil, func(d *dstream.DStream[int], l *account) { toAccount(dstream.Window(d, 3*s, s), l) }, 4 * s,
			"0 1 2 3", ""},
		{"a state", []time.Duration{1500 * time.Millisecond, 6500 * time.Millisecond}, counted(0), 9 * s,
			"0 1 2 6(3) 7", "1:n1 6:n2"},
		{"a state that times out", []time.Duration{1500 * time.Millisecond}, counted(4 * s), 12 * s,
			"0 1 2 6(3)", "1:n1 6:over"},
		{"a state of every key", nil, func(d *dstream.DStream[int], l *account) {
			sums := dstream.UpdateStateByKey(dstream.Map(d, func(v int) rdd.Pair[int, int] { return rdd.KV(0, v) }),
				func(vs []int, n int, _ bool) (int, bool) { return n + len(vs), true })
			dstream.WriteTo(lines(sums), l).Named("out")
		}, 4 * s, "0 1 2 3", ""},
		{"a state of what a Transform brings in", nil, func(d *dstream.DStream[int], l *account) {
			counted(0)(dstream.Transform(d, func(r *rdd.RDD[int], at dstream.Time) *rdd.RDD[int] {
				if at.Std().Second()%3 != 0 {
					return r
				}
				return rdd.Parallelize(r.Context(), []int{7})
			}), l)
		}, 8 * s, "0 2(1) 5(2)", "2:n1 5:n2"},
		{"longer than that", nil, toAccount, 25 * s, "0 10(9) 20(9)", ""},
		{"a sink of what is left out", []time.Duration{1500 * time.Millisecond}, func(d *dstream.DStream[int], l *account) {
			toAccount(dstream.Filter(d, func(int) bool { return false }), l)
		}, 6 * s, "0 1 2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, l := vfs.NewDisk("disk"), newAccount()
				source := &nowAndThen{time.Now(), tt.at}
				live := mustLive(t, disk, func(ssc *dstream.Context) {
					tt.graph(dstream.FromSource(ssc, "numbers", dstream.Source[int](source)).Named("numbers"), l)
				})
				time.Sleep(tt.until + 500*time.Millisecond)
				live.stop(t)
				if got := entries(t, disk); got != tt.logged {
					t.Errorf("the log has the batches %q, want %q", got, tt.logged)
				}
				if got := l.text(); got != tt.rows {
					t.Errorf("the sink has %q, want %q", got, tt.rows)
				}
			})
		})
	}
}

// TestIdleBehindOne: while a batch runs, those that come are planned in the log, idle or not: none waits for another to
// be over, and a stop finds them.
func TestIdleBehindOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, l := vfs.NewDisk("disk"), newAccount()
		l.dies(func(sequence int64) (before, after bool) { // It is but slow.
			if sequence == 1 {
				time.Sleep(4 * time.Second)
			}
			return false, false
		})
		source := &nowAndThen{time.Now(), []time.Duration{1500 * time.Millisecond}}
		live := mustLive(t, disk, func(ssc *dstream.Context) {
			toAccount(dstream.FromSource(ssc, "numbers", dstream.Source[int](source)).Named("numbers"), l)
		})
		time.Sleep(4500 * time.Millisecond)
		if got, want := entries(t, disk), "0 1open 2open 3open"; got != want {
			t.Errorf("behind a batch that runs the log has %q, want %q", got, want)
		}
		live.stop(t)
		if got, want := entries(t, disk), "0 1 2 3"; got != want {
			t.Errorf("in the end the log has %q, want %q", got, want)
		}
	})
}

// TestIdleCutOff: a batch that a stop cuts off while it does nothing was never there.
func TestIdleCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, l, hang := vfs.NewDisk("disk"), newAccount(), new(atomic.Bool)
		source := &nowAndThen{time.Now(), nil}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](source)).Named("numbers")
			toAccount(dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
				if hang.Load() {
					time.Sleep(2 * time.Second)
				}
				return in
			}), l)
		}
		live := mustLive(t, disk, build)
		time.Sleep(3500 * time.Millisecond)
		hang.Store(true)
		time.Sleep(time.Second) // Batch 3 hangs.
		if err := errors.Join(live.Stop(t.Context()), live.LeftOpen()); err != nil {
			t.Error(err)
		}
		state, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
		if err != nil || !state.Stopped || entries(t, disk) != "0" {
			t.Errorf("%v: the log has %s, stopped cleanly: %v", err, entries(t, disk), state.Stopped)
		}
	})
}

// TestIdleDies: whatever batch the process dies in, with idle ones before it, the next one goes on with what comes, and
// stops cleanly.
func TestIdleDies(t *testing.T) {
	for after := 500 * time.Millisecond; after < 10*time.Second; after += 700 * time.Millisecond {
		dieAndGoOn(t, fmt.Sprint("after ", after), after, nil)
	}
	// Batch 5 is the first with records after idle ones.
	for how, stored := range map[string]bool{"before it is stored": false, "when it is stored": true} {
		dieAndGoOn(t, how, 7*time.Second, func(sequence int64) (before, after bool) {
			return sequence == 5 && !stored, sequence == 5 && stored
		})
	}
}

func dieAndGoOn(t *testing.T, how string, after time.Duration, die func(sequence int64) (before, after bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk, l := vfs.NewDisk("disk"), newAccount()
		const s = time.Second
		source := &nowAndThen{time.Now(), []time.Duration{1300 * time.Millisecond, 5200 * time.Millisecond, 5300 *
			time.Millisecond, 9 * s, 13 * s}}
		build := func(ssc *dstream.Context) {
			counted(0)(dstream.FromSource(ssc, "numbers", dstream.Source[int](source)).Named("numbers"), l)
		}
		first := mustLive(t, disk, build, "weir.streaming.failedBatch", "stop")
		if die != nil {
			l.dies(func(sequence int64) (before, after bool) {
				if before, after = die(sequence); before || after {
					first.mount.Kill()
				}
				return before, after
			})
		}
		time.Sleep(after)
		first.die(t)
		l.dies(nil)
		disk = disk.Crash(uint64(after))
		second := mustLive(t, disk, build)
		time.Sleep(16 * s)
		second.stop(t)
		var rows []string
		for _, row := range strings.Fields(l.text()) {
			_, v, _ := strings.Cut(row, ":")
			rows = append(rows, v)
		}
		if want := []string{"n1", "n2", "n3", "n4", "n5"}; !slices.Equal(rows, want) {
			t.Errorf("dead %s: the sink has %v, want %v; the log has %s", how, l.text(), want, entries(t, disk))
		}
		if st, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck"); err != nil || !st.Stopped {
			t.Errorf("dead %s: the stop of the next one was not clean: the log has %s, %v", how, entries(t, disk), err)
		}
	})
}
