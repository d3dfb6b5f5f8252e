package realkafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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
	held    *held
}

// Start starts a cluster of Kafka's release version, e.g. "2.8.1", and waits until every broker answers. The
// cluster ends with the test t; when t has failed, the ends of the brokers' logs are in its output. Where there
// is no Java, or the release can neither be found in the cache nor fetched, t is skipped with the reason; with
// the environment variable CI set it fails. With -short it is skipped.
func Start(t testing.TB, version string, opts ...Option) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("realkafka: real servers take their time, and -short asks for tests that do not")
	}
	c := &Cluster{t: t, version: version, shape: shape{nodes: 1}}
	for _, o := range opts {
		o(&c.shape)
	}
	if c.shape.nodes < 1 || c.shape.nodes > 5 {
		t.Fatalf("realkafka: %d nodes: 1 to 5 can be started", c.shape.nodes)
	}
	c.cache, c.scripts = prepare(t)
	c.dir = filepath.Join(c.cache, "cluster")
	requireJars(t, c.cache, "kafka-"+version)
	c.fetch(version)
	place := takePlace(t, c.cache, "cluster")
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

// start runs the script until it says that the brokers answer.
func (c *Cluster) start(place *os.File) error {
	// What a former cluster has left, because its test and its script were both killed, goes first.
	if _, err := os.Stat(c.dir); err == nil {
		if err := c.destroy(); err != nil {
			return fmt.Errorf("clear away a former cluster: %w", err)
		}
	}
	var err error
	if c.port, err = freePorts(10 * c.shape.nodes); err != nil {
		return err
	}
	args := append([]string{"run", c.version, c.dir, strconv.Itoa(c.port)}, c.shape.args()...)
	c.held, err = hold(c.script(context.Background(), args...), place)
	return err
}

// end ends the cluster and deletes its data.
func (c *Cluster) end() {
	if c.t.Failed() {
		c.t.Logf("realkafka: the brokers' last words:\n%s", c.LogTail(40))
	}
	if err := c.held.release(); err != nil {
		c.t.Errorf("realkafka: end of %s: %v", c.version, errors.Join(err, c.destroy()))
	}
}

// destroy kills whatever was started in the cluster's folder, and deletes it.
func (c *Cluster) destroy() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_, err := output(c.script(ctx, "destroy", c.dir), nil)
	return err
}

// fetch fills the cache with what, as kafka.sh's fetch names it.
func (c *Cluster) fetch(what string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), fetchTimeout)
	defer cancel()
	if _, err := output(c.script(ctx, "fetch", what), nil); err != nil {
		unavailable(c.t, "%s cannot be fetched: %v", what, err)
	}
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
