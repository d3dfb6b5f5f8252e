package realkafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every wait has an end. The script gives up earlier by itself: ZooKeeper has 60 s, each broker 90 s.
const (
	fetchTimeout = 8 * time.Minute // Maven from an empty cache
	lockTimeout  = 10 * time.Minute
	startTimeout = 4 * time.Minute
	endTimeout   = 60 * time.Second
	callTimeout  = 2 * time.Minute
)

// Cluster is a running Kafka cluster. Its methods end the test when they fail, so they are to be called from
// the test's own goroutine; In gives the cluster to a subtest.
type Cluster struct {
	t       testing.TB
	version string
	shape   shape
	cache   string // jars, lock, dir
	scripts string // the unpacked scripts
	dir     string // everything this cluster owns; gone when it ends
	port    int    // node 1's first; see kafka.sh for the rest
	run     *running
}

// running is the script that holds the cluster.
type running struct {
	cmd    *exec.Cmd
	stdin  io.Closer // the cluster ends when it is closed
	stderr *lockedBuffer
}

// Start starts a cluster of Kafka's release version, e.g. "2.8.1", and waits until every broker answers. The
// cluster ends with the test t; when t has failed, the ends of the brokers' logs are in its output. Where there
// is no Java, or the release can neither be found in the cache nor fetched, t is skipped (see unavailable).
func Start(t testing.TB, version string, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t, version: version, shape: shape{nodes: 1}}
	for _, o := range opts {
		o(&c.shape)
	}
	if c.shape.nodes < 1 || c.shape.nodes > 5 {
		t.Fatalf("realkafka: %d nodes: 1 to 5 can be started", c.shape.nodes)
	}
	c.prepare()
	place := c.takePlace()
	defer place.Close() // the script has its own copy
	begin := time.Now()
	if err := c.start(place); err != nil {
		t.Fatalf("realkafka: start %s: %v", version, err)
	}
	t.Cleanup(c.end)
	t.Logf("realkafka: %s answers at %s after %.1f s", version, c.Bootstrap(PlaintextListener),
		time.Since(begin).Seconds())
	return c
}

// prepare finds or fetches what the cluster is started from.
func (c *Cluster) prepare() {
	c.t.Helper()
	var err error
	if c.cache, err = cacheDir(); err != nil {
		unavailable(c.t, "%v", err)
	}
	require(c.t, c.cache, "kafka-"+c.version)
	if c.scripts, err = unpack(c.cache); err != nil {
		c.t.Fatalf("realkafka: unpack the scripts into %s: %v", c.cache, err)
	}
	c.dir = filepath.Join(c.cache, "cluster")
	c.fetch(c.version)
}

// fetch fills the cache with what, as kafka.sh's fetch names it.
func (c *Cluster) fetch(what string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), fetchTimeout)
	defer cancel()
	if _, err := output(c.script(ctx, "fetch", what), nil); err != nil {
		unavailable(c.t, "Maven does not fetch %s: %v", what, err)
	}
}

// takePlace waits until no other cluster runs. What a former one has left, because its test and its script were
// both killed, is destroyed.
func (c *Cluster) takePlace() *os.File {
	c.t.Helper()
	wait := lockTimeout
	if d, ok := c.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			// A minute less than the test has, so that it fails with the reason and not by a panic of go test.
			wait = min(wait, time.Until(at)-time.Minute)
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), wait)
	defer cancel()
	place, err := lock(ctx, c.cache, fmt.Sprintf("process %d, test %s", os.Getpid(), c.t.Name()))
	if err != nil {
		c.t.Fatalf("realkafka: %v", err)
	}
	if _, err := os.Stat(c.dir); err == nil {
		if err := c.destroy(); err != nil {
			place.Close()
			c.t.Fatalf("realkafka: clear away a former cluster: %v", err)
		}
	}
	return place
}

// start runs the script until it says that the brokers answer.
func (c *Cluster) start(place *os.File) error {
	var err error
	if c.port, err = freePorts(c.shape.nodes); err != nil {
		return err
	}
	args := append([]string{"run", c.version, c.dir, strconv.Itoa(c.port)}, c.shape.args()...)
	cmd := c.script(context.Background(), args...)
	cmd.ExtraFiles = []*os.File{place}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.run = &running{cmd: cmd, stdin: stdin, stderr: &lockedBuffer{}}
	cmd.Stderr = c.run.stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(startTimeout, func() { endGroup(cmd) })
	defer late.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return nil
		}
	}
	stdin.Close()
	return errors.Join(fmt.Errorf("the brokers did not come up: %w", cmd.Wait()),
		errors.New(lastLines(c.run.stderr.String(), 80)))
}

// end ends the cluster and deletes its data.
func (c *Cluster) end() {
	if c.t.Failed() {
		c.t.Logf("realkafka: the brokers' last words:\n%s", c.LogTail(40))
	}
	c.run.stdin.Close()
	late := time.AfterFunc(endTimeout, func() { killGroup(c.run.cmd) })
	defer late.Stop()
	if err := c.run.cmd.Wait(); err != nil {
		c.t.Errorf("realkafka: end of %s: %v\n%s", c.version, err, lastLines(c.run.stderr.String(), 40))
		if err := c.destroy(); err != nil {
			c.t.Errorf("realkafka: %v", err)
		}
	}
}

// destroy kills whatever was started in the cluster's folder, and deletes it.
func (c *Cluster) destroy() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_, err := output(c.script(ctx, "destroy", c.dir), nil)
	return err
}

// In returns the same cluster for a subtest: what fails there ends t.
func (c *Cluster) In(t testing.TB) *Cluster {
	d := *c
	d.t = t
	return &d
}

// Version returns the brokers' release, e.g. "2.8.1".
func (c *Cluster) Version() string { return c.version }

// LogTail returns the last n lines of every broker's log, and of ZooKeeper's.
func (c *Cluster) LogTail(n int) string {
	logs, _ := filepath.Glob(filepath.Join(c.dir, "node*", "kafka.log"))
	logs = append(logs, filepath.Join(c.dir, "zookeeper", "zookeeper.log"))
	var sb strings.Builder
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // in KRaft mode there is no ZooKeeper
		}
		if err != nil {
			text = []byte(err.Error())
		}
		name, _ := filepath.Rel(c.dir, path)
		fmt.Fprintf(&sb, "--- %s\n%s\n", name, lastLines(string(text), n))
	}
	return sb.String()
}

// script returns a call of kafka.sh.
func (c *Cluster) script(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{filepath.Join(c.scripts, "kafka.sh")}, args...)
	return command(ctx, c.cache, "bash", args...)
}

// call runs a command of kafka.sh and ends the test if it fails.
func (c *Cluster) call(stdin io.Reader, args ...string) []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), callTimeout)
	defer cancel()
	out, err := output(c.script(ctx, args...), stdin)
	if err != nil {
		c.t.Fatalf("realkafka: %v", err)
	}
	return out
}

// freePorts returns the first of the ports that nodes brokers need, ten each, all free on loopback just now.
// They lie below the range from which Linux takes the ports of outgoing connections.
func freePorts(nodes int) (int, error) {
	for range 200 {
		first := 20000 + 10*rand.IntN(1200)
		if allFree(first, 10*nodes) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row between 20000 and 32000", 10*nodes)
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
