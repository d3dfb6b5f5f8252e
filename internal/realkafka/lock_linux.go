package realkafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// lock takes the machine's one place called name, waiting until ctx ends. The place is given back when the last
// copy of the file is closed: the copy that the script inherits holds it until what it started is gone, even
// when the test's process dies first. who is written into the file for those who wait.
func lock(ctx context.Context, cache, name, who string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			holder, _ := io.ReadAll(f)
			f.Close()
			return nil, fmt.Errorf("another %s runs, and only one may (that of %s, says %s): %w",
				name, holder, f.Name(), context.Cause(ctx))
		}
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.WriteAt([]byte(who), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ownGroup makes cmd the leader of a process group: an interrupt from the terminal reaches the test, whose end
// the script then sees, and not the script in the middle of its work.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends cmd and its children at once.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// endGroup asks cmd and its children to end: the script destroys what it started first.
func endGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
