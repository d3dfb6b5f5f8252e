package realkafka_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realkafka"
	"github.com/weirstream/weir/rdd"
)

// migrated: the release of CKafka that most of those have who come from Spark.
const migrated = "2.8.1"

// testMigrate takes jobs over from Java's clients, as docs/migrating.md says: by the offsets of their group, by those
// that Kafka's own tools export, into a checkpoint, and back to Java. Each goes on at exactly the next record.
func testMigrate(t *testing.T, c *realkafka.Cluster, bin string) {
	c.Topic("lines", 2, 1, nil)
	for p, values := range []string{"a0 a1 a2 a3 a4 a5", "b0 b1 b2 b3 b4 b5"} {
		write(t, c, "lines", p, strings.Fields(values)...)
	}
	m := migration{c: c, bin: bin, brokers: c.Bootstrap(realkafka.PlaintextListener)}
	t.Run("a group", m.group)
	t.Run("a checkpoint", m.checkpoint)
}

// A migration is a topic of two partitions with six records each.
type migration struct {
	c            *realkafka.Cluster
	bin, brokers string
}

// java reads n records as a member of a group and commits them; it gives what is left, as PARTITION:OFFSET.
func (m migration) java(t *testing.T, group string, n int, ends [2]int) (left []string) {
	t.Helper()
	var next [2]int
	for line := range strings.Lines(string(m.c.In(t).Java("GroupConsumer", nil, m.brokers, "lines", group, fmt.Sprint(n)))) {
		var p, offset int
		if _, err := fmt.Sscanf(line, "committed\t%d\t%d", &p, &offset); err == nil {
			next[p] = offset
		}
	}
	for p, end := range ends {
		for offset := next[p]; offset < end; offset++ {
			left = append(left, fmt.Sprintf("%d:%d", p, offset))
		}
	}
	return left
}

// weir runs the command line.
func (m migration) weir(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.bin, append(args, "--brokers", m.brokers)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("weir %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// reads runs a job until n records have come, and gives them as PARTITION:OFFSET. dir is its checkpoint, "" for none.
func (m migration) reads(t *testing.T, group, dir string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settings := conf.New().Set("spark.master", "local[2]")
	if dir != "" {
		settings.Set(conf.CheckpointDirectory.Name(), dir)
	}
	var got []string
	err := weir.Run(ctx, func(ssc *dstream.Context) error {
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe("lines"), kafka.Params{"bootstrap.servers": m.brokers,
			"group.id": group, "auto.offset.reset": "none", "enable.auto.commit": "true"}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(lines.Named("lines"), func(ctx context.Context,
			r *rdd.RDD[kafka.Record[string, string]], _ *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, rdd.Map(r, func(r kafka.Record[string, string]) string {
				return fmt.Sprintf("%d:%d", r.Partition, r.Offset)
			}))
			if got = append(got, vs...); len(got) >= n {
				cancel()
			}
			return err
		}).Named("out")
		return nil
	}, weir.Conf(settings), weir.Interval(100*time.Millisecond))
	if err != nil {
		t.Error(err)
	}
	slices.Sort(got)
	return got
}

// group: a job with the group of the one before it goes on where that has committed, and Java after it.
func (m migration) group(t *testing.T) {
	left := m.java(t, "spark_job", 7, [2]int{6, 6})
	if len(left) != 12-7 {
		t.Fatalf("Java has left %v", left)
	}
	if got := m.reads(t, "spark_job", "", len(left)); !slices.Equal(got, left) {
		t.Errorf("the job reads %v, and Java has left %v", got, left)
	}
	write(t, m.c.In(t), "lines", 1, "b6", "b7")
	if left := m.java(t, "spark_job", 1, [2]int{0, 8}); !slices.Equal(left, []string{"1:7"}) {
		t.Errorf("after the job Java has left %v", left)
	}
}

// checkpoint: what Kafka's console consumer has committed goes by Kafka's own tool, as CSV, into a checkpoint that a
// program begins with; and from there to another group.
func (m migration) checkpoint(t *testing.T) {
	c := m.c.In(t)
	seen := strings.Fields(string(c.Tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", m.brokers,
		"--topic", "lines", "--group", "console", "--from-beginning", "--max-messages", "5")))
	if len(seen) != 5 {
		t.Fatalf("the console consumer gave %v", seen)
	}
	table := string(c.Tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", m.brokers,
		"--group", "console", "--topic", "lines", "--reset-offsets", "--to-current", "--export", "--dry-run"))
	dir := filepath.Join(t.TempDir(), "ckpt")
	// The console consumer commits nothing for a partition that it was not given yet.
	said := m.weir(t, table, "offsets", "import", "--checkpoint", dir, "--input", "lines", "--missing", "earliest")
	if !strings.Contains(said, "input lines of "+dir+" goes on there:") {
		t.Errorf("from\n%s\nthe import says\n%s", table, said)
	}
	var want []string
	for p, name := range []string{"a", "b"} {
		for offset := range 6 + 2*p {
			if !slices.Contains(seen, fmt.Sprint(name, offset)) {
				want = append(want, fmt.Sprintf("%d:%d", p, offset))
			}
		}
	}
	if got := m.reads(t, "weir_job", dir, len(want)); !slices.Equal(got, want) {
		t.Errorf("the job reads %v, and the console consumer has left %v", got, want)
	}
	table = m.weir(t, "", "offsets", "export", "--checkpoint", dir)
	if want := "topic,partition,offset\nlines,0,6\nlines,1,8\n"; table != want {
		t.Errorf("the checkpoint is at\n%s\nwant\n%s", table, want)
	}
	m.weir(t, table, "offsets", "import", "back", "--new")
	write(t, c, "lines", 0, "a6")
	if left := m.java(t, "back", 1, [2]int{7, 0}); len(left) != 0 {
		t.Errorf("after the job Java has left %v", left)
	}
}
