package dstream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// onMemory makes a context with a file system in memory.
func onMemory(t *testing.T, settings ...string) (*dstream.Context, *vfs.Memory) {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for pair := range slices.Chunk(settings, 2) {
		c.Set(pair[0], pair[1])
	}
	m := vfs.NewMemory("mem")
	ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(m))
	if err != nil {
		t.Fatal(err)
	}
	return ssc, m
}

// tree lists all files below a directory, with their content if it is text.
func tree(t *testing.T, m *vfs.Memory, dir string) (lines []string) {
	t.Helper()
	infos, err := m.List(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if i.Dir {
			lines = append(lines, tree(t, m, i.Name)...)
			continue
		}
		data, err := vfs.ReadFile(context.Background(), m, i.Name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(i.Name+" "+strings.ReplaceAll(string(data), "\n", " ")))
	}
	return lines
}

// TestSaveAsTextFiles: a directory for each batch, one without records too, and one that was written before is
// overwritten.
func TestSaveAsTextFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, m := onMemory(t)
		for _, name := range []string{"mem:/out-946684801000.txt/part-00009", "mem:/out-946684801000.txt/part-00000"} {
			if err := errors.Join(m.MkdirAll(t.Context(), vfs.Dir(name)),
				vfs.WriteFile(t.Context(), m, name, []byte("stale"))); err != nil {
				t.Fatal(err)
			}
		}
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3}, nil))
		dstream.SaveAsTextFiles(d, "mem:/out", "txt")
		dstream.SaveAsTextFiles(dstream.Repartition(d, 1), "mem:/one", "")
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"mem:/one-946684801000/_SUCCESS", "mem:/one-946684801000/part-00000 1 2 3",
			"mem:/one-946684802000/_SUCCESS", "mem:/one-946684802000/part-00000",
			"mem:/out-946684801000.txt/_SUCCESS", "mem:/out-946684801000.txt/part-00000 1",
			"mem:/out-946684801000.txt/part-00001 2 3",
			"mem:/out-946684802000.txt/_SUCCESS", "mem:/out-946684802000.txt/part-00000",
		}
		if got := tree(t, m, "mem:/"); !slices.Equal(got, want) {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestSaveOfABatchThatIsRunAgain: what a failed run wrote is not seen, and the next one writes the same files.
func TestSaveOfABatchThatIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, m := onMemory(t, "weir.streaming.failedBatch", "retry", "spark.task.maxFailures", "1")
		var (
			seen   []string
			failed atomic.Bool
		)
		d := dstream.MapTry(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2})), func(v int) (int, error) {
			if v == 2 && failed.CompareAndSwap(false, true) {
				time.Sleep(100 * time.Millisecond) // The other partition is written meanwhile.
				seen = tree(t, m, "mem:/")
				return 0, errors.New("the first time")
			}
			return v, nil
		})
		dstream.SaveAsObjectFiles(d, "mem:/out", "")
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if !failed.Load() || len(seen) != 0 || m.Pendings() != 0 {
			t.Errorf("a failed run shows %q, and leaves %d files", seen, m.Pendings())
		}
		sc, err := rdd.NewContext(conf.New(), rdd.WithFileSystem(m))
		if err != nil {
			t.Fatal(err)
		}
		got, err := rdd.Collect(t.Context(), rdd.ObjectFile[int](sc, "mem:/out-946684801000"))
		if err != nil || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("%v, %v", got, err)
		}
		if err := sc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSaveThatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, _ := onMemory(t)
		dstream.SaveAsTextFiles(dstream.QueueStream(ssc, dstream.NewQueue[int]()), "s3://bucket/out", "")
		dstream.SaveAsObjectFiles(dstream.QueueStream(ssc, dstream.NewQueue[chan int]()), "mem:/out", "")
		err := ssc.Start(t.Context())
		for _, want := range []string{"savefiles_test.go:", "saveAsTextFiles: s3://bucket/out-0: no file system for s3:",
			"saveAsObjectFiles: ", "chan int"} {
			if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		stopNow(t, ssc)
	})
}
