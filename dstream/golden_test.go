package dstream_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

var updateGolden = flag.Bool("update", false, "have TestGoldenCheckpoints write a folder for another version")

// goldenProgram is the program whose checkpoints are kept under testdata/checkpoints. It must stay as it is, for they
// are there to be continued: two states, one of them with an initial state that needs a file and one with time-outs, a
// window of panes and one of whole batches, a sink and bodies. got has what each output saw of each batch.
func goldenProgram(got map[string]string, sink *sinkOf) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		keyed := dstream.FlatMap(d, func(v int) iter.Seq[pair] {
			return slices.Values([]pair{rdd.KV(fmt.Sprint("key ", v%7), v), rdd.KV("all", v)})
		}).Named("keyed")
		spec := dstream.Spec(func(k string, v rdd.Optional[int], s *dstream.State[[2]int]) string {
			if !s.IsTimingOut() {
				now := s.Option().Or([2]int{})
				s.Update([2]int{now[0] + 1, now[1] + v.Value})
			}
			return fmt.Sprint(k, " ", s.Get(), s.IsTimingOut())
		}).Timeout(2 * time.Second).Partitions(3)
		sums, _ := dstream.MapWithState(keyed, spec)
		dstream.WriteTo(sums.Named("sums"), dstream.Sink[string](sink)).Named("sink")
		watch(sums, "sums", got)
		many := make([]pair, 200)
		for i := range many {
			many[i] = rdd.KV(fmt.Sprintf("initial key number %03d", i), i)
		}
		initial := rdd.Parallelize(ssc.RDD(), many, 2)
		totals := dstream.UpdateStateByKeyFrom(keyed, initial, func(vs []int, s int, had bool) (int, bool) {
			for _, v := range vs {
				s += v
			}
			return s, true
		}, rdd.Partitions(2)).Named("totals")
		watch(totals, "totals", got)
		watch(dstream.ReduceByKeyAndWindow(keyed, plus, 3*time.Second, 0, rdd.Partitions(2)).Named("panes"), "panes", got)
		watch(dstream.Window(d, 2*time.Second, 2*time.Second).Named("window"), "window", got)
	}
}

// TestGoldenCheckpoints goes on from checkpoints that earlier versions of weir have left: one after a clean stop, one
// with a planned batch. They are read, checked, replayed and continued, and give what a program gives that never
// stopped. A version that writes other bytes gets a folder of its own, by -update; those that are there stay.
func TestGoldenCheckpoints(t *testing.T) {
	if *updateGolden {
		writeGoldenCheckpoints(t)
	}
	folders, err := filepath.Glob("testdata/checkpoints/v*/*")
	if err != nil || len(folders) < 2 {
		t.Fatal("the folders of testdata/checkpoints are missing", err)
	}
	want := map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		l := mustLive(t, vfs.NewDisk("disk"), goldenProgram(want, &sinkOf{}))
		time.Sleep(20500 * time.Millisecond)
		l.stop(t)
	})
	for _, folder := range folders {
		t.Run(filepath.Base(filepath.Dir(folder))+"/"+filepath.Base(folder), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { goOnFromGolden(t, folder, want) })
		})
	}
}

func goOnFromGolden(t *testing.T, folder string, want map[string]string) {
	disk, got, sink := diskOf(t, folder), map[string]string{}, &sinkOf{}
	info := clonedState(t, disk)
	open := strings.HasSuffix(folder, "open")
	if info.StoppedCleanly == open || len(info.Batches) < 4 {
		t.Fatalf("stopped cleanly: %v, with %d batches", info.StoppedCleanly, len(info.Batches))
	}
	last := info.Batches[len(info.Batches)-1].Sequence
	_, text, err := replayOf(t, disk, goldenProgram(got, sink), dstream.Replay{Sequence: last - 1})
	for key, vs := range shown(t, last-1, text) {
		if !strings.HasSuffix(key, "sink") && vs != want[key] {
			t.Errorf("replayed, %s is %q, want %q", key, vs, want[key])
		}
	}
	if err != nil || text == "" {
		t.Errorf("the replay of batch %d: %v", last-1, err)
	}
	// The sink is another one and holds nothing.
	l := mustLive(t, disk, goldenProgram(got, sink), "weir.sink.accept", "sink=loss")
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	_ = l.AwaitTermination(ctx)
	l.stop(t)
	first := last + 1
	if open {
		first = last
	}
	seen := 0
	for n := first; got[fmt.Sprintf("%02d sums", n)] != ""; n++ {
		for _, name := range []string{"sums", "totals", "panes", "window"} {
			key := fmt.Sprintf("%02d %s", n, name)
			if got[key] != want[key] {
				t.Errorf("%s is %q, want %q", key, got[key], want[key])
			}
		}
		if rows := strings.Join(sink.batches()[n], ", "); rows != want[fmt.Sprintf("%02d sums", n)] {
			t.Errorf("the sink has %q of batch %d", rows, n)
		}
		seen++
	}
	if seen < 4 || len(sink.batches()) != seen {
		t.Errorf("it went on with %d batches from batch %d on, and wrote %d", seen, first, len(sink.batches()))
	}
}

// diskOf puts the files of a folder on a disk.
func diskOf(t *testing.T, folder string) *vfs.Disk {
	t.Helper()
	disk := vfs.NewDisk("disk")
	m := disk.Mount(nil)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := "disk:/ck" + filepath.ToSlash(strings.TrimPrefix(path, folder))
		data, err := os.ReadFile(path)
		if err == nil {
			err = m.MkdirAll(t.Context(), vfs.Dir(name))
		}
		if err == nil {
			err = vfs.WriteFile(t.Context(), m, name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// writeGoldenCheckpoints writes the folder of the version after those that are there.
func writeGoldenCheckpoints(t *testing.T) {
	n := 1
	for ; ; n++ {
		if _, err := os.Stat(fmt.Sprintf("testdata/checkpoints/v%d", n)); err != nil {
			break
		}
	}
	for _, how := range []string{"clean", "open"} {
		synctest.Test(t, func(t *testing.T) {
			disk, sink := vfs.NewDisk("disk"), &sinkOf{}
			l := mustLive(t, disk, goldenProgram(map[string]string{}, sink))
			time.Sleep(4500 * time.Millisecond)
			if how == "open" {
				sink.stuck.Store(true)
				time.Sleep(time.Second)
				l.die(t)
			} else {
				l.stop(t)
			}
			for _, name := range slices.Sorted(maps.Keys(disk.Files())) {
				to := fmt.Sprintf("testdata/checkpoints/v%d/%s%s", n, how, strings.TrimPrefix(name, "disk:/ck"))
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to, anonymous(t, name, disk.Files()[name]), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

var ownerText = regexp.MustCompile(`"owner":\{"host":[^}]*\}`)

// anonymous gives a file of the log without the machine that wrote it.
func anonymous(t *testing.T, name string, data []byte) []byte {
	kind, _, _ := strings.Cut(strings.TrimPrefix(string(data[:min(len(data), 20)]), "weir "), " ")
	if kind != "slot" && kind != "lease" {
		return data
	}
	lines, err := checkpoint.DecodeRecord(kind, name, data)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]any, len(lines))
	for i := range lines {
		lines[i] = ownerText.ReplaceAll(lines[i], []byte(`"owner":{"host":"golden","pid":1,"program":"weir"}`))
		all[i] = lines[i]
	}
	if data, err = checkpoint.EncodeRecord(kind, all...); err != nil {
		t.Fatal(err)
	}
	return data
}
