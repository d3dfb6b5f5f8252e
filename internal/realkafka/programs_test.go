package realkafka_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/realkafka"
	"github.com/weirstream/weir/weirtest"
)

// TestReleases is one cluster of each release, for starting one takes most of the time: the three programs of
// "Connecting Spark Streaming to CKafka", built as a user builds them, run on the brokers that CKafka ran and sells, on
// the newest, and on those before 0.10; receivers, moves from Java and what is exactly-once are tried beside them.
func TestReleases(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/weir", "./examples/kafka_producer",
		"./examples/kafka_direct_stream", "./examples/kafka_rdd", "./examples/kafka_exactly_once")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	for _, version := range realkafka.Versions() {
		t.Run(version, func(t *testing.T) {
			c := realkafka.Start(t, version)
			t.Run("programs", func(t *testing.T) {
				t.Parallel()
				testPrograms(t, c.In(t), bin)
			})
			if slices.Contains(received, version) {
				t.Run("stream", func(t *testing.T) {
					t.Parallel()
					testStream(t, c.In(t))
				})
			}
			if version == migrated {
				t.Run("migrate", func(t *testing.T) {
					t.Parallel()
					testMigrate(t, c.In(t), filepath.Join(bin, "weir"))
				})
			}
			if !slices.Contains(exactlyOnce, version) {
				return
			}
			t.Run("sink", func(t *testing.T) {
				t.Parallel()
				weirtest.Sink(t, sinkSuite(c.In(t)))
			})
			t.Run("killed", func(t *testing.T) {
				t.Parallel()
				killed(t, c.In(t), filepath.Join(bin, "kafka_exactly_once"))
			})
		})
	}
}

func testPrograms(t *testing.T, c *realkafka.Cluster, bin string) {
	c.Topic("test", 1, 1, nil)
	c.Topic("spark_test", 3, 1, nil)
	for p, values := range []string{"a1 a2 a3 a4 a5 a6", "b1 b2 b3 b4 b5", "c1 c2 c3 c4 c5 c6 c7"} {
		write(t, c, "spark_test", p, strings.Fields(values)...)
	}
	programs := programs{bin, c.Bootstrap(realkafka.PlaintextListener)}
	programs.producer(t, c)
	programs.directStream(t)
	programs.rdd(t)
}

// write writes values to one partition.
func write(t *testing.T, c *realkafka.Cluster, topic string, partition int, values ...string) {
	t.Helper()
	cl := open(
		t,
		append(c.ClientOpts(realkafka.PlaintextListener, ""), kgo.RecordPartitioner(kgo.ManualPartitioner())),
	)
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte(v)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("write to %s: %v", topic, err)
	}
}

func open(t *testing.T, opts []kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// readAll reads n records of a topic from its beginning.
func readAll(t *testing.T, opts []kgo.Opt, topic string, n int) []*kgo.Record {
	t.Helper()
	cl := open(
		t,
		append(slices.Clip(opts), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())),
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%d of %d records of %s: %v", len(out), n, topic, err)
		}
		out = append(out, fs.Records()...)
	}
	return out
}

// programs are the examples' binaries and the brokers that they are to use.
type programs struct{ bin, brokers string }

// programTimeout bounds each run; the direct stream's batches take five seconds.
const programTimeout = 40 * time.Second

func (p programs) command(t *testing.T, name string, out *output) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name))
	cmd.Env = append(os.Environ(), "BROKERS="+p.brokers)
	cmd.Stdout, cmd.Stderr = out, t.Output() // the log
	return cmd
}

// output is what a program printed, and can be waited for.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output is as ok wants it.
func (o *output) await(ctx context.Context, ok func(string) bool) error {
	for {
		o.mu.Lock()
		text, more := o.text.String(), o.more
		if more == nil {
			more = make(chan struct{})
			o.more = more
		}
		o.mu.Unlock()
		if ok(text) {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("%w; so far:\n%s", ctx.Err(), text)
		}
	}
}

// producer: fifty records and an end, in order, with their key.
func (p programs) producer(t *testing.T, c *realkafka.Cluster) {
	var out output
	if err := p.command(t, "kafka_producer", &out).Run(); err != nil {
		t.Fatalf("kafka_producer: %v\n%s", err, out.String())
	}
	for i, r := range readAll(t, c.ClientOpts(realkafka.PlaintextListener, ""), "test", 51) {
		want := fmt.Sprintf("^hello %d$", i+1)
		if i == 50 {
			want = `^the end \w{3} \w{3} +\d+ \d\d:\d\d:\d\d \w+ \d{4}$`
		}
		if string(r.Key) != "key" || !regexp.MustCompile(want).Match(r.Value) {
			t.Errorf("kafka_producer: record %d is %q: %q, want a value like %s", i, r.Key, r.Value, want)
		}
	}
}

// directStream: all values, then the ranges, in the first batch; Ctrl-C drains.
func (p programs) directStream(t *testing.T) {
	var out output
	cmd := p.command(t, "kafka_direct_stream", &out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const want = "directStream\na1\na2\na3\na4\na5\na6\nb1\nb2\nb3\nb4\nb5\nc1\nc2\nc3\nc4\nc5\nc6\nc7\n" +
		"spark_test 0 0 6\nspark_test 1 0 5\nspark_test 2 0 7\n"
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	if err := out.await(ctx, func(text string) bool { return len(text) >= len(want) }); err != nil {
		t.Errorf("kafka_direct_stream: %v", err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil || !strings.HasPrefix(out.String(), want) {
		t.Errorf("kafka_direct_stream: %v\n%s\nwant\n%s", err, out.String(), want)
	}
}

// rdd: five values of each partition.
func (p programs) rdd(t *testing.T) {
	var out output
	err := p.command(t, "kafka_rdd", &out).Run()
	got := strings.Join(strings.Fields(out.String()), " ")
	if want := "a1 a2 a3 a4 a5 b1 b2 b3 b4 b5 c1 c2 c3 c4 c5"; err != nil || got != want {
		t.Errorf("kafka_rdd: %v\n%s\nwant %s", err, got, want)
	}
}
