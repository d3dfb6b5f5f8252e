//go:build unix

package realsql

import (
	"os/exec"
	"syscall"
)

// runs has a command run as the user.
func (a *account) runs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}}
}
