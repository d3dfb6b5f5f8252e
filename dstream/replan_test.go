package dstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A resplit program counts the numbers by their rest of three, and writes what changed into an account.
type resplit struct {
	parts   int // of the state
	input   string
	another *account // one more output
	body    bool     // one of the user's own
	asBody  bool     // the first output is one
	slow    bool     // the interval is another one
}

func (p resplit) build(l *account) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named(p.input)
		count := func(k int, v rdd.Optional[int], s *dstream.State[int]) int {
			s.Update(s.Option().Or(0) + v.Value)
			return 10*s.Get() + k
		}
		keyed := dstream.Map(d, func(v int) rdd.Pair[int, int] { return rdd.KV(v%3, v) })
		out, _ := dstream.MapWithState(keyed, dstream.Spec(count).Partitions(p.parts))
		out = out.Named("sums")
		if p.asBody {
			dstream.ForeachRDD(lines(out), func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
				return dstream.Save(ctx, b, "x", r, l)
			}).Named("out")
		} else {
			dstream.WriteTo(lines(out), l).Named("out")
		}
		if p.another != nil {
			dstream.WriteTo(lines(out), p.another).Named("another")
		}
		if p.body {
			dstream.Foreach(out, func(int) error { return nil }).Named("body")
		}
	}
}

// TestReplan: a planned batch of which no sink has anything is split as the new program does. One of which a sink has
// something, or might, is the old program's to finish.
func TestReplan(t *testing.T) {
	first := resplit{parts: 2, input: "numbers"}
	more := newAccount()
	tests := []struct {
		name    string
		old     func(p *resplit) // nil for the first program
		change  func(p *resplit)
		stored  bool   // the batch is in the sink when the first process dies
		refused string // by a start; "" if it goes on
		checked bool   // a check says that, too: it asks no sink
	}{
		{name: "nothing is there", change: func(p *resplit) { p.parts = 5 }},
		{name: "one more output", change: func(p *resplit) { p.another = more }},
		{name: "the sink has it", change: func(p *resplit) { p.parts = 5 }, stored: true,
			refused: "the sink of the output out holds batches up to 3"},
		{name: "nothing has changed", change: func(*resplit) {}, stored: true},
		{name: "an output that tells nothing", old: func(p *resplit) { p.body = true },
			change: func(p *resplit) { p.parts = 5 }, refused: "would be split differently now", checked: true},
		{name: "an output was of another kind", old: func(p *resplit) { p.asBody = true },
			change:  func(p *resplit) { p.asBody, p.parts = false, 5 },
			refused: `was foreachRDD`, checked: true},
		{name: "another interval", change: func(p *resplit) { p.slow = true },
			refused: `the setting "weir.streaming.interval" was 1s, is 2s`, checked: true},
		{name: "an output is gone", old: func(p *resplit) { p.another = newAccount() },
			change: func(p *resplit) { p.another = nil }, refused: `(sums)#2" is not in the program any more`,
			checked: true},
		{name: "the input is gone", change: func(p *resplit) { p.input, p.parts = "others", 5 },
			refused: `the input "numbers" of the checkpoint is not in the program`, checked: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, l, p := vfs.NewDisk("disk"), newAccount(), first
				if tt.old != nil {
					tt.old(&p)
				}
				live := mustLive(t, disk, p.build(l))
				time.Sleep(3500 * time.Millisecond)
				l.dies(func(sequence int64) (before, after bool) {
					if sequence == 3 {
						live.mount.Kill()
					}
					return sequence == 3 && !tt.stored, sequence == 3 && tt.stored
				})
				time.Sleep(time.Second)
				_ = live.Stop(t.Context())
				l.dies(nil)
				if disk = disk.Crash(1); entries(t, disk) != "0 1 2 3open" {
					t.Fatalf("the log has %s", entries(t, disk))
				}
				tt.change(&p)
				checked := p.context(t, disk, l)
				fit, err := checked.CheckCheckpoint(t.Context())
				err = errors.Join(err, checked.Stop(t.Context()))
				anew := fit != nil && len(fit.Anew) > 0
				if tt.checked != errors.Is(err, dstream.ErrUnfit) || !tt.checked && anew != (p != first) {
					t.Errorf("a check says %+v, %v", fit, err)
				}
				ssc := p.context(t, disk, l)
				err = ssc.Start(t.Context())
				if tt.refused != "" {
					if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), tt.refused) {
						t.Errorf("a start says %v, want %q", err, tt.refused)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(1500 * time.Millisecond)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
				const want = "0:0 0:11 1:22 1:30 2:51 2:72 3:121 3:90" // of 0 1, 2 3, 4 5, 6 7
				if got := l.upTo(3); got != want {
					t.Errorf("the sink has %s, want %s", got, want)
				}
				st, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
				if err != nil || st.Batch(3).Plan.Split.Buckets["sums"].Partitions != p.parts {
					t.Errorf("the plan of batch 3 has the split %+v, %v", st.Batch(3).Plan.Split, err)
				}
			})
		})
	}
}

// context makes the program on a disk.
func (p resplit) context(t *testing.T, disk *vfs.Disk, l *account) *dstream.Context {
	t.Helper()
	interval := time.Second
	if p.slow {
		interval = 2 * time.Second
	}
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), interval,
		rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	ssc.Checkpoint("disk:/ck")
	p.build(l)(ssc)
	return ssc
}
