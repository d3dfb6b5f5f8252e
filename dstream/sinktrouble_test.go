package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A crate is a sink that can be full for a time, says what it holds from memory, and burns what it does not hold.
type crate struct {
	mark       func(error) error // of what it says when it is full
	full, room time.Time

	mu   sync.Mutex
	held map[int64][]int
	last int64
}

func (s *crate) Open(context.Context, string, int64) error { return nil }

func (s *crate) Last(context.Context, string, string, int) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, len(s.held) > 0, nil
}

func (s *crate) Newest(ctx context.Context, output, effect string) (int64, bool, error) {
	return s.Last(ctx, output, effect, 0)
}

func (s *crate) Rewind(context.Context, dstream.Effect) error { return nil }

func (s *crate) Prepare(_ context.Context, _ dstream.Effect, in iter.Seq[int]) ([]byte, error) {
	made := []byte(fmt.Sprint(slices.Collect(in)))
	if now := time.Now(); now.After(s.full) && now.Before(s.room) {
		return nil, s.mark(fmt.Errorf("the crate is full: %w", syscall.ENOSPC))
	}
	return made, nil
}

func (s *crate) Commit(_ context.Context, id dstream.Effect, made [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id.Sequence <= s.last && len(s.held) > 0 {
		return nil
	}
	s.last = id.Sequence
	for _, part := range made {
		for text := range strings.FieldsSeq(strings.Trim(string(part), "[]")) {
			var n int
			_, _ = fmt.Sscan(text, &n)
			s.held[id.Sequence] = append(s.held[id.Sequence], n)
		}
	}
	return nil
}

func (s *crate) Drop(context.Context, [][]byte) {}

func (s *crate) Write(context.Context, dstream.Effect, iter.Seq[int]) error { return nil }

func (s *crate) Burn(context.Context, dstream.Effect, int) (int, error) { return 0, nil }

func (s *crate) Close(context.Context) error { return nil }

// numbers are those that the crate holds, of the batches before n, in order.
func (s *crate) numbers(n int64) (all []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(s.held)) {
		if seq < n {
			all = append(all, s.held[seq]...)
		}
	}
	slices.Sort(all)
	return all
}

// TestSinkTrouble: where a sink cannot be written, no batch is given up for it, but for one that does not say so. The
// program goes on if the sink mends soon, and ends if it does not; the next one stores what the first one lacks.
func TestSinkTrouble(t *testing.T) {
	same := func(err error) error { return err }
	write := func(d *dstream.DStream[int], s *crate) { dstream.WriteTo(d, dstream.Sink[int](s)).Named("crate") }
	save := func(d *dstream.DStream[int], s *crate) {
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
			if err := dstream.Save(ctx, b, "all", r, dstream.Sink[int](s)); err != nil {
				return fmt.Errorf("saved nothing: %v", err) // The body hides what it was.
			}
			return nil
		}).Named("crate")
	}
	for name, tt := range map[string]struct {
		mark  func(error) error
		build func(d *dstream.DStream[int], s *crate)
		lasts time.Duration // of the trouble
		ends  bool
		lost  bool
	}{
		"the sink says so":              {dstream.SinkTrouble, write, 3 * time.Minute, true, false},
		"it says so to a body":          {dstream.SinkTrouble, save, 3 * time.Minute, true, false},
		"it mends":                      {dstream.SinkTrouble, write, 8 * time.Second, false, false},
		"it does not say so":            {same, write, 3 * time.Minute, false, true},
		"it does not say so to a body":  {same, save, 3 * time.Minute, false, true},
		"it does not say so, and mends": {same, write, 8 * time.Second, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				s := &crate{mark: tt.mark, held: map[int64][]int{}, full: time.Now().Add(3500 * time.Millisecond)}
				s.room = s.full.Add(tt.lasts)
				start := func() *life {
					return mustLive(t, disk, func(ssc *dstream.Context) {
						d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
						tt.build(d, s)
					}, "weir.streaming.failedBatch", "skip")
				}
				l := start()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				err := l.AwaitTermination(ctx)
				text := fmt.Sprint(err)
				says := strings.Contains(text, "the crate is full") && !strings.Contains(text, "checkpoint.skip")
				if ended := ctx.Err() == nil; ended != tt.ends || ended && !says {
					t.Errorf("it ended: %v, by %v", ended, err)
				}
				_ = l.Stop(t.Context())
				time.Sleep(time.Until(s.room))
				l = start()
				time.Sleep(20 * time.Second)
				l.stop(t)
				skipped := fmt.Sprint(skipsOf(t, disk)) != "[]"
				lost := len(s.numbers(15)) < 30
				if skipped != tt.lost || lost != tt.lost {
					t.Errorf("batches were given up: %v; the crate has %v", skipped, s.numbers(15))
				}
			})
		})
	}
}

// TestSinkTroubleOfNothing: no error stays none, and what is in one is found.
func TestSinkTroubleOfNothing(t *testing.T) {
	if err := dstream.SinkTrouble(nil); err != nil {
		t.Error(err)
	}
	err := dstream.SinkTrouble(syscall.EROFS)
	if !errors.Is(err, syscall.EROFS) || err.Error() != syscall.EROFS.Error() {
		t.Error(err)
	}
}
