package realkafka

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"testing"
	"time"
)

// Java runs a program of the folder java with Kafka's own Java client, the newest one that speaks with these
// brokers (0.10 and later), and returns what it printed. KeyPartitions tells where Java's producer puts keys,
// GroupConsumer reads and commits in a group; their sources say what they take and print.
func (c *Cluster) Java(program string, stdin io.Reader, args ...string) []byte {
	c.t.Helper()
	if !atLeast(c.version, "0.10") {
		c.t.Fatalf("realkafka: no Java client here speaks with Kafka %s: 0.10 is the first", c.version)
	}
	if reason := compilerMissing(c.t.Context()); reason != "" {
		unavailable(c.t, "%s", reason)
	}
	c.fetch("clients:" + c.version)
	if stdin == nil {
		stdin = bytes.NewReader(nil)
	}
	return c.call(stdin, append([]string{"java", c.dir, program}, args...)...)
}

// Tool runs a class of Kafka's command line tools, e.g. org.apache.kafka.tools.GetOffsetShell, and returns what
// it printed. The tools speak with brokers from 2.1 on.
func (c *Cluster) Tool(class string, args ...string) []byte {
	c.t.Helper()
	c.fetch("tools")
	return c.call(nil, append([]string{"tool", c.dir, class}, args...)...)
}

// Kcat runs kcat, librdkafka's command line client, and returns what it printed; it has two minutes. Where it
// is not installed (Debian's package is called kcat) the test is skipped, or fails where CI is set.
func Kcat(t testing.TB, stdin io.Reader, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		unavailable(t, "kcat is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := output(command(ctx, "", path, args...), stdin)
	if err != nil {
		t.Fatalf("realkafka: %v", err)
	}
	return out
}
