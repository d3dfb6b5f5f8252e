package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A world is what outlives the processes of a program that counts words from files to files: the disk of its checkpoint
// and of what it reads, and the disk that it writes to.
type world struct {
	t      *testing.T
	own    *vfs.Disk
	out    *vfs.Disk
	sent   int
	accept string
}

func newWorld(t *testing.T) *world {
	return &world{t: t, own: vfs.NewDisk("own"), out: vfs.NewDisk("out")}
}

// send writes a file with the next three words.
func (w *world) send() {
	w.t.Helper()
	var text strings.Builder
	for range 3 {
		fmt.Fprintf(&text, "word%d\n", w.sent%4)
		w.sent++
	}
	m := w.own.Mount(nil)
	err := errors.Join(m.MkdirAll(context.Background(), "own:/in"),
		vfs.WriteFile(context.Background(), m, fmt.Sprintf("own:/in/%05d", w.sent), []byte(text.String())))
	if err != nil {
		w.t.Error(err)
	}
}

// A life is how a process reaches the disks, and at which step of its way there it dies; 0 is never.
type life struct {
	at   int
	late bool

	mu     sync.Mutex
	steps  int
	dead   bool
	own    *vfs.Mount
	out    *vfs.Mount
	killed context.CancelFunc
}

func (w *world) life(at int, late bool) *life {
	l := &life{at: at, late: late}
	l.own, l.out = w.own.Mount(l.fault), w.out.Mount(l.fault)
	return l
}

func (l *life) fault(vfs.Step) vfs.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	switch {
	case l.dead:
		return vfs.Die
	case l.steps != l.at:
		return vfs.None
	}
	l.dead = true
	l.killed()
	if l.late {
		return vfs.Lose
	}
	return vfs.Die
}

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// run runs a process for a time.
func (w *world) run(l *life, d time.Duration, opts ...weir.Option) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	l.killed = cancel
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.checkpoint.directory", "own:/ckpt").
		Set("spark.streaming.gracefulStopTimeout", "20s").Set("weir.sink.accept", w.accept)
	build := func(ssc *dstream.Context) error {
		sink, err := files.Sink(ssc, "out:/counts", files.Text[rdd.Pair[string, int]]())
		if err != nil {
			return err
		}
		words := files.TextStream(ssc, "own:/in", files.NewFilesOnly(false)).Named("words")
		ones := dstream.MapToPair(words, func(w string) (string, int) { return w, 1 })
		counts, _ := dstream.MapWithState(ones, dstream.Spec(add))
		dstream.WriteTo(counts, sink).Named("counts")
		return nil
	}
	return weir.Run(ctx, build, append(opts, weir.Interval(time.Second), weir.Conf(c), weir.WithFileSystem(l.own),
		weir.WithFileSystem(l.out), weir.Output(io.Discard))...)
}

// add counts a word.
func add(word string, n rdd.Optional[int], state *dstream.State[int]) rdd.Pair[string, int] {
	now, _ := state.Option().Get()
	state.Update(now + n.Value)
	return rdd.KV(word, now+n.Value)
}

// lines are those of the files that readers see, in order.
func (w *world) lines() (lines []string) {
	for name, data := range w.out.Files() {
		if !vfs.Hidden(name) && !strings.Contains(name, "/_weir/") {
			lines = append(lines, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
		}
	}
	slices.Sort(lines)
	return lines
}

func (w *world) compare(when string) {
	w.t.Helper()
	counts := map[string]int{}
	var want []string
	for i := range w.sent {
		word := fmt.Sprintf("word%d", i%4)
		counts[word]++
		want = append(want, fmt.Sprint(rdd.KV(word, counts[word])))
	}
	slices.Sort(want)
	if got := w.lines(); !slices.Equal(got, want) {
		w.t.Errorf("%s:\n got %q\nwant %q", when, got, want)
	}
}

// The program dies at steps of its way to the disks, and the power fails; another process goes on where it was.
func TestProgramDies(t *testing.T) {
	for _, late := range []bool{false, true} {
		places, step := 0, 1
		for reached := true; reached && !t.Failed(); places++ {
			synctest.Test(t, func(t *testing.T) { reached = dies(t, step, late) })
			step += 1 + places%3
		}
		t.Logf("late: %v: died at %d places of %d steps", late, places-1, step)
	}
}

func dies(t *testing.T, step int, late bool) (reached bool) {
	w := newWorld(t)
	w.send()
	first := w.life(step, late)
	sent := weir.Listener(func(e dstream.Event) {
		if _, ok := e.(dstream.BatchCommitted); ok && w.sent < 9 {
			w.send()
		}
	})
	err := w.run(first, 5500*time.Millisecond, sent)
	if !first.isDead() {
		if err != nil {
			t.Fatal(err)
		}
		w.compare("without troubles")
		return false
	}
	w.own, w.out = w.own.Crash(uint64(step)), w.out.Crash(uint64(step))
	w.send()
	if err := w.run(w.life(0, false), 30*time.Second); err != nil {
		t.Fatalf("after the process died at step %d (late: %v): %v", step, late, err)
	}
	w.compare(fmt.Sprintf("died at step %d (late: %v)", step, late))
	return true
}

// Batches without files are idle: the log has an entry for many of them.
func TestProgramIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.send()
		idle, planned := int64(0), int64(0)
		for range 2 {
			if err := w.run(w.life(0, false), time.Minute); err != nil {
				t.Fatal(err)
			}
			st, err := checkpoint.Read(t.Context(), w.own.Mount(nil), "own:/ckpt")
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range st.Batches {
				idle, planned = idle+b.Plan.Idle, planned+1
			}
			w.send()
		}
		w.sent -= 3 // Nobody has read the last ones.
		w.compare("after two minutes")
		if idle < 8*(planned-4) || planned < 5 {
			t.Errorf("%d batches are in the log, and %d were idle", planned, idle)
		}
	})
}

// An older checkpoint, or a folder that was emptied, stops the program until the user says what is to become of it.
func TestProgramOtherPast(t *testing.T) {
	for _, tt := range []struct {
		name   string
		other  func(w *world, older *vfs.Disk)
		accept string
		says   string
		want   string // the counts of word0
	}{
		{"older checkpoint", (*world).restore, "", `"counts=loss" so that nothing is written until batch`, ""},
		{"older checkpoint, how to double", (*world).restore, "", `or to "counts=duplicates" so that batches from`, ""},
		{"older checkpoint, loss", (*world).restore, "counts=loss", "", "(word0,1) (word0,2)"},
		{"older checkpoint, duplicates", (*world).restore, "counts=duplicates", "",
			"(word0,1) (word0,2) (word0,2) (word0,3)"},
		{"emptied folder", (*world).empty, "", `its sink holds no batch, but the log says that batch `, ""},
		{"emptied folder, loss", (*world).empty, "counts=loss", "", "(word0,3)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				run := func() error {
					w.send()
					return w.run(w.life(0, false), 2500*time.Millisecond)
				}
				if err := run(); err != nil {
					t.Fatal(err)
				}
				older := w.own.Crash(1)
				if err := run(); err != nil {
					t.Fatal(err)
				}
				tt.other(w, older)
				w.accept = tt.accept
				w.send()
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
				got := slices.DeleteFunc(w.lines(), func(line string) bool { return !strings.Contains(line, "word0") })
				if text := strings.Join(got, " "); text != tt.want {
					t.Errorf("counts %s, want %s", text, tt.want)
				}
			})
		})
	}
}

// restore has the checkpoint be an older one; what is read is as it was.
func (w *world) restore(older *vfs.Disk) {
	m := older.Mount(nil)
	for name, data := range w.own.Files() {
		if strings.HasPrefix(name, "own:/in/") {
			if err := vfs.WriteFile(context.Background(), m, name, data); err != nil {
				w.t.Error(err)
			}
		}
	}
	w.own = older
}

func (w *world) empty(*vfs.Disk) { w.out = vfs.NewDisk("out") }
