package dstream_test

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

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A chest stores batches in transactions, and outlives processes. The transaction of one batch never ends.
type chest struct {
	held  map[int64]string
	stuck int64
}

func (*chest) Open(context.Context, string, int64) error { return nil }

func (c *chest) Last(context.Context, string, string, int) (seq int64, ok bool, err error) {
	for s := range c.held {
		seq, ok = max(seq, s), true
	}
	return seq, ok, nil
}

func (*chest) Transaction(dstream.Effect) string { return "chest" }

func (*chest) Fence(context.Context, []string) error { return nil }

func (*chest) AppendRecord(dst []byte, v int) ([]byte, error) { return fmt.Append(dst, v), nil }

func (c *chest) WriteAll(ctx context.Context, effects []dstream.Staged) error {
	for _, e := range effects {
		if e.ID.Sequence == c.stuck {
			<-ctx.Done()
			return context.Cause(ctx)
		}
	}
	for _, e := range effects {
		var all []string
		for raw := range e.Records {
			all = append(all, string(raw))
		}
		c.held[e.ID.Sequence] += "[" + strings.Join(all, " ") + "]"
	}
	return nil
}

func (*chest) Mark(context.Context, dstream.Effect, bool) error { return nil }

func (*chest) Write(context.Context, dstream.Effect, iter.Seq[int]) error { return nil }

func (*chest) Close(context.Context) error { return nil }

// TestDeathWhileATransactionIsOnItsWay: what has run ahead of a transaction runs again after a crash, but for outputs
// that had finished; and no batch is committed before its transaction is.
func TestDeathWhileATransactionIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, c := vfs.NewDisk("disk"), &chest{held: map[int64]string{}, stuck: 1}
		var seen []string
		var committed []int64
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			sums, _ := dstream.MapWithState(dstream.Map(d, func(v int) rdd.Pair[string, int] { return rdd.KV("", v) }),
				dstream.Spec(func(_ string, v rdd.Optional[int], s *dstream.State[int]) int {
					s.Update(s.Option().Or(0) + v.Value)
					return s.Get()
				}))
			dstream.WriteTo(sums, dstream.Sink[int](c)).Named("sums")
			dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				seen = append(seen, fmt.Sprint(b.Sequence))
				return nil
			}).Named("body")
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.BatchCommitted); ok {
					committed = append(committed, e.Sequence)
				}
			})
		}
		first := mustLive(t, disk, build)
		time.Sleep(4500 * time.Millisecond)
		synctest.Wait()
		if want := []int64{0}; !slices.Equal(committed, want) {
			t.Errorf("committed are %v, want %v", committed, want)
		}
		if got, want := strings.Join(seen, " "), "0 1 2 3"; got != want {
			t.Errorf("the body has run in %s, want %s", got, want)
		}
		first.die(t)
		c.stuck = -1
		second := mustLive(t, disk.Crash(5), build)
		time.Sleep(1200 * time.Millisecond)
		second.stop(t)
		if got, want := strings.Join(seen, " "), "0 1 2 3 4"; !strings.HasPrefix(got, want) {
			t.Errorf("the body has run in %s, want %s", got, want)
		}
		for seq, want := range []string{"[0 1]", "[3 6]", "[10 15]", "[21 28]", "[36 45]"} {
			if got := c.held[int64(seq)]; got != want {
				t.Errorf("batch %d is %q, want %q", seq, got, want)
			}
		}
	})
}

// A refusing chest takes nothing.
type refusing struct{ chest }

func (*refusing) WriteAll(context.Context, []dstream.Staged) error { return errors.New("too large") }

// TestTransactionThatNeverSucceeds: the error that ends the program says how such a batch is given up.
func TestTransactionThatNeverSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.WriteTo(d, dstream.Sink[int](&refusing{})).Named("out")
		}, "weir.streaming.failedBatch.maxRetries", "1", "weir.streaming.failedBatch.backoff", "10ms")
		err := l.AwaitTermination(t.Context())
		if err == nil || !strings.Contains(err.Error(), "too large") || strings.Count(err.Error(), "give it and its records "+
			"up by weir.checkpoint.skip=0 at one start, or each such batch by weir.streaming.failedBatch=skip;") != 1 {
			t.Errorf("%v", err)
		}
	})
}

// TestGiveUpBehindOthers: a batch is not given up whose successors are in a sink already, for they build on it.
func TestGiveUpBehindOthers(t *testing.T) {
	for _, skipped := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			disk, c := vfs.NewDisk("disk"), &chest{held: map[int64]string{}, stuck: 1}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				add := func(a, b int) int { return a + b }
				dstream.WriteTo(dstream.ReduceByWindow(d, add, 2*time.Second, time.Second), dstream.Sink[int](c)).
					Named("sums")
			}
			first := mustLive(t, disk, build)
			time.Sleep(4500 * time.Millisecond)
			first.die(t)
			c.stuck, c.held[3] = -1, "as if the transaction had been on its way"
			second := mustLive(t, disk.Crash(5), build, "weir.checkpoint.skip", fmt.Sprint(skipped))
			time.Sleep(1200 * time.Millisecond)
			_ = second.Stop(t.Context(), dstream.Graceful())
			err := second.AwaitTermination(t.Context())
			const refused = "its sink holds batch 3, whose records build on the states and windows that batch 1 has left"
			if skipped == 1 && (err == nil || !strings.Contains(err.Error(), refused)) || skipped == 3 && err != nil {
				t.Errorf("batch %d is given up, and the program ends with %v", skipped, err)
			}
		})
	}
}

// TestGiveUpBehindOutputs is TestGiveUpBehindOthers for outputs that do not wait for the transaction, and have finished
// the batch that is to be given up: the log tells of later batches, or their sinks do.
func TestGiveUpBehindOutputs(t *testing.T) {
	type ints = *dstream.DStream[int]
	for _, row := range []struct {
		name   string
		lasts  time.Duration
		output func(d ints, store *kept) *dstream.Output
		want   string // of the error if batch 1 is given up
	}{
		{"a sink", 4500 * time.Millisecond, func(d ints, store *kept) *dstream.Output {
			return dstream.WriteTo(d, dstream.Sink[int](store))
		}, "has finished batch 2, whose records build on the states and windows that batch 1 has left"},
		{"a sink that had no time to tell the log", 3500 * time.Millisecond, func(d ints, store *kept) *dstream.Output {
			return dstream.WriteTo(d, dstream.Sink[int](store))
		}, "its sink holds batch 2, whose records build on the states and windows that batch 1 has left"},
		{"a body", 4500 * time.Millisecond, func(d ints, _ *kept) *dstream.Output {
			return dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { return nil })
		}, "output rest (following_test.go"},
		{"a sink that was given nothing", 4500 * time.Millisecond, func(d ints, store *kept) *dstream.Output {
			none := dstream.Filter(d, func(int) bool { return false })
			return dstream.WriteTo(none, dstream.Sink[int](&forgetful{kept{last: map[string]int64{}}}))
		}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk, c, died := vfs.NewDisk("disk"), &chest{held: map[int64]string{}, stuck: 1}, make(chan struct{})
			store := &kept{last: map[string]int64{}, wrote: func(id dstream.Effect) {
				if id.Sequence == 2 && row.lasts < 4*time.Second {
					<-died
				}
			}}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				sums := dstream.ReduceByWindow(d, func(a, b int) int { return a + b }, 2*time.Second, time.Second)
				dstream.WriteTo(sums, dstream.Sink[int](c)).Named("sums")
				row.output(sums, store).Named("rest")
			}
			first := mustLive(t, disk, build)
			time.Sleep(row.lasts)
			first.die(t)
			close(died)
			c.stuck = -1
			second := mustLive(t, disk.Crash(5), build, "weir.checkpoint.skip", "1")
			time.Sleep(1200 * time.Millisecond)
			_ = second.Stop(t.Context(), dstream.Graceful())
			err := second.AwaitTermination(t.Context())
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: the program ends with %v, want %q", row.name, err, row.want)
			}
		})
	}
}
