package dstream

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// TestTakenOverRemovesNothing: a process that slept at its start while another one took over removes nothing that the
// next owner has made since.
func TestTakenOverRemovesNothing(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	open := func(host string) (*Context, *checkpoint.Log) {
		l, _, err := checkpoint.Open(t.Context(), vfs.Local{}, dir, checkpoint.Owner{Host: host, PID: 7},
			checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ssc, err := NewContext(conf.New().Set("spark.master", "local").Set("spark.local.dir", root), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = ssc.Stop(context.Background())
			_ = l.Close(context.Background())
		})
		ssc.log, ssc.job, ssc.epoch, ssc.durable.fs, ssc.durable.path = l, l.Job(), l.Epoch(), vfs.Local{}, dir
		return ssc, l
	}
	a, l := open("a")
	if err := l.Append(t.Context(), checkpoint.Stop{}); err != nil { // The next one need not wait.
		t.Fatal(err)
	}
	b, _ := open("b")
	series := filepath.Join(dir, receivedDir, "0123456789abcdef-0000000002")
	if err := os.MkdirAll(series, 0o700); err != nil {
		t.Fatal(err)
	}
	rows, err := b.stateRowsFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, rowsErr := a.stateRowsFolder(t.Context())
	for _, tt := range []struct {
		what, folder string
		err          error
	}{
		{"write ahead log", series, a.sweepReceived(t.Context())},
		{"store of states", rows, rowsErr},
	} {
		if fenced := (*checkpoint.FencedError)(nil); !errors.As(tt.err, &fenced) || fenced.By.Host != "b" {
			t.Errorf("%s: %v", tt.what, tt.err)
		}
		if _, err := os.Stat(tt.folder); err != nil {
			t.Errorf("the %s of the next owner: %v", tt.what, err)
		}
	}
}

// TestReleasedWhileRead: who reads a version that goes meanwhile is not told to put a file back.
func TestReleasedWhileRead(t *testing.T) {
	r := &StateReader[string, int]{name: "counts"}
	err := r.failed(&stateView{}, &checkpoint.DamageError{File: "state/f", Remedy: "put the file back",
		Cause: fs.ErrNotExist})
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "put the file back") ||
		!strings.Contains(err.Error(), "read it again") {
		t.Errorf("a version that was released: %v", err)
	}
}
