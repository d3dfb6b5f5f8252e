package dstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// replayOf runs a batch of the checkpoint on the disk again, and gives what was written.
func replayOf(t *testing.T, disk *vfs.Disk, build func(ssc *dstream.Context), how dstream.Replay, settings ...string,
) (*dstream.Replayed, string, error) {
	t.Helper()
	c := conf.New().Set("spark.master", "local[3]")
	for pair := range slices.Chunk(settings, 2) {
		c.Set(pair[0], pair[1])
	}
	ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ssc.SetOutput(&out)
	ssc.Checkpoint("disk:/ck")
	build(ssc)
	done, err := ssc.Replay(t.Context(), how)
	if ssc.State() != dstream.Stopped {
		t.Errorf("the context is %v", ssc.State())
	}
	return done, out.String(), err
}

var replayedHead = regexp.MustCompile(`(?m)^-+\nTime: \d+ ms  (.*) \(\w+ at [\w.]+:\d+\), records: \d+\n-+\n`)

// shown takes the text of a replay apart, as watch notes what outputs see.
func shown(t *testing.T, n int64, text string) map[string]string {
	t.Helper()
	heads, bodies := replayedHead.FindAllStringSubmatch(text, -1), replayedHead.Split(text, -1)
	all := map[string]string{}
	for i, head := range heads {
		var lines []string
		for line := range strings.Lines(strings.TrimSuffix(bodies[i+1], "\n")) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
		slices.Sort(lines)
		all[fmt.Sprintf("%02d %s", n, strings.TrimPrefix(head[1], "watch "))] = strings.Join(lines, ", ")
	}
	return all
}

// TestReplay: each batch that is kept gives, run again, what it gave, from states and windows as they were, on any
// number of cores, while the program runs and when it has stopped; and nothing changes.
func TestReplay(t *testing.T) {
	for _, store := range []string{"memory", dstream.Sorted{}.Name()} {
		t.Run(store, func(t *testing.T) { replayAll(t, store) })
	}
}

// A countedStore counts how often it is opened.
type countedStore struct {
	dstream.Sorted
	opened *int
}

func (s countedStore) Open(dir string, memory int64) (dstream.StateRows, error) {
	*s.opened++
	return s.Sorted.Open(dir, memory)
}

func replayAll(t *testing.T, store string) {
	synctest.Test(t, func(t *testing.T) {
		disk, got, local := vfs.NewDisk("disk"), map[string]string{}, t.TempDir()
		opened := 0
		build := func(ssc *dstream.Context) {
			ssc.AddStateStore(countedStore{opened: &opened})
			statesBeside(got, 4)(ssc)
		}
		where := []string{"weir.state.store", store, "spark.local.dir", local}
		stores := func() string { // of states, in the folder for what is local
			dirs, _ := filepath.Glob(filepath.Join(local, "weir-*"))
			return strings.Join(dirs, " ")
		}
		l := mustLive(t, disk, build, append(where, "weir.checkpoint.retainedBatches", "4")...)
		lives := stores()
		time.Sleep(12500 * time.Millisecond)
		replays := func() {
			t.Helper()
			s := clonedState(t, disk)
			ran := 0
			for _, b := range s.Batches {
				before := maps.Clone(got)
				done, text, err := replayOf(t, disk, build, dstream.Replay{Sequence: b.Sequence}, where...)
				if !maps.Equal(got, before) {
					t.Errorf("the outputs of batch %d have run", b.Sequence)
				}
				if err != nil {
					if !strings.Contains(err.Error(), "its windows look back to") {
						t.Errorf("batch %d: %v", b.Sequence, err)
					}
					continue
				}
				ran++
				want := map[string]string{}
				for key, vs := range got {
					if strings.HasPrefix(key, fmt.Sprintf("%02d ", b.Sequence)) {
						want[key] = vs
					}
				}
				if again := shown(t, b.Sequence, text); !maps.Equal(again, want) || len(want) != 5 {
					t.Errorf("batch %d gave\n%v, and replayed\n%v", b.Sequence, want, again)
				}
				if len(done.Outputs) != 5 || done.Sequence != b.Sequence || done.Outputs[0].Name != "watch mapped" {
					t.Errorf("batch %d: %+v", b.Sequence, done)
				}
			}
			if store != "memory" && opened <= ran {
				t.Errorf("%d replays and the program have opened %d stores", ran, opened)
			}
			if ran < 4 {
				t.Errorf("only %d of %d batches could be replayed", ran, len(s.Batches))
			}
		}
		replays()
		if now := stores(); now != lives {
			t.Errorf("the stores were %s, and are %s", lives, now)
		}
		l.stop(t)
		before := disk.Files()
		replays()
		if !maps.EqualFunc(before, disk.Files(), bytes.Equal) {
			t.Error("the disk has changed")
		}
	})
}

// clonedState reads a checkpoint from outside.
func clonedState(t *testing.T, disk *vfs.Disk) *dstream.CheckpointInfo {
	t.Helper()
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[1]"), rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
	if err := errors.Join(err, sc.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	return info
}

// TestReplayRefuses what would not be what it was.
func TestReplayRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(v *version)
		how    dstream.Replay
		unfit  bool
		says   string // "" for a replay
	}{
		{name: "a function", change: func(v *version) { v.weight = 2 }, how: dstream.Replay{Sequence: 3}},
		{name: "cores", change: func(v *version) { v.master = "local[9]" }, how: dstream.Replay{Sequence: 3}},
		{name: "a planned batch", change: func(*version) {}, how: dstream.Replay{Sequence: 4}},
		{name: "an output", change: func(v *version) { v.also = true }, how: dstream.Replay{Sequence: 3}, unfit: true,
			says: `batch 3 would not be what it was: the operator "also" is new`},
		{name: "partitions", change: func(v *version) { v.partitions = 7 }, how: dstream.Replay{Sequence: 3}, unfit: true,
			says: `the state "sums" had 2 partitions, has 7 partitions`},
		{name: "a type", change: func(v *version) { v.texts = true }, how: dstream.Replay{Sequence: 3}, unfit: true,
			says: "values were {Key int64; Value int64}, are {Key string; Value int64}"},
		{name: "the future", change: func(*version) {}, how: dstream.Replay{Sequence: 9},
			says: "batch 9 has not been planned: the last one is 4"},
		{name: "no batch", change: func(*version) {}, how: dstream.Replay{Sequence: -1},
			says: "batch -1 is not kept: those from 0 to 4 are"},
		{name: "effects of a planned batch", change: func(*version) {}, how: dstream.Replay{Sequence: 4, Effects: true},
			says: "batch 4 cannot be replayed with its effects while batch 4 is planned and not committed"},
		{name: "effects beside a planned batch", change: func(*version) {},
			how: dstream.Replay{Sequence: 3, Effects: true}, says: "while batch 4 is planned and not committed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, seen := vfs.NewDisk("disk"), []string{}
				v := firstVersion(&seen, &sinkOf{})
				m := disk.Mount(nil)
				ssc := v.context(t, m)
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				lives(t, ssc, 4200*time.Millisecond)
				v.sink.stuck.Store(true)
				lives(t, ssc, time.Second)
				m.Kill()
				_ = ssc.Stop(t.Context())
				v.sink.stuck.Store(false)
				seen = nil
				tt.change(&v)
				before := disk.Files()
				_, text, err := replayOf(t, disk, v.build, tt.how, "spark.master", v.master)
				switch {
				case tt.says == "" && (err != nil || !strings.Contains(text, "out (writeTo at")):
					t.Errorf("%v, and wrote %q", err, text)
				case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || text != ""):
					t.Errorf("%v, and wrote %q; want %q", err, text, tt.says)
				}
				if errors.Is(err, dstream.ErrUnfit) != tt.unfit || len(seen) > 0 {
					t.Errorf("%v is ErrUnfit: %v; outputs saw %q", err, !tt.unfit, seen)
				}
				if !maps.EqualFunc(before, disk.Files(), bytes.Equal) {
					t.Error("the disk has changed")
				}
			})
		})
	}
}

// TestReplayShowsSome: no more records than are asked for.
func TestReplayShowsSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		l := mustLive(t, disk, sums(&seen, nil))
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		_, text, err := replayOf(t, disk, sums(&seen, nil), dstream.Replay{Sequence: 2, Records: 1})
		if want := "records: 2\n-------------------------------------------\n4\n... and 1 more\n\n"; err != nil ||
			!strings.HasSuffix(text, want) {
			t.Errorf("%v, and wrote %q, want %q", err, text, want)
		}
	})
}

// TestReplayWithEffects: what a sink has lost is written again, bodies run, and the checkpoint is owned meanwhile.
func TestReplayWithEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		ssc := v.runs(t, disk.Mount(nil), 5200*time.Millisecond)
		how := dstream.Replay{Sequence: 2, Effects: true}
		if _, _, err := replayOf(t, disk, v.build, how, "spark.master", v.master); !isHeld(err) {
			t.Errorf("while the program runs: %v", err)
		}
		v.sink.stuck.Store(true)
		lives(t, ssc, 2*time.Second)
		if _, _, err := replayOf(t, disk, v.build, how, "spark.master", v.master); !isHeld(err) {
			t.Errorf("while a batch of it runs: %v", err)
		}
		v.sink.stuck.Store(false)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		v.sink.mu.Lock()
		maps.DeleteFunc(v.sink.rows, func(key string, _ []string) bool { return strings.Contains(key, "/2/") })
		v.sink.mu.Unlock()
		seen = nil
		done, text, err := replayOf(t, disk, v.build, how, "spark.master", v.master)
		if err != nil || text != "" || len(done.Outputs) != 2 || done.Outputs[0].Records != -1 {
			t.Errorf("%v: %+v, and wrote %q", err, done, text)
		}
		if len(seen) != 1 || !strings.HasPrefix(seen[0], "2 ") {
			t.Errorf("the body saw %q, want batch 2", seen)
		}
		v.wroteUpTo(t, 5)
		if info := clonedState(t, disk); !info.StoppedCleanly || info.Epoch != 2 {
			t.Errorf("the checkpoint is left by epoch %d, cleanly: %v", info.Epoch, info.StoppedCleanly)
		}
		ssc = v.context(t, disk.Mount(nil))
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		lives(t, ssc, 2*time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		v.wroteUpTo(t, 7)
	})
}

func isHeld(err error) bool {
	_, held := errors.AsType[*dstream.HeldError](err)
	return held
}

// TestReplayOfDeadLetters: the letters of the batch are collected anew, for their output alone.
func TestReplayOfDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), map[string]string{}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			buried(ssc, seen)
			good := dstream.MapTry(d, noFives, dstream.ToDeadLetters()).Named("no fives")
			watch(good, "good", seen)
		}
		l := mustLive(t, disk, build)
		time.Sleep(4500 * time.Millisecond)
		l.stop(t)
		before := maps.Clone(seen)
		_, text, err := replayOf(t, disk, build, dstream.Replay{Sequence: 2})
		if err != nil || !maps.Equal(seen, before) {
			t.Fatalf("%v: %v, before %v", err, seen, before)
		}
		again := shown(t, 2, text)
		if again["02 good"] != "4" || !strings.Contains(again["02 dead"], "5 is a multiple of five") {
			t.Errorf("replayed %v; outputs saw %v", again, seen)
		}
	})
}

// TestReplayOfReceivers: what is in a write ahead log can be read again, by a receiver that is not started; what is not
// is refused.
func TestReplayOfReceivers(t *testing.T) {
	for _, logged := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			disk, w := vfs.NewDisk("disk"), &world{}
			settings := []string{walSetting, fmt.Sprint(logged)}
			l := mustLive(t, disk, intoWorld(&counting{every: 70 * time.Millisecond}, w), settings...)
			time.Sleep(4500 * time.Millisecond)
			l.stop(t)
			before, unstarted := disk.Files(), &counting{}
			_, text, err := replayOf(t, disk, intoWorld(unstarted, &world{}), dstream.Replay{Sequence: 3}, settings...)
			if unstarted.stop != nil || !maps.EqualFunc(before, disk.Files(), bytes.Equal) {
				t.Error("the receiver was started, or the disk has changed")
			}
			if !logged {
				if err == nil || !strings.Contains(err.Error(), "were held by the process that had received them") {
					t.Errorf("without a log: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Sorted(slices.Values(w.batches()[3]))
			for _, lines := range shown(t, 3, text) {
				if lines != strings.Join(want, ", ") || len(want) == 0 {
					t.Errorf("replayed %q, want %q", lines, want)
				}
			}
		})
	}
}

// TestReplayOfReleased: a replay beside a program that releases meanwhile what the batch needs says that, and not that
// a file is to be put back.
func TestReplayOfReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		build := func(pause time.Duration) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				d := dstream.ReceiverStream(ssc, "counting", &counting{every: 300 * time.Millisecond}).Named("numbers")
				slow := dstream.Transform(d, func(r *rdd.RDD[string], _ dstream.Time) *rdd.RDD[string] {
					time.Sleep(pause) // The records are read behind it.
					return r
				})
				dstream.ForeachPartition(slow, new(world).write).Named("out")
			}
		}
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, build(0), walSetting, "true", "weir.checkpoint.retainedBatches", "3")
		time.Sleep(10500 * time.Millisecond)
		last := clonedState(t, disk).Batches
		_, _, err := replayOf(t, disk, build(10*time.Minute), dstream.Replay{Sequence: last[len(last)-1].Sequence},
			walSetting, "true")
		if err == nil || strings.Contains(err.Error(), "from a copy") ||
			!strings.Contains(err.Error(), "were released while batch") ||
			!strings.Contains(err.Error(), "weir.checkpoint.retainedBatches") {
			t.Errorf("a batch that is released meanwhile: %v", err)
		}
		l.stop(t)
	})
}
