package realkafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Every wait has an end. The scripts give up earlier by themselves: ZooKeeper has 60 s, any other process 90 s.
const (
	fetchTimeout = 8 * time.Minute // Maven from an empty cache
	lockTimeout  = 10 * time.Minute
	startTimeout = 4 * time.Minute
	endTimeout   = 60 * time.Second
	callTimeout  = 2 * time.Minute
)

// held is a script in its command `run`: what it has started lives as long as the script, and the script as
// long as the pipe to us.
type held struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *lockedBuffer
}

// hold starts a script and waits until it says that its service answers. The script inherits place, the lock.
func hold(cmd *exec.Cmd, place *os.File) (*held, error) {
	cmd.ExtraFiles = []*os.File{place} // descriptor 3, which the script keeps from what it starts
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h := &held{cmd: cmd, stdin: stdin, stderr: &lockedBuffer{}}
	cmd.Stderr = h.stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(startTimeout, func() { endGroup(cmd) })
	defer late.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return h, nil
		}
	}
	return nil, errors.Join(errors.New("it did not come up"), h.release())
}

// release ends what the script holds and waits until it is gone and its data are deleted.
func (h *held) release() error {
	h.stdin.Close()
	late := time.AfterFunc(endTimeout, func() { killGroup(h.cmd) })
	defer late.Stop()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, lastLines(h.stderr.String(), 80))
	}
	return nil
}

// takePlace waits until the place called name is free on this machine; see lock.
func takePlace(t testing.TB, cache, name string) *os.File {
	t.Helper()
	wait := lockTimeout
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			// A minute less than the test has, so that it fails with the reason and not by a panic of go test.
			wait = min(wait, time.Until(at)-time.Minute)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	place, err := lock(ctx, cache, name, fmt.Sprintf("process %d, test %s", os.Getpid(), t.Name()))
	if err != nil {
		t.Fatalf("realkafka: %v", err)
	}
	return place
}

// freePorts returns the first of n ports in a row that are free on loopback just now. They lie below the range
// from which Linux takes the ports of outgoing connections.
func freePorts(n int) (int, error) {
	for range 200 {
		first := 20000 + 10*rand.IntN(1200)
		if allFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row between 20000 and 32000", n)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
