package checkpoint

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Here is this process as an owner.
func Here(program string) Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	o := Owner{Host: host, PID: os.Getpid(), Program: program, Machine: machine()}
	o.Started, _ = started(procFolder, o.PID)
	return o
}

// machine names the boot of the machine and the name space of its process numbers: two processes for which it is equal
// can tell whether the other one is there. It is "" where that cannot be known.
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, spaceErr := os.Readlink("/proc/self/ns/pid")
	if err != nil || spaceErr != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}

// procFolder is where a system shows its processes.
const procFolder = "/proc"

// started tells when a process began, in the kernel's ticks, so that a number that was given out again shows.
func started(proc string, pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", err
	}
	// The name of the program, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return "", nil
	}
	return fields[19], nil
}

// Gone tells that an owner is known not to be there any more. Not to know is false.
func (o Owner) Gone() bool {
	return o.Machine != "" && o.Started != "" && o.Machine == machine() && o.goneFrom(procFolder)
}

// goneFrom asks the folder, and of a process that it does not show the system: it may hide those of other users.
func (o Owner) goneFrom(proc string) bool {
	at, err := started(proc, o.PID)
	if errors.Is(err, fs.ErrNotExist) {
		p, err := os.FindProcess(o.PID)
		return err == nil && errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
	}
	return err == nil && at != o.Started
}
