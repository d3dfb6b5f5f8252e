package files_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A disk is a file system in memory whose listings can be made to fail.
type disk struct {
	*vfs.Memory
	t *testing.T

	mu     sync.Mutex
	broken error
	lists  int
}

func (d *disk) List(ctx context.Context, dir string) ([]vfs.Info, error) {
	d.mu.Lock()
	err := d.broken
	d.lists++
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return d.Memory.List(ctx, dir)
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

// put writes a file that was last changed some time ago.
func (d *disk) put(name, data string, ago time.Duration) {
	d.t.Helper()
	ctx := context.Background()
	name = "mem:/" + name
	err := errors.Join(d.MkdirAll(ctx, vfs.Dir(name)), vfs.WriteFile(ctx, d.Memory, name, []byte(data)))
	if ago != 0 {
		err = errors.Join(err, d.SetModTime(name, time.Now().Add(-ago)))
	}
	if err != nil {
		d.t.Error(err)
	}
}

func (d *disk) remove(name string) {
	d.t.Helper()
	if err := d.Remove(context.Background(), "mem:/"+name); err != nil {
		d.t.Error(err)
	}
}

// A run is a program on a disk: what its batches read, what was warned of, and how it ended.
type run struct {
	*disk
	ssc *dstream.Context

	mu       sync.Mutex
	batches  []string // of batches that read anything: second, records and elements
	warnings []string
	infos    []dstream.BatchInfo
	err      error
}

// start runs a program in a bubble, whose batches are a second apart. prepare fills the disk before the start.
func start[T any](t *testing.T, prepare func(d *disk), make func(ssc *dstream.Context) *dstream.DStream[T],
	settings ...string,
) *run {
	t.Helper()
	r := &run{disk: &disk{Memory: vfs.NewMemory("mem"), t: t}}
	prepare(r.disk)
	c := conf.New().Set("spark.master", "local[2]")
	for pair := range slices.Chunk(settings, 2) {
		c.Set(pair[0], pair[1])
	}
	ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(r.disk))
	if err != nil {
		t.Fatal(err)
	}
	r.ssc = ssc
	dstream.ForeachRDD(make(ssc), func(ctx context.Context, in *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, in)
		if err == nil && len(vs) > 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.batches = append(r.batches, fmt.Sprintf("%d: %v", b.Time/1000-946684800, vs))
		}
		return err
	})
	ssc.AddListener(r.listen)
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *run) listen(e dstream.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case dstream.Warning:
		r.warnings = append(r.warnings, strings.TrimSpace(fmt.Sprint(e.Message, " ", e.Err)))
	case dstream.BatchCompleted:
		if e.Records() > 0 {
			r.infos = append(r.infos, e.BatchInfo)
		}
	}
}

// end stops the program after the batch of the given second and holds what its batches read against want.
func (r *run) end(second int, want ...string) {
	r.t.Helper()
	r.until(second)
	r.err = r.ssc.Stop(context.Background(), dstream.Graceful())
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.batches, want) {
		r.t.Errorf("batches\n%s\nwant\n%s", strings.Join(r.batches, "\n"), strings.Join(want, "\n"))
	}
}

// until waits until half a second after the given second.
func (r *run) until(second int) {
	<-time.After(time.Until(time.Unix(946684800+int64(second), 5e8)))
}

// warned tells how many warnings hold a text.
func (r *run) warned(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.warnings {
		if strings.Contains(w, text) {
			n++
		}
	}
	return n
}

func text(dir string, opts ...files.Option) func(ssc *dstream.Context) *dstream.DStream[string] {
	return func(ssc *dstream.Context) *dstream.DStream[string] { return files.TextStream(ssc, dir, opts...) }
}

func nothing(*disk) {}

// inBubble runs tests in bubbles, whose clock begins at 2000-01-01.
func inBubble(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	for name, f := range tests {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
}

const remember = "spark.streaming.fileStream.minRememberDuration"

func TestSelection(t *testing.T) {
	inBubble(t, map[string]func(t *testing.T){
		"new files only": func(t *testing.T) {
			r := start(t, func(d *disk) {
				d.put("in/old", "old\n", time.Hour)
				d.put("in/before", "before\n", time.Second)
			}, text("mem:/in"))
			r.until(1)
			r.put("in/a", "1\n2\n", 0)
			r.put("in/.hidden", "no\n", 0)
			r.put("in/_also", "3\n", 0)
			r.put("in/sub/b", "no\n", 0)
			r.until(2)
			r.put("in/moved", "written before the start\n", 30*time.Second)
			r.end(5, "2: [3 1 2]", "3: [written before the start]")
			info := r.infos[0]
			if info.Records() != 3 || fmt.Sprint(info.Inputs[0].Description) !=
				"[mem:/in/_also, 2 bytes mem:/in/a, 4 bytes]" {
				t.Errorf("%+v", info.Inputs)
			}
		},
		"all files, however old": func(t *testing.T) {
			r := start(t, func(d *disk) {
				d.put("in/b", "old\n", time.Hour)
				d.put("in/a", "older\n", 2*time.Hour)
			}, text("mem:/in", files.NewFilesOnly(false)))
			r.end(3, "1: [older old]")
		},
		"files of before that change are new": func(t *testing.T) {
			r := start(t, func(d *disk) {
				d.put("in/a", "old\n", time.Hour)
				d.put("in/b", "old\n", time.Second)
			}, text("mem:/in"))
			r.until(1)
			r.put("in/a", "new a\n", 0)
			r.put("in/b", "new b\n", 0)
			r.end(5, "2: [new a new b]")
		},
		"a filter": func(t *testing.T) {
			keep := func(path string) bool { return strings.HasSuffix(path, ".txt") }
			r := start(t, nothing, text("mem:/in", files.WithFilter(keep)))
			r.put("in/a.csv", "no\n", 0)
			r.put("in/.b.txt", "yes\n", 0)
			r.end(2, "1: [yes]")
		},
		"a pattern of directories, and one that appears later": func(t *testing.T) {
			r := start(t, func(d *disk) { d.put("in/1/x", "no\n", 0) }, text("mem:/in/[0-9]"))
			r.put("in/1/a", "a\n", 0)
			r.put("in/x/no", "no\n", 0)
			r.until(1)
			r.put("in/2/b", "b\n", 0)
			r.put("in/2/c/no", "no\n", 0)
			r.end(4, "1: [a]", "2: [b]")
		},
		"a directory whose name is a pattern": func(t *testing.T) {
			r := start(t, func(d *disk) { d.put("[x]/before", "no\n", time.Hour) }, text("mem:/[x]"))
			r.put("[x]/a", "no\n", 0)
			r.put("x/b", "b\n", 0) // It is what the pattern matches.
			r.end(3, "1: [b]")
			if n := r.warned("this is a pattern that no directory matches, and the name of one that is there"); n != 1 {
				t.Errorf("warned %d times of %q", n, r.warnings)
			}
		},
		"a directory whose name would be a pattern, escaped": func(t *testing.T) {
			r := start(t, nothing, text(`mem:/\[x\]`))
			r.put("[x]/a", "a\n", 0)
			r.put("x/b", "no\n", 0)
			r.end(2, "1: [a]")
		},
		"no directory yet": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"))
			r.until(2)
			r.put("in/a", "a\n", 0)
			r.end(4, "3: [a]")
			if n := r.warned("there is no such directory yet"); n != 1 {
				t.Errorf("warned %d times", n)
			}
		},
		"directories below": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in", files.Recursive()))
			r.put("in/a/b/c", "c\n", 0)
			r.put("in/_temporary/d", "no\n", 0)
			r.put("in/e", "e\n", 0)
			r.end(2, "1: [c e]")
		},
		"a clock that is ahead": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"))
			r.put("in/a", "a\n", -3*time.Second)
			r.end(5, "3: [a]")
		},
	})
}

func TestMemory(t *testing.T) {
	inBubble(t, map[string]func(t *testing.T){
		"a change after a file was taken": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"), remember, "3s")
			for second := range 6 { // Its last change is always within the time that is remembered.
				r.until(second)
				r.put("in/a", fmt.Sprintln("content", second), 0)
			}
			r.end(12, "1: [content 0]")
			if n := r.warned("files were changed after they were taken"); n != 5 {
				t.Errorf("warned %d times", n)
			}
		},
		"a change after it was forgotten": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"), remember, "2s")
			r.put("in/a", "1\n", 0)
			r.until(6)
			r.put("in/a", "2\n", 0)
			r.end(9, "1: [1]", "7: [2]")
		},
		"a file that appears too late": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"), remember, "2500ms") // three seconds
			r.until(5)
			r.put("in/a", "in time\n", 2*time.Second)
			r.put("in/b", "late\n", 4*time.Second)
			r.end(9, "6: [in time]")
			if n := r.warned("files appeared too long after their last change"); n != 1 {
				t.Errorf("warned %d times", n)
			}
		},
		"the setting's old name": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"), "spark.streaming.minRememberDuration", "10s")
			r.until(5)
			r.put("in/a", "in time\n", 8*time.Second)
			r.end(7, "6: [in time]")
		},
		"batches that take longer than what is remembered": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[string] {
				return dstream.Map(files.TextStream(ssc, "mem:/in"), func(s string) string {
					<-time.After(20 * time.Second)
					return s
				})
			}, remember, "2s", "weir.streaming.maxQueuedBatches", "1")
			for second := range 10 {
				r.until(second)
				r.put(fmt.Sprintf("in/%d", second), fmt.Sprintln(second), 0)
			}
			r.until(300)
			if err := r.ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
				t.Error(err)
			}
			var read []string
			for _, batch := range r.batches {
				_, lines, _ := strings.Cut(batch, ": ")
				read = append(read, strings.Fields(strings.Trim(lines, "[]"))...)
			}
			if got, want := strings.Join(read, " "), "0 1 2 3 4 5 6 7 8 9"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		},
	})
}

func TestTroubles(t *testing.T) {
	inBubble(t, map[string]func(t *testing.T){
		"a listing that fails for a while": func(t *testing.T) {
			r := start(t, nothing, text("mem:/in"))
			r.until(1)
			r.fail(errors.New("the server is away"))
			r.put("in/a", "a\n", 0)
			r.until(5)
			r.fail(nil)
			r.end(8, "2: [a]")
			if n := r.warned("list mem:/in: the server is away"); n < 3 {
				t.Errorf("warned %d times of %q", n, r.warnings)
			}
		},
		"a listing that fails for ever": func(t *testing.T) {
			r := start(t, func(d *disk) { d.put("in/x", "", 0) }, text("mem:/in"), "spark.network.timeout", "5s")
			r.fail(errors.New("the server is away"))
			err := r.ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "list mem:/in: the server is away (tried again for 5s") {
				t.Error(err)
			}
			r.end(20)
		},
		"a file that vanishes before it is read": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[string] {
				d := files.TextStream(ssc, "mem:/in")
				dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[string], *dstream.Batch) error {
					<-time.After(time.Second)
					return nil
				})
				return d
			})
			r.put("in/a", "a\n", 0)
			r.until(1)
			r.remove("in/a")
			err := r.ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "mem:/in/a has vanished since it was listed") ||
				strings.Contains(err.Error(), "failed 4 times") {
				t.Error(err)
			}
			r.end(5)
		},
		"a decoder that fails": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[int] {
				return files.Stream(ssc, "mem:/in", func(in io.Reader) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						_, _ = io.ReadFull(in, make([]byte, 2))
						yield(0, errors.New("no number"))
					}
				})
			})
			r.put("in/a", "abc\n", 0)
			err := r.ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "mem:/in/a, at byte 2: no number") {
				t.Error(err)
			}
			r.end(5)
		},
	})
}

func TestStream(t *testing.T) {
	inBubble(t, map[string]func(t *testing.T){
		"decoded": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[int] {
				return files.Stream(ssc, "mem:/in", words)
			})
			r.put("in/a", "a bb ccc", 0)
			r.put("in/b", "", 0)
			r.put("in/c", "dddd", 0)
			r.end(2, "1: [1 2 3 4]")
			if n := r.infos[0].Records(); n != 4 {
				t.Errorf("%d records", n)
			}
		},
		"binary records": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[string] {
				d := files.BinaryRecords(ssc, "mem:/in", 2)
				return dstream.Map(d, func(b []byte) string { return string(b) })
			})
			r.put("in/a", "aabbcc", 0)
			r.until(1)
			r.put("in/b", "dd", 0)
			r.end(3, "1: [aa bb cc]", "2: [dd]")
			if n := r.infos[0].Records(); n != 3 {
				t.Errorf("%d records", n)
			}
		},
		"binary records of another length": func(t *testing.T) {
			r := start(t, nothing, func(ssc *dstream.Context) *dstream.DStream[[]byte] {
				return files.BinaryRecords(ssc, "mem:/in", 2)
			})
			r.put("in/a", "aab", 0)
			err := r.ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "mem:/in/a has 3 bytes, which is no multiple of 2") {
				t.Error(err)
			}
			r.end(3)
		},
	})
}

// words gives the lengths of words.
func words(r io.Reader) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Split(bufio.ScanWords)
		for sc.Scan() {
			if !yield(len(sc.Text()), nil) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			yield(0, err)
		}
	}
}

// TestLimits: a batch takes whole files until the limit is reached, and what waits is not forgotten.
func TestLimits(t *testing.T) {
	ten := strings.Repeat(strings.Repeat("x", 99)+"\n", 10)
	five := func(d *disk) {
		for i := range 5 {
			d.put(fmt.Sprintf("in/%d", i), ten, time.Hour-time.Duration(i))
		}
	}
	count := func(ssc *dstream.Context) *dstream.DStream[int64] {
		return dstream.Filter(dstream.Count(files.TextStream(ssc, "mem:/in", files.NewFilesOnly(false))),
			func(n int64) bool { return n > 0 })
	}
	inBubble(t, map[string]func(t *testing.T){
		"a first batch that is bounded": func(t *testing.T) {
			r := start(t, five, count, "weir.streaming.firstBatchRecords", "1", remember, "1s")
			r.end(20, "1: [10]", "2: [10]", "3: [10]", "4: [10]", "5: [10]")
		},
		"a rate": func(t *testing.T) {
			r := start(t, five, count, "spark.streaming.backpressure.enabled", "true", remember, "1s",
				"spark.streaming.backpressure.initialRate", "5", "spark.streaming.backpressure.pid.minRate", "5")
			r.end(20, "1: [10]", "3: [10]", "5: [10]", "7: [10]", "9: [10]") // Ten records are two seconds' share.
		},
	})
}

// TestRestart: a range is all that another process needs.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{Memory: vfs.NewMemory("mem"), t: t}
		newSource := func() dstream.Source[string] {
			ssc, err := dstream.NewContext(conf.New().Set(remember, "10s"), time.Second, rdd.WithFileSystem(d))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ssc.Stop(context.Background()) })
			return dstream.SourceOf(files.TextStream(ssc, "mem:/in"))
		}
		plan := func(s dstream.Source[string], from []byte) ([]byte, string) {
			rng, _, err := s.Plan(t.Context(), from, dstream.Unlimited(1))
			if err != nil {
				t.Fatal(err)
			}
			return rng, fmt.Sprint(s.(dstream.SourceDescriber).Describe(rng))
		}
		d.put("in/before", "x\n", 0)
		first := newSource()
		from, err := first.Resolve(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.put("in/a", "a\n", 0)
		rng, got := plan(first, from)
		if want := "[mem:/in/a, 2 bytes]"; got != want {
			t.Errorf("first: %s, want %s", got, want)
		}
		d.put("in/b", "b\n", 0)
		time.Sleep(time.Hour) // b is older than what is remembered, but not than the last range.
		d.put("in/c", "c\n", 0)
		second := newSource()
		from, err = second.Resolve(t.Context(), rng)
		if err != nil {
			t.Fatal(err)
		}
		if rng, got = plan(second, from); got != "[mem:/in/b, 2 bytes mem:/in/c, 2 bytes]" {
			t.Errorf("second: %s", got)
		}
		if _, got = plan(second, rng); got != "[]" {
			t.Errorf("third: %s", got)
		}
		for _, bad := range []string{"", "{}", `{"version":2}`} {
			if _, err := second.Resolve(t.Context(), []byte(bad)); err == nil {
				t.Errorf("the range %q is accepted", bad)
			}
		}
	})
}

// TestQuiet: while there is nothing to take the range stays the same, so that batches may be idle, but for what is to
// be remembered; and what is remembered does not depend on that.
func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{Memory: vfs.NewMemory("mem"), t: t}
		ssc, err := dstream.NewContext(conf.New().Set(remember, "30s"), time.Second, rdd.WithFileSystem(d))
		if err != nil {
			t.Fatal(err)
		}
		defer ssc.Stop(context.Background())
		s := dstream.SourceOf(files.TextStream(ssc, "mem:/in"))
		from, err := s.Resolve(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var story []string
		plan := func(what string) {
			rng, _, err := s.Plan(t.Context(), from, dstream.Unlimited(1))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rng, from) {
				what += fmt.Sprintf(" %v", s.(dstream.SourceDescriber).Describe(rng))
			}
			story, from = append(story, what), rng
			time.Sleep(time.Second)
		}
		plan("start")
		d.put("in/a", "a", 0)
		plan("a")
		plan("taken")
		plan("quiet")
		d.put("in/a", "aa", 0)
		plan("changed")
		plan("quiet")
		for range 8 {
			plan("")
		}
		plan("later")
		for range 9 {
			plan("")
		}
		d.put("in/b", "b", 29*time.Second) // in time by what is remembered now, and c by what was
		d.put("in/c", "c", 32*time.Second)
		plan("b")
		want := "start|a [mem:/in/a, 1 bytes]|taken []|quiet|changed []|quiet|||||||||later []||||||||||b [mem:/in/b, 1 bytes]"
		if got := strings.Join(story, "|"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// TestRefused: what cannot be read is refused before anything runs.
func TestRefused(t *testing.T) {
	for want, make := range map[string]func(ssc *dstream.Context){
		"textFileStream: s3://b: no file system for s3:": func(ssc *dstream.Context) {
			dstream.Print(files.TextStream(ssc, "s3://b"), 1)
		},
		"textFileStream: the path is empty": func(ssc *dstream.Context) { dstream.Print(files.TextStream(ssc, ""), 1) },
		"files.WithFilter needs a function": func(ssc *dstream.Context) {
			dstream.Print(files.TextStream(ssc, "x", files.WithFilter(nil)), 1)
		},
		"files.WithMaxLength needs at least 1": func(ssc *dstream.Context) {
			dstream.Print(files.TextStream(ssc, "x", files.WithMaxLength(0)), 1)
		},
		"fileStream: the function that decodes is nil": func(ssc *dstream.Context) {
			dstream.Print(files.Stream[int](ssc, "x", nil), 1)
		},
		"binaryRecordsStream: the record length must be at least 1, not 0": func(ssc *dstream.Context) {
			dstream.Print(files.BinaryRecords(ssc, "x", 0), 1)
		},
	} {
		ssc, err := dstream.NewContext(conf.New(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		make(ssc)
		err = ssc.Start(t.Context())
		if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "files_test.go:") {
			t.Errorf("%v, want %s", err, want)
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
