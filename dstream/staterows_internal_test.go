package dstream

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/vfs"
)

// TestStateRowsFolder: what an earlier owner of a checkpoint left goes, and what the program has that runs on a copy of
// the checkpoint stays.
func TestStateRowsFolder(t *testing.T) {
	root := t.TempDir()
	folder := func(fsys vfs.FS, path string, epoch int64) string {
		t.Helper()
		ssc, err := NewContext(conf.New().Set("spark.master", "local").Set("spark.local.dir", root), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ssc.Stop(context.Background()) }()
		ssc.job, ssc.epoch, ssc.durable.fs, ssc.durable.path = "job", epoch, fsys, path
		dir, err := ssc.stateRowsFolder()
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	first := folder(vfs.Local{}, "here/ck", 1)
	others := []string{folder(vfs.Local{}, "there/ck", 1), folder(vfs.NewMemory("mem"), "here/ck", 1)}
	t.Chdir("testdata")
	others = append(others, folder(vfs.Local{}, "here/ck", 1))
	others = append(others, folder(vfs.Local{}, "../here/ck", 2)) // This is the first one's.
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("the folder of the owner before is still there: %v", err)
	}
	for _, dir := range others {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
