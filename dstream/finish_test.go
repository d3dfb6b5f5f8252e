package dstream_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// died leaves a checkpoint with planned batches, the first of which a sink had not stored.
func died(t *testing.T, v version, disk *vfs.Disk) {
	t.Helper()
	m := disk.Mount(nil)
	ssc := v.context(t, m)
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lives(t, ssc, 3200*time.Millisecond)
	v.sink.stuck.Store(true)
	lives(t, ssc, 2*time.Second)
	m.Kill()
	_ = ssc.Stop(t.Context())
	v.sink.stuck.Store(false)
}

// lives lets a program run for a while of virtual time.
func lives(t *testing.T, ssc *dstream.Context, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := ssc.AwaitTermination(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// TestFinish: the old program runs what it had planned and nothing else, and another one goes on after that.
func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		died(t, v, disk)
		next := v
		next.also = true
		for _, refused := range []func(ssc *dstream.Context) error{
			func(ssc *dstream.Context) error { return ssc.Start(t.Context()) },
			func(ssc *dstream.Context) error { return ssc.Finish(t.Context()) },
		} {
			if err := refused(next.context(t, disk.Mount(nil))); !errors.Is(err, dstream.ErrUnfit) {
				t.Errorf("another program: %v", err)
			}
		}
		check := func(want string) {
			t.Helper()
			ssc := v.context(t, disk.Mount(nil))
			fit, err := ssc.CheckCheckpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := "open"
			if fit.Checkpoint.StoppedCleanly {
				got = "clean"
			}
			if last := fit.Checkpoint.Batches[len(fit.Checkpoint.Batches)-1]; last.Sequence != 4 || got != want {
				t.Errorf("the last batch is %d, and the checkpoint %s, want 4 and %s", last.Sequence, got, want)
			}
			if err := ssc.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		check("open")
		seen = nil
		ssc := v.context(t, disk.Mount(nil))
		if err := ssc.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("clean")
		if len(seen) != 2 || !strings.HasPrefix(seen[0], "3 ") || !strings.HasPrefix(seen[1], "4 ") {
			t.Errorf("ran %q, want batches 3 and 4", seen)
		}
		v.wroteUpTo(t, 5)
		ssc = next.context(t, disk.Mount(nil))
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

// TestFinishNeedsACheckpoint: none is made, and a program that has been started is not finished.
func TestFinishNeedsACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		ssc := v.context(t, disk.Mount(nil))
		if err := ssc.Finish(t.Context()); !errors.Is(err, fs.ErrNotExist) || len(disk.Files()) > 0 {
			t.Errorf("%v, and %d files", err, len(disk.Files()))
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.Finish(t.Context()); !errors.Is(err, dstream.ErrStarted) {
			t.Errorf("after Start: %v", err)
		}
		if _, err := ssc.CheckCheckpoint(t.Context()); !errors.Is(err, dstream.ErrStarted) {
			t.Errorf("after Start: %v", err)
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAskedProgramsDoNotStart: a program that was asked to do something else, and does not know how, does nothing.
func TestAskedProgramsDoNotStart(t *testing.T) {
	t.Setenv(dstream.AskVariable, `{"do":"check"}`)
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		ssc := firstVersion(&seen, &sinkOf{}).context(t, disk.Mount(nil))
		if err := ssc.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "calls weir.Main") ||
			len(disk.Files()) > 0 {
			t.Errorf("%v, and %d files", err, len(disk.Files()))
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
