package dstream_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

const walSetting = "spark.streaming.receiver.writeAheadLog.enable"

// counting is a receiver of the numbers 0, 1 ... from a source that can be read again from each of them on, and that
// sends the last few once more whenever it is connected to.
type counting struct {
	every time.Duration
	work  sync.WaitGroup
	stop  context.CancelFunc

	mu      sync.Mutex
	resumed []int // where it was told to go on
}

func (c *counting) Start(ctx context.Context, st *dstream.Store[string], resume []byte) error {
	ctx, c.stop = context.WithCancel(ctx)
	next := 0
	if resume != nil {
		next = int(binary.BigEndian.Uint64(resume)) + 1
	}
	c.mu.Lock()
	c.resumed = append(c.resumed, next)
	c.mu.Unlock()
	c.work.Go(func() { c.send(ctx, st, max(next-3, 0)) })
	return nil
}

// send stores one number alone, then two as a block of their own, then three among others.
func (c *counting) send(ctx context.Context, st *dstream.Store[string], next int) {
	for ctx.Err() == nil {
		n := next%3 + 1
		var vs []string
		for range n {
			vs = append(vs, strconv.Itoa(next))
			next++
		}
		position := binary.BigEndian.AppendUint64(nil, uint64(next-1))
		store := st.Some
		if n == 2 {
			store = st.Many
		}
		if store(vs, position) != nil {
			return
		}
		select {
		case <-time.After(c.every):
		case <-ctx.Done():
		}
	}
}

func (c *counting) Stop(context.Context) error {
	c.stop()
	c.work.Wait()
	return nil
}

func (c *counting) Covers(last, position []byte) bool {
	return binary.BigEndian.Uint64(position) <= binary.BigEndian.Uint64(last)
}

// intoWorld has a world store what a receiver brings.
func intoWorld(r dstream.Receiver[string], w *world) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.ReceiverStream(ssc, "counting", r).Named("numbers")
		dstream.ForeachPartition(d, w.write).Named("out")
	}
}

// ordered gives all that was written, in the order of batches and partitions.
func (w *world) ordered() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	place := func(key string) (batch, part int) {
		parts := strings.Split(key, "/")
		batch, _ = strconv.Atoi(parts[len(parts)-2])
		part, _ = strconv.Atoi(parts[len(parts)-1])
		return batch, part
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.rows), func(a, b string) int {
		ab, ap := place(a)
		bb, bp := place(b)
		return cmp.Or(cmp.Compare(ab, bb), cmp.Compare(ap, bp))
	}) {
		all = append(all, w.rows[key]...)
	}
	return all
}

// fromZero tells what is wrong with numbers that should be 0, 1 ... each of them once.
func fromZero(got []string) error {
	for i, v := range got {
		if v != strconv.Itoa(i) {
			return fmt.Errorf("record %d is %s, after %q", i, v, got[max(i-5, 0):i])
		}
	}
	return nil
}

// TestWriteAheadLogAtEveryStep ends the process before each change of the disk, as kill -9 and as a power failure do:
// whatever happens, each record of a source that has positions is written out exactly once, in order.
func TestWriteAheadLogAtEveryStep(t *testing.T) {
	total := logAt(t, 0, 0)
	if total < 60 {
		t.Errorf("the program takes %d steps", total)
	}
	for k := 1; k <= total; k++ {
		if *crashStep == 0 || *crashStep == k {
			logAt(t, k, 0)
			logAt(t, k, uint64(k))
		}
	}
}

// logAt runs a program whose process dies before its step k, as crashAt does.
func logAt(t *testing.T, k int, seed uint64) (steps int) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		start := func(k int) *life {
			l, err := liveOnFaulty(t, disk, func(s vfs.Step) vfs.Fault {
				if s.Number == k {
					return vfs.Die
				}
				return vfs.None
			}, intoWorld(&counting{every: 170 * time.Millisecond}, w), walSetting, "true")
			if err != nil && k == 0 {
				t.Fatalf("step %d, seed %d: the program does not start again: %v", k, seed, err)
			}
			return l
		}
		l := start(k)
		time.Sleep(2700 * time.Millisecond)
		if k == 0 {
			l.stop(t)
			steps = l.mount.Steps()
		} else {
			l.die(t)
		}
		if seed%3 == 1 { // Else the next process finds what was not synced.
			disk = disk.Crash(seed)
		}
		if seed > 0 {
			l = start(7 + k%41) // and soon once more
			time.Sleep(10 * time.Second)
			l.die(t)
			disk = disk.Crash(seed + 1)
		}
		before := len(w.ordered())
		l = start(0)
		time.Sleep(2700 * time.Millisecond)
		l.stop(t)
		got := w.ordered()
		if err := fromZero(got); err != nil {
			t.Errorf("step %d, seed %d: %v (go test ./dstream -run WriteAheadLogAtEveryStep -args -crash %d)", k, seed, err, k)
		}
		if len(got) < before+20 {
			t.Errorf("step %d, seed %d: %d records, %d of them before the last start", k, seed, len(got), before)
		}
	})
	return steps
}

// TestUnplannedComesFirst: what was logged and in no batch when the process died is in the first batch of the next one,
// and the receiver goes on behind it.
func TestUnplannedComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w, c := vfs.NewDisk("disk"), &world{}, &counting{every: 300 * time.Millisecond}
		l := mustLive(t, disk, intoWorld(c, w), walSetting, "true")
		time.Sleep(2750 * time.Millisecond) // two batches, and three calls since
		l.die(t)
		planned := len(w.ordered())
		c.every = time.Hour
		l = mustLive(t, disk.Crash(5), intoWorld(c, w), walSetting, "true")
		time.Sleep(1500 * time.Millisecond)
		l.die(t)
		got := w.ordered()
		if err := fromZero(got); err != nil {
			t.Error(err)
		}
		if c.resumed[0] != 0 || c.resumed[1] <= planned || len(got) < c.resumed[1] {
			t.Errorf("%d were planned, the receiver went on at %d, and there are %d", planned, c.resumed[1], len(got))
		}
	})
}

// chooser is a receiver that chooses where to begin, stores that, and then nothing until there is a position.
type chooser struct {
	choice  string
	resumed []string
}

func (c *chooser) Start(_ context.Context, st *dstream.Store[string], resume []byte) error {
	c.resumed = append(c.resumed, string(resume))
	if resume == nil {
		return st.Some(nil, []byte(c.choice))
	}
	return st.Many([]string{"behind " + string(resume)}, nil)
}

func (c *chooser) Stop(context.Context) error { return nil }

// TestPositionsAreStoredAlone: a position without records is what the next process is given, planned or not, and it
// makes no partition.
func TestPositionsAreStoredAlone(t *testing.T) {
	for _, wait := range []time.Duration{300 * time.Millisecond, 2700 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			disk, w, parts := vfs.NewDisk("disk"), &world{}, 0
			c := &chooser{choice: "here"}
			build := func(ssc *dstream.Context) {
				d := dstream.ReceiverStream(ssc, "chooser", dstream.Receiver[string](c)).Named("chosen")
				dstream.ForeachPartition(d, w.write).Named("out")
				dstream.ForeachRDD(d, func(_ context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
					parts += r.NumPartitions()
					return nil
				}).Named("parts")
			}
			l := mustLive(t, disk, build, walSetting, "true")
			time.Sleep(wait)
			l.die(t)
			disk, c.choice = disk.Crash(1), "there"
			for range 2 {
				l = mustLive(t, disk, build, walSetting, "true")
				time.Sleep(1700 * time.Millisecond)
				l.stop(t)
			}
			if got := fmt.Sprint(c.resumed, w.ordered(), parts); got != "[ here here] [behind here behind here] 2" {
				t.Errorf("after %v: %s", wait, got)
			}
		})
	}
}

// TestLogIsRead: what does not fit into memory is read from the log, and the sender never waits for memory.
func TestLogIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		value := strings.Repeat("v", 5000)
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			for i := range 100 {
				if err := st.One(fmt.Sprint(i, value)); err != nil {
					return err
				}
			}
			return nil
		}}
		l := mustLive(t, disk, intoWorld(f, w), walSetting, "true", "weir.receiver.memory", "64k")
		if used := l.RDD().Memory().Used(); used > 64<<10 {
			t.Errorf("%d bytes are in memory", used)
		}
		time.Sleep(1500 * time.Millisecond)
		if used := l.RDD().Memory().Used(); used > 64<<10 {
			t.Errorf("%d bytes are in memory", used)
		}
		l.stop(t)
		got := w.ordered()
		for i := range 100 {
			if i >= len(got) || got[i] != fmt.Sprint(i, value) {
				t.Fatalf("record %d of %d is another one", i, len(got))
			}
		}
	})
}

// TestLogIsCleaned: segments go when their batches are released, and not before.
func TestLogIsCleaned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		l := mustLive(t, disk, intoWorld(&counting{every: time.Second}, w), walSetting, "true",
			"weir.checkpoint.retainedBatches", "3")
		most := 0
		for range 20 {
			time.Sleep(time.Minute)
			n := 0
			for name := range disk.Files() {
				if strings.HasSuffix(name, ".seg") {
					n++
				}
			}
			most = max(most, n)
		}
		l.stop(t)
		if most > 3 {
			t.Errorf("there were up to %d segments of a minute each", most)
		}
		if err := fromZero(w.ordered()); err != nil {
			t.Error(err)
		}
	})
}

// TestLogIsDamaged: damage in the middle of a segment is refused by file and offset, before anything runs.
func TestLogIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		l := mustLive(t, disk, intoWorld(&counting{every: 100 * time.Millisecond}, w), walSetting, "true")
		time.Sleep(1900 * time.Millisecond)
		l.die(t)
		spoilt := ""
		for name, data := range disk.Files() {
			if !strings.HasSuffix(name, ".seg") || len(data) < 600 {
				continue
			}
			spoilt = name
			if err := disk.Spoil(name, func(data []byte) []byte { data[len(data)/2] ^= 1; return data }); err != nil {
				t.Fatal(err)
			}
		}
		_, err := liveOn(t, disk, intoWorld(&counting{}, w), walSetting, "true")
		if err == nil || !strings.Contains(err.Error(), spoilt+", offset ") || !strings.Contains(err.Error(), "from a copy") {
			t.Errorf("%s is damaged: %v", spoilt, err)
		}
	})
}

// TestLogNeedsACheckpoint, and is not left alone.
func TestLogNeedsACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, walSetting, "true")
		intoWorld(&counting{every: time.Second}, &world{})(ssc)
		err := ssc.Start(t.Context())
		if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), "spark.streaming.checkpoint.directory") {
			t.Errorf("without a checkpoint: %v", err)
		}
		disk, w := vfs.NewDisk("disk"), &world{}
		live := func(settings ...string) (*life, error) {
			return liveOn(t, disk, intoWorld(&counting{every: 200 * time.Millisecond}, w), settings...)
		}
		l, err := live(walSetting, "true")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1700 * time.Millisecond)
		l.stop(t)
		_, err = live()
		if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), `weir.checkpoint.drop to "numbers"`) {
			t.Errorf("with a log that is not to be used: %v", err)
		}
		if l, err = live("weir.checkpoint.drop", "numbers"); err != nil {
			t.Fatalf("the log is given up: %v", err)
		}
		time.Sleep(1700 * time.Millisecond)
		l.stop(t)
		for name := range disk.Files() {
			if strings.HasSuffix(name, ".seg") {
				t.Errorf("%s is left", name)
			}
		}
		w.mu.Lock()
		w.rows = nil
		w.mu.Unlock()
		if l, err = live(walSetting, "true"); err != nil {
			t.Fatalf("another log: %v", err)
		}
		time.Sleep(1700 * time.Millisecond)
		l.stop(t)
		if got := w.ordered(); fromZero(got) != nil || len(got) < 5 {
			t.Errorf("another log begins with %q", got)
		}
	})
}

// TestLogOfOthersRecords: a program whose records are others does not take those that are logged and in no batch.
func TestLogOfOthersRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, intoWorld(&counting{every: 200 * time.Millisecond}, &world{}), walSetting, "true")
		time.Sleep(500 * time.Millisecond)
		l.die(t)
		_, err := liveOn(t, disk, func(ssc *dstream.Context) {
			d := dstream.ReceiverStream(ssc, "counting", dstream.Receiver[int](silent{})).Named("numbers")
			dstream.Print(d, 1)
		}, walSetting, "true")
		if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), "schema string") {
			t.Errorf("records of another schema: %v", err)
		}
	})
}

// silent is a receiver of nothing.
type silent struct{}

func (silent) Start(context.Context, *dstream.Store[int], []byte) error { return nil }
func (silent) Stop(context.Context) error                               { return nil }

// TestFullDiskRestartsReceivers: a log that cannot be written stops the receiver for a while, and loses nothing.
func TestFullDiskRestartsReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full, failed time.Time
		disk, w, c := vfs.NewDisk("disk"), &world{}, &counting{every: 100 * time.Millisecond}
		begin := time.Now()
		full, failed = begin.Add(1500*time.Millisecond), begin.Add(20*time.Second)
		l, err := liveOnFaulty(t, disk, func(s vfs.Step) vfs.Fault {
			if now := time.Now(); strings.HasSuffix(s.Name, ".seg") && now.After(full) && now.Before(failed) {
				return vfs.Full
			}
			return vfs.None
		}, intoWorld(c, w), walSetting, "true")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		l.stop(t)
		got := w.ordered()
		if err := fromZero(got); err != nil {
			t.Error(err)
		}
		if len(c.resumed) < 2 || len(got) < 2*c.resumed[1] {
			t.Errorf("%d records, and the receiver went on at %v", len(got), c.resumed)
		}
	})
}

// TestAcknowledgedIsThere: of a receiver without positions, all that Store acknowledged is written out, however the
// process dies; the rest is there or not.
func TestAcknowledgedIsThere(t *testing.T) {
	for step := 20; step < 150; step += 3 {
		synctest.Test(t, func(t *testing.T) {
			disk, w := vfs.NewDisk("disk"), &world{}
			var mu sync.Mutex
			next, acknowledged := 0, map[string]bool{}
			build := func(ssc *dstream.Context) {
				f := &feed{run: func(ctx context.Context, st *dstream.Store[string], _ int) error {
					for range 3 {
						go func() {
							for ctx.Err() == nil {
								mu.Lock()
								v := strconv.Itoa(next)
								next++
								mu.Unlock()
								if st.One(v) != nil {
									return
								}
								mu.Lock()
								acknowledged[v] = true
								mu.Unlock()
								time.Sleep(130 * time.Millisecond)
							}
						}()
					}
					return nil
				}}
				intoWorld(f, w)(ssc)
			}
			l, _ := liveOnFaulty(t, disk, func(s vfs.Step) vfs.Fault {
				if s.Number == step {
					return vfs.Die
				}
				return vfs.None
			}, build, walSetting, "true")
			time.Sleep(5 * time.Second)
			l.die(t)
			if step%2 == 0 {
				disk = disk.Crash(uint64(step))
			}
			l = mustLive(t, disk, build, walSetting, "true")
			time.Sleep(1700 * time.Millisecond)
			l.stop(t)
			time.Sleep(time.Second) // The senders see that it is over.
			got := w.ordered()
			mu.Lock()
			defer mu.Unlock()
			for v := range acknowledged {
				if !slices.Contains(got, v) {
					t.Errorf("step %d: %s was acknowledged and is not there", step, v)
				}
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != len(got) || len(got) < 20 {
				t.Errorf("step %d: %d records, some twice", step, len(got))
			}
		})
	}
}

// TestWindowsOfALog: what a window looks back to is read from the log again after a restart.
func TestWindowsOfALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		c := &counting{every: time.Second}
		build := func(ssc *dstream.Context) {
			d := dstream.ReceiverStream(ssc, "counting", dstream.Receiver[string](c)).Named("numbers")
			all := dstream.Window(d, 4*time.Second, time.Second)
			dstream.ForeachRDD(all, func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				seen = append(seen, strings.Join(vs, " "))
				return err
			}).Named("all")
		}
		settings := []string{walSetting, "true", "weir.checkpoint.retainedBatches", "1"}
		l := mustLive(t, disk, build, settings...)
		time.Sleep(4700 * time.Millisecond)
		l.stop(t)
		c.every = time.Hour
		l = mustLive(t, disk, build, settings...)
		time.Sleep(800 * time.Millisecond)
		l.stop(t)
		before, after := seen[len(seen)-2], seen[len(seen)-1]
		if _, rest, _ := strings.Cut(before, " "); !strings.HasPrefix(before, "0 1 2 3") || rest == "" ||
			!strings.Contains(after, "3 4 5") {
			t.Errorf("%q", seen)
		}
	})
}

// TestWindowsOfALogThatIsGivenUp: a program whose window looks back to what a receiver had goes on when that is given
// up, with what the window had; one whose records are others is refused before anything runs, unless the window is
// given up, too.
func TestWindowsOfALogThatIsGivenUp(t *testing.T) {
	texts := func(c *counting, seen *[]string) func(*dstream.Context) {
		return func(ssc *dstream.Context) {
			d := dstream.ReceiverStream(ssc, "counting", dstream.Receiver[string](c)).Named("numbers")
			windowOf(d, seen)
		}
	}
	ints := func(seen *[]string) func(*dstream.Context) {
		return func(ssc *dstream.Context) {
			d := dstream.ReceiverStream(ssc, "counting", dstream.Receiver[int](silent{})).Named("numbers")
			windowOf(d, seen)
		}
	}
	drop := []string{"weir.checkpoint.drop", "numbers"}
	dropBoth := []string{"weir.checkpoint.drop", "numbers; numbers (elements)"}
	for _, tt := range []struct {
		name     string
		every    time.Duration // a record
		ints     bool
		settings []string
		refused  string
		want     string // of the first window
	}{
		{name: "goes on", every: time.Second, want: "0 1 2 3 4 5 6"},
		{name: "dropped", every: time.Second, settings: drop, want: "0 1 2 3 4 5 6 0"},
		{name: "window dropped", every: time.Second, want: "0 1 2 3 4 5 6", // As of one that is new.
			settings: []string{"weir.checkpoint.drop", "numbers (elements)"}},
		{name: "another type", every: time.Second, ints: true,
			refused: `its elements were string, are int64: let the program keep the type that it had, or have the window`},
		{name: "another type, dropped", every: time.Second, ints: true, settings: drop,
			refused: `its elements were string, are int64`},
		{name: "another type, both dropped", every: time.Second, ints: true, settings: dropBoth},
		{name: "another type, and nothing was received", ints: true,
			refused: `its elements were string, are int64`},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk, seen := vfs.NewDisk("disk"), []string{}
			settings := []string{walSetting, "true"}
			if tt.every == 0 {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					f := &feed{run: func(context.Context, *dstream.Store[string], int) error { return nil }}
					windowOf(dstream.ReceiverStream(ssc, "counting", dstream.Receiver[string](f)).Named("numbers"), &seen)
				}, settings...)
				time.Sleep(4700 * time.Millisecond)
				l.stop(t)
			} else {
				l := mustLive(t, disk, texts(&counting{every: tt.every}, &seen), settings...)
				time.Sleep(4700 * time.Millisecond)
				l.stop(t)
			}
			seen = nil
			build := texts(&counting{every: time.Hour}, &seen)
			if tt.ints {
				build = ints(&seen)
			}
			l, err := liveOn(t, disk, build, append(settings, tt.settings...)...)
			if tt.refused != "" {
				wantError(t, tt.name, err, dstream.ErrUnfit, tt.refused, "weir.checkpoint.drop")
				if len(seen) > 0 {
					t.Errorf("%s: it ran %q", tt.name, seen)
				}
				return
			}
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				return
			}
			time.Sleep(1800 * time.Millisecond)
			l.stop(t)
			if len(seen) == 0 || seen[0] != tt.want {
				t.Errorf("%s: the windows are %q, want first %q", tt.name, seen, tt.want)
			}
		})
	}
}

// TestRememberedRecordsOfAnotherType: a program that remembers batches whose records are not of its type is refused
// before anything runs.
func TestRememberedRecordsOfAnotherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, nothing := vfs.NewDisk("disk"), func(context.Context, *rdd.RDD[string], *dstream.Batch) error { return nil }
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			ssc.Remember(8 * time.Second)
			c := dstream.Receiver[string](&counting{every: time.Second})
			dstream.ForeachRDD(dstream.ReceiverStream(ssc, "counting", c).Named("numbers"), nothing).Named("all")
		}, walSetting, "true")
		time.Sleep(4700 * time.Millisecond)
		l.stop(t)
		_, err := liveOn(t, disk, func(ssc *dstream.Context) {
			ssc.Remember(8 * time.Second)
			d := dstream.ReceiverStream(ssc, "counting", dstream.Receiver[int](silent{})).Named("numbers")
			texts := dstream.Map(d, func(v int) string { return fmt.Sprint(v) })
			dstream.ForeachRDD(texts, nothing).Named("all")
		}, walSetting, "true")
		wantError(t, "another type", err, dstream.ErrUnfit, "weir.checkpoint.drop",
			`windows look back to batch 0, which has records of schema string (codec 1), and the program's are`)
	})
}

// windowOf has the records of a window written down.
func windowOf[T any](d *dstream.DStream[T], seen *[]string) {
	all := dstream.Window(d, 8*time.Second, time.Second)
	dstream.ForeachRDD(all, func(ctx context.Context, r *rdd.RDD[T], _ *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		*seen = append(*seen, strings.Trim(fmt.Sprint(vs), "[]"))
		return err
	}).Named("all")
}

// TestGuaranteesOfALog: the first lines of the log say what becomes of what receivers bring.
func TestGuaranteesOfALog(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    dstream.Receiver[string]
		wal  string
		want string
		more []string
	}{
		{name: "that gives up", r: &counting{every: time.Hour}, wal: "true", want: "but a batch that fails again and " +
			"again is given up with its records, as weir.streaming.failedBatch says",
			more: []string{"weir.streaming.failedBatch", "skip"}},
		{name: "with positions", r: &counting{every: time.Hour}, wal: "true", want: "guarantee=\"exactly-once: the sink"},
		{name: "without", r: &feed{run: func(context.Context, *dstream.Store[string], int) error { return nil }},
			wal: "true", want: "guarantee=\"numbers: at-least-once; what is received is in a write ahead log"},
		{name: "in memory", r: &counting{every: time.Hour}, wal: "false",
			want: "guarantee=\"numbers: at-least-once as long as the process"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			c := conf.New().Set("spark.master", "local[1]").Set(walSetting, tt.wal)
			for pair := range slices.Chunk(tt.more, 2) {
				c.Set(pair[0], pair[1])
			}
			ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(vfs.NewDisk("disk").Mount(nil)),
				rdd.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d := dstream.ReceiverStream(ssc, "receiver", tt.r).Named("numbers")
			dstream.WriteTo(d, dstream.Sink[string](&nowhere{})).Named("out")
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			stopNow(t, ssc)
			if !strings.Contains(log.String(), tt.want) {
				t.Errorf("%s: %s", tt.name, log.String())
			}
		})
	}
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

func (*nowhere) Open(context.Context, string, int64) error                      { return nil }
func (*nowhere) Last(context.Context, string, string, int) (int64, bool, error) { return 0, false, nil }
func (*nowhere) Write(context.Context, dstream.Effect, iter.Seq[string]) error  { return nil }
func (*nowhere) Close(context.Context) error                                    { return nil }

// TestLogIsReplayed: a batch of a receiver with a log is run again from there, and the log stays as it is.
func TestLogIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		build := intoWorld(&counting{every: 200 * time.Millisecond}, w)
		l := mustLive(t, disk, build, walSetting, "true")
		time.Sleep(3700 * time.Millisecond)
		l.stop(t)
		before := disk.Files()
		c := conf.New().Set("spark.master", "local[1]").Set(walSetting, "true")
		ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(disk.Mount(nil)))
		if err != nil {
			t.Fatal(err)
		}
		ssc.Checkpoint("disk:/ck")
		var out bytes.Buffer
		ssc.SetOutput(&out)
		build(ssc)
		done, err := ssc.Replay(t.Context(), dstream.Replay{Sequence: 1})
		if err != nil || len(done.Outputs) != 1 || done.Outputs[0].Records < 5 {
			t.Fatalf("%+v, %v", done, err)
		}
		first := len(w.batches()[0])
		if want := fmt.Sprintf("\n%d\n%d\n", first, first+1); !strings.Contains(out.String(), want) {
			t.Errorf("it shows %s, want it to begin with %q", out.String(), want)
		}
		if !maps.EqualFunc(before, disk.Files(), bytes.Equal) {
			t.Error("the disk was changed")
		}
	})
}
