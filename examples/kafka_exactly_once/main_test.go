package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// A world is what outlives the processes of the program: a cluster and a disk.
type world struct {
	t    *testing.T
	c    *kafkatest.Cluster
	disk *vfs.Disk
	sent int
	// accept is weir.sink.accept.
	accept string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, c: kafkatest.Start(t, kfake.SeedTopics(2, "numbers"), kfake.SeedTopics(3, "sums")),
		disk: vfs.NewDisk("disk")}
}

// send writes the next n numbers, to five keys, those of a key in order.
func (w *world) send(n int) {
	w.t.Helper()
	var records []*kgo.Record
	for range n {
		key := w.sent % 5
		records = append(records, &kgo.Record{Topic: "numbers", Partition: int32(key % 2), Key: fmt.Append(nil, "k", key),
			Value: fmt.Append(nil, w.sent)})
		w.sent++
	}
	w.c.ProduceRecords(records...)
}

// run runs a process of the program until ctx ends.
func (w *world) run(ctx context.Context, p *kafkatest.Process, mount *vfs.Mount, opts ...weir.Option) error {
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.checkpoint.directory", "disk:/ckpt").
		Set("spark.streaming.gracefulStopTimeout", "20s").Set("weir.sink.accept", w.accept)
	program := build(&settings{brokers: w.c.Bootstrap(), in: "numbers", out: "sums"}, p.Dialer())
	return weir.Run(ctx, program, append(opts, weir.Interval(time.Second), weir.Conf(c), weir.WithFileSystem(mount),
		weir.Output(io.Discard))...)
}

// answers are the committed records of the topic "sums", those of a key in their order.
func (w *world) answers() map[string][]string {
	out := map[string][]string{}
	for _, r := range w.c.Records("sums") {
		out[string(r.Key)] = append(out[string(r.Key)], string(r.Value))
	}
	return out
}

// want are the answers to all that was sent.
func (w *world) want() map[string][]string {
	out, totals := map[string][]string{}, map[string]total{}
	for i := range w.sent {
		key := fmt.Sprint("k", i%5)
		t := totals[key]
		t.Count, t.Sum = t.Count+1, t.Sum+int64(i)
		totals[key] = t
		out[key] = append(out[key], fmt.Sprint(t.Count, " ", t.Sum))
	}
	return out
}

func (w *world) compare(when string) {
	w.t.Helper()
	if got, want := w.answers(), w.want(); !maps.EqualFunc(got, want, slices.Equal) {
		w.t.Errorf("%s:\n got %v\nwant %v", when, got, want)
	}
}

// Each number is answered once, in order, over a clean stop and a start.
func TestExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 2 {
			w.send(20)
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			var log strings.Builder
			err := w.run(ctx, w.c.Process(), w.disk.Mount(nil), weir.Logger(slog.New(slog.NewTextHandler(&log, nil))))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			w.compare("after a clean stop")
			if !strings.Contains(log.String(), `guarantee="exactly-once: `) {
				t.Errorf("it does not say that it is exactly-once:\n%s", log.String())
			}
		}
	})
}

// The program dies at each of its requests to the brokers, which is lost or of which the answer is lost, its disk with
// it; another process goes on where it was.
func TestDies(t *testing.T) {
	for _, late := range []bool{false, true} {
		places := 0
		for reached := true; reached && !t.Failed(); places++ {
			synctest.Test(t, func(t *testing.T) { reached = dies(t, places, late) })
		}
		t.Logf("late: %v: died at %d requests", late, places-1)
	}
}

func dies(t *testing.T, request int, late bool) (reached bool) {
	w := newWorld(t)
	w.send(10)
	first, mount := w.c.Process(), w.disk.Mount(nil)
	first.DieAt(request, late, mount.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
	defer cancel()
	over := make(chan error, 1)
	go func() {
		over <- w.run(ctx, first, mount, weir.Listener(func(e dstream.Event) {
			if _, ok := e.(dstream.BatchCommitted); ok && w.sent < 30 {
				w.send(10)
			}
		}))
	}()
	err := <-over
	if !first.Dead() {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	after, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	if err := w.run(after, w.c.Process(), w.disk.Mount(nil)); err != nil {
		t.Fatalf("after the process died at request %d (late: %v): %v", request, late, err)
	}
	w.compare(fmt.Sprintf("died at request %d (late: %v)", request, late))
	return true
}

// An older checkpoint, or a topic that was made anew, stops the program until the user says what is to become of it.
func TestOtherPast(t *testing.T) {
	for _, tt := range []struct {
		name   string
		other  func(w *world, older *vfs.Disk) // what is not as it was when the program goes on
		accept string
		says   string
		want   string // the answers to the key k0, of which four batches have come
	}{
		{"older checkpoint", (*world).restore, "", `output answers (`, ""},
		{"older checkpoint, how to go on", (*world).restore, "", `set weir.sink.accept to "answers=loss" so that nothing `, ""},
		{"older checkpoint, loss", (*world).restore, "answers=loss", "", "1 0, 2 5, 3 15, 4 30"},
		{"older checkpoint, duplicates", (*world).restore, "answers=duplicates", "",
			"1 0, 2 5, 3 15, 4 30, 3 15, 4 30, 5 50, 6 75"},
		{"new topic", (*world).recreate, "", `its sink holds no batch, but the log says that batch `, ""},
		{"new topic, loss", (*world).recreate, "answers=loss", "", "5 50, 6 75"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				run := func() error {
					w.send(10)
					ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
					defer cancel()
					return w.run(ctx, w.c.Process(), w.disk.Mount(nil))
				}
				if err := run(); err != nil {
					t.Fatal(err)
				}
				older := w.disk.Crash(1)
				if err := run(); err != nil {
					t.Fatal(err)
				}
				tt.other(w, older)
				w.accept = tt.accept
				err := run()
				if tt.says != "" {
					if err == nil || !strings.Contains(err.Error(), tt.says) {
						t.Errorf("got  %v\nwant %s", err, tt.says)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(w.answers()["k0"], ", "); got != tt.want {
					t.Errorf("answers %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// restore has the checkpoint be an older one.
func (w *world) restore(older *vfs.Disk) { w.disk = older }

// recreate makes the topic of the answers anew.
func (w *world) recreate(*vfs.Disk) {
	if err := w.c.DeleteTopic("sums"); err != nil {
		w.t.Fatal(err)
	}
	if err := w.c.CreateTopic("sums", 3, nil); err != nil {
		w.t.Fatal(err)
	}
}
