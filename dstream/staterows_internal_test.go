package dstream

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// TestReplayFolder: what a replay left goes when its process has, at the next replay or start.
func TestReplayFolder(t *testing.T) {
	here := checkpoint.Here("")
	if here.Machine == "" || here.Started == "" {
		t.Skip("the system does not tell of its processes")
	}
	dead, elsewhere := here, here
	dead.Started += "1"
	elsewhere.Started, elsewhere.Machine = dead.Started, "another machine"
	for _, replays := range []bool{true, false} {
		root := t.TempDir()
		left := func(job string, o checkpoint.Owner) string {
			dir := filepath.Join(root, "weir-replay-"+job+"-"+processName(o)+"123", "rows")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(dir)
		}
		gone := left("job", dead)
		stay := []string{left("job", here), left("job", elsewhere), left("another", dead),
			filepath.Join(root, "weir-replay-job-123")}
		if err := os.Mkdir(stay[3], 0o700); err != nil {
			t.Fatal(err)
		}
		ssc, err := NewContext(conf.New().Set("spark.master", "local").Set("spark.local.dir", root), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.job, ssc.epoch, ssc.durable.replays = "job", 3, replays
		for range 2 {
			dir, err := ssc.stateRowsFolder(t.Context())
			if replays {
				stay = append(stay, dir) // Its process is this one.
			}
			if err != nil || processGone(strings.TrimPrefix(filepath.Base(dir), "weir-replay-job-")) {
				t.Errorf("%s: %v", dir, err)
			}
		}
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("replays %v: what a replay has left is still there: %v", replays, err)
		}
		for _, dir := range stay {
			if _, err := os.Stat(dir); err != nil {
				t.Errorf("replays %v: %v", replays, err)
			}
		}
		if err := ssc.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStateRowsFolder: what an earlier owner of a checkpoint left goes, and what the program has that runs on a copy of
// the checkpoint stays.
func TestStateRowsFolder(t *testing.T) {
	// The other folder has what was left while this one could not be written to; [ is no pattern.
	root, other := filepath.Join(t.TempDir(), "[a"), t.TempDir()
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	folder := func(fsys vfs.FS, path string, epoch int64) string {
		t.Helper()
		ssc, err := NewContext(conf.New().Set("spark.master", "local").Set("spark.local.dir", root+","+other),
			time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ssc.Stop(context.Background()) }()
		ssc.job, ssc.epoch, ssc.durable.fs, ssc.durable.path = "job", epoch, fsys, path
		dir, err := ssc.stateRowsFolder(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	first := folder(vfs.Local{}, "here/ck", 1)
	there := filepath.Join(other, filepath.Base(first))
	if err := os.Mkdir(there, 0o700); err != nil {
		t.Fatal(err)
	}
	others := []string{folder(vfs.Local{}, "there/ck", 1), folder(vfs.NewMemory("mem"), "here/ck", 1)}
	t.Chdir("testdata")
	others = append(others, folder(vfs.Local{}, "here/ck", 1))
	others = append(others, folder(vfs.Local{}, "../here/ck", 2)) // This is the first one's.
	for _, dir := range []string{first, there} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s of the owner before is still there: %v", dir, err)
		}
	}
	for _, dir := range others {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
