//go:build !unix

package realsql

import "os/exec"

// runs does nothing: no other system has a root user.
func (a *account) runs(*exec.Cmd) {}
