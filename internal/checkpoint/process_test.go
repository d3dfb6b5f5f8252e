package checkpoint

import (
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// TestGone: a process is known to be gone only by one that sees the same processes.
func TestGone(t *testing.T) {
	here := Here("test")
	if here.Machine == "" || here.Started == "" {
		t.Skip("the system does not tell of its processes")
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	later := exec.Command("sleep", "60")
	if err := later.Start(); err != nil {
		t.Skip(err)
	}
	other := here
	other.PID = child.Process.Pid
	other.Started, _ = started(procFolder, other.PID)
	elsewhere, reused := other, other
	elsewhere.Machine += "x"
	reused.Started += "1"
	check := func(what string, o Owner, want bool) {
		t.Helper()
		if got := o.Gone(); got != want {
			t.Errorf("%s is gone: %v", what, got)
		}
	}
	check("this process", here, false)
	check("the child", other, false)
	check("one whose number was given out again", reused, true)
	hidden := t.TempDir() // A folder of processes that shows none.
	if here.goneFrom(hidden) || other.goneFrom(hidden) {
		t.Error("a process that is hidden is taken for dead")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	check("the child that was waited for", other, true)
	if !other.goneFrom(hidden) {
		t.Error("a process that is neither shown nor there is taken for alive")
	}
	check("a process elsewhere", elsewhere, false)
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		killed, _, err := Open(t.Context(), m, dir, other, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m.Kill()
		began := time.Now()
		l, _, err := Open(t.Context(), disk.Mount(nil), dir, here, Options{})
		if took := time.Since(began); err != nil || took > 0 {
			t.Fatalf("after %v: %v", took, err)
		}
		mustClose(t, l)
		_ = killed.Close(t.Context())
	})
	second := here
	second.PID = later.Process.Pid
	second.Started, _ = started(procFolder, second.PID)
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		killed, _, err := Open(t.Context(), m, dir, second, Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(5*time.Minute, func() {
			m.Kill()
			_ = later.Process.Kill()
			_ = later.Wait()
		})
		l, _, err := Open(t.Context(), disk.Mount(nil), dir, here, Options{Wait: true})
		if took := time.Since(began) - 5*time.Minute; err != nil || took > time.Second {
			t.Fatalf("a standby takes over %v after the death of a process beside it: %v", took, err)
		}
		mustClose(t, l)
		_ = killed.Close(t.Context())
	})
}
