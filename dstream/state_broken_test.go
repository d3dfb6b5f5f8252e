package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// An ailingStore is a store in memory that fails when read or commit, which may be nil, gives an error.
type ailingStore struct {
	dstream.Sorted
	read, commit func() error
}

type ailingRows struct {
	dstream.StateRows
	of ailingStore
}

type ailingBatch struct {
	dstream.StateBatch
	of ailingStore
}

func ails(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (a ailingStore) Open(dir string, memory int64) (dstream.StateRows, error) {
	rows, err := a.Sorted.Open(dir, memory)
	return ailingRows{rows, a}, err
}

func (r ailingRows) Get(key, buf []byte) ([]byte, bool, error) {
	if err := ails(r.of.read); err != nil {
		return nil, false, err
	}
	return r.StateRows.Get(key, buf)
}

func (r ailingRows) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	if err := ails(r.of.read); err != nil {
		return err
	}
	return r.StateRows.Scan(from, to, yield)
}

func (r ailingRows) Batch() dstream.StateBatch { return ailingBatch{r.StateRows.Batch(), r.of} }

func (b ailingBatch) Commit() error {
	if err := ails(b.of.commit); err != nil {
		return err
	}
	return b.StateBatch.Commit()
}

// TestBrokenState: a store that fails when it takes a committed batch over ends the program, whatever becomes of failed
// batches, for no other batch would fare better; the next one lacks nothing.
func TestBrokenState(t *testing.T) {
	for _, policy := range []string{"retry", "skipWithState"} {
		t.Run(policy, func(t *testing.T) {
			disk, got, left := vfs.NewDisk("disk"), map[string]string{}, new(atomic.Int64)
			start := func(t *testing.T, room int64) *life {
				left.Store(room)
				return mustLive(t, disk, func(ssc *dstream.Context) {
					ssc.AddStateStore(ailingStore{commit: func() error {
						if left.Add(-1) < 0 {
							return errors.New("no space left on device")
						}
						return nil
					}})
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					keyed := dstream.Map(d, func(int) pair { return rdd.KV("k", 1) })
					watch(dstream.UpdateStateByKey(keyed, add).Named("sums"), "sums", got)
				}, "weir.state.store", "sorted", "weir.streaming.failedBatch", policy)
			}
			synctest.Test(t, func(t *testing.T) {
				skipped := 0
				l := start(t, 6)
				l.AddListener(func(e dstream.Event) {
					if _, ok := e.(dstream.BatchSkipped); ok {
						skipped++
					}
				})
				err := l.AwaitTermination(t.Context())
				if err == nil || !strings.Contains(err.Error(), "the next start loads it anew: no space left on device") ||
					strings.Contains(err.Error(), "weir.checkpoint.skip") {
					t.Errorf("it ends with %v", err)
				}
				if skipped > 0 {
					t.Errorf("%d batches were given up", skipped)
				}
				_ = l.Stop(t.Context())
			})
			synctest.Test(t, func(t *testing.T) {
				l := start(t, 1000)
				time.Sleep(10 * time.Second)
				l.stop(t)
			})
			if got["09 sums"] != "(k,20)" {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestBrokenWindow: a window that a panic has left half-way ends the program at once, whatever becomes of failed
// batches, for no other try would fare better; the next start has the window as it was before. If it panics there, too,
// the batch can be given up.
func TestBrokenWindow(t *testing.T) {
	for _, policy := range []string{"retry", "skipWithState"} {
		t.Run(policy, func(t *testing.T) {
			disk, got, panics := vfs.NewDisk("disk"), map[string]string{}, false
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				keyed := dstream.Map(d, func(v int) pair { return rdd.KV("k", v) })
				watch(dstream.ReduceByKeyAndWindow(keyed, func(a, b int) int {
					if panics && a == 0+1+2+3 && b == 4+5 { // Batch 2 enters the window.
						panic("a trouble")
					}
					return a + b
				}, 10*time.Second, 0).Named("sums"), "sums", got)
			}
			fails := func(t *testing.T) {
				l := mustLive(t, disk, build, "weir.streaming.failedBatch", policy)
				err := l.AwaitTermination(t.Context())
				if err == nil || !strings.Contains(err.Error(), "the window was left half-way by an earlier error, and "+
					"the next start loads it anew: panic at") || strings.Contains(err.Error(), "failedBatch") ||
					!strings.Contains(err.Error(), "at the next start again, give the batch up there by "+
						"weir.checkpoint.skip=2)") {
					t.Errorf("it ends with %v", err)
				}
				_ = l.Stop(t.Context())
				for _, vain := range []string{"a batch failed and is run again", "a batch is given up"} {
					if strings.Contains(l.log.String(), vain) {
						t.Errorf("the log has %q", vain)
					}
				}
			}
			goesOn := func(settings ...string) {
				synctest.Test(t, func(t *testing.T) {
					l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch", policy)...)
					time.Sleep(3500 * time.Millisecond)
					l.stop(t)
				})
			}
			panics = true
			synctest.Test(t, fails)
			panics = false
			goesOn()
			if got["02 sums"] != "(k,15)" || got["03 sums"] != "(k,28)" {
				t.Errorf("after a panic that has passed: %v", got)
			}
			disk, panics = vfs.NewDisk("disk"), true
			synctest.Test(t, fails)
			synctest.Test(t, fails)
			clear(got)
			goesOn("weir.checkpoint.skip", "2")
			if got["02 sums"] != "" || got["03 sums"] != "(k,19)" {
				t.Errorf("without the batch: %v", got)
			}
		})
	}
}

// TestUnwrittenState: a file of a state that cannot be written is tried again for as long as a slot of the log is; for
// good, it ends the program, and no batch is given up for it: the next start lacks nothing.
func TestUnwrittenState(t *testing.T) {
	for _, tt := range []struct {
		name   string
		boxed  bool
		fails  time.Duration
		policy string
	}{
		{"once", false, time.Millisecond, "retry"},
		{"once, with outboxes", true, time.Millisecond, "skipWithState"},
		{"for a while", false, 20 * time.Second, "skipWithState"},
		{"for good", false, time.Hour, "skipWithState"},
		{"for good, with outboxes", true, time.Hour, "skipWithState"},
		{"for good, with outboxes that retry", true, time.Hour, "retry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk, held := vfs.NewDisk("disk"), map[int64]string{}
			start := func(t *testing.T, faults func(vfs.Step) vfs.Fault) *life {
				l, err := liveOnFaulty(t, disk, faults, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					keyed := dstream.Map(d, func(v int) rdd.Pair[string, string] {
						return rdd.KV(fmt.Sprint(v), strings.Repeat("x", 9000))
					})
					seen, _ := dstream.MapWithState(keyed, dstream.Spec(func(_ string, v rdd.Optional[string],
						s *dstream.State[string]) int {
						s.Update(v.Value)
						return 1
					}))
					if tt.boxed {
						dstream.WriteTo(seen, dstream.Sink[int](&chest{held: held, stuck: -1})).Named("out")
					} else {
						dstream.Foreach(seen, func(int) error { return nil }).Named("out")
					}
				}, "weir.streaming.failedBatch", tt.policy)
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			synctest.Test(t, func(t *testing.T) {
				full := time.Now().Add(3500 * time.Millisecond)
				l := start(t, func(s vfs.Step) vfs.Fault {
					if now := time.Now(); s.Op == "write" && strings.Contains(s.Name, "/state/") && now.After(full) &&
						now.Before(full.Add(500*time.Millisecond+tt.fails)) {
						return vfs.Full
					}
					return vfs.None
				})
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				defer cancel()
				err := l.AwaitTermination(ctx)
				took := time.Since(full)
				switch {
				case tt.fails < time.Hour:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("it has ended after %v: %v", took, err)
					}
				case err == nil || took < 30*time.Second || took > 35*time.Second ||
					!strings.Contains(err.Error(), "the next start runs it again (tried again for 30s)") ||
					strings.Contains(err.Error(), "weir.checkpoint.skip"):
					t.Errorf("it ends after %v with %v", took, err)
				}
				_ = l.Stop(t.Context())
				if strings.Contains(l.log.String(), "a batch is given up") {
					t.Error("a batch was given up")
				}
			})
			synctest.Test(t, func(t *testing.T) {
				l := start(t, nil)
				time.Sleep(5 * time.Second)
				l.stop(t)
				if strings.Contains(l.log.String(), "a batch was given up") {
					t.Error("a batch was given up")
				}
			})
			if tt.boxed && held[3] == "" {
				t.Errorf("the sink lacks the batch: %v", held)
			}
		})
	}
}

// TestUnreadableStore: a store that cannot be read for a while is asked again; for good, it ends the program, and no
// batch is given up for it: the next start has the state.
func TestUnreadableStore(t *testing.T) {
	for _, operator := range []string{"updateStateByKey", "mapWithState"} {
		t.Run(operator, func(t *testing.T) {
			disk, got, deaf := vfs.NewDisk("disk"), map[string]string{}, new(atomic.Bool)
			start := func(t *testing.T) *life {
				deaf.Store(false)
				return mustLive(t, disk, func(ssc *dstream.Context) {
					ssc.AddStateStore(ailingStore{read: func() error {
						if deaf.Load() {
							return errors.New("input/output error")
						}
						return nil
					}})
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					keyed := dstream.Map(d, func(int) pair { return rdd.KV("k", 1) })
					if operator == "updateStateByKey" {
						watch(dstream.UpdateStateByKey(keyed, add).Named("sums"), "sums", got)
						return
					}
					_, rows := dstream.MapWithState(keyed, dstream.Spec(func(_ string, v rdd.Optional[int],
						s *dstream.State[int]) int {
						s.Update(s.Option().Or(0) + v.Or(0))
						return 0
					}))
					watch(rows.Named("sums"), "sums", got)
				}, "weir.state.store", "sorted", "weir.streaming.failedBatch", "skipWithState")
			}
			synctest.Test(t, func(t *testing.T) {
				skipped := 0
				l := start(t)
				l.AddListener(func(e dstream.Event) {
					if _, ok := e.(dstream.BatchSkipped); ok {
						skipped++
					}
				})
				time.Sleep(2500 * time.Millisecond)
				deaf.Store(true)
				time.Sleep(1200 * time.Millisecond)
				deaf.Store(false)
				time.Sleep(3 * time.Second)
				if l.State() != dstream.Active {
					t.Error("a store that mends has ended it")
				}
				deaf.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				err := l.AwaitTermination(ctx)
				if err == nil || !strings.Contains(err.Error(), "the store of states in spark.local.dir has failed: "+
					"input/output error; the states are in the checkpoint") ||
					strings.Contains(err.Error(), "weir.checkpoint.skip") {
					t.Errorf("it ends with %v", err)
				}
				if skipped > 0 {
					t.Errorf("%d batches were given up", skipped)
				}
				_ = l.Stop(t.Context())
			})
			synctest.Test(t, func(t *testing.T) {
				l := start(t)
				time.Sleep(20 * time.Second)
				l.stop(t)
			})
			if got["09 sums"] != "(k,20)" {
				t.Errorf("%v", got)
			}
		})
	}
}
