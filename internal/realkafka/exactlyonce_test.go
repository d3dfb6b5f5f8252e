package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realkafka"
	"github.com/weirstream/weir/weirtest"
)

// exactlyOnce: on these releases the sink keeps to its contract, and a job from Kafka over a state to Kafka that is
// killed again and again answers each record once. They are the brokers on which CKafka sells transactions, the oldest
// of which cannot be asked to wait for offsets, and the newest, whose transactions have a protocol of their own.
var exactlyOnce = []string{"2.4.1", "2.8.1", "3.2.3", "4.4.0"}

type textRecord = kafka.ProducerRecord[string, string]

// sinkSuite tests sinks, each on a topic of its own and by transactional ids of its own.
func sinkSuite(c *realkafka.Cluster) weirtest.SinkSuite[textRecord] {
	var topics atomic.Int64
	return weirtest.SinkSuite[textRecord]{
		Parallel: true,
		Record:   func(n int) textRecord { return textRecord{Key: fmt.Sprint(n % 7), Value: fmt.Sprint(n)} },
		New: func(t *testing.T) weirtest.SinkStore[textRecord] {
			topic := fmt.Sprint("out", topics.Add(1))
			cl := open(t, c.ClientOpts(realkafka.PlaintextListener, ""))
			create(t, cl, topic, 3)
			var newest *kafka.ProducerSink[string, string]
			// There is no Cut: it has the job run once for each of its requests, dozens of them, which takes minutes
			// here, and their number is not the same in each run, for coordinators that load are asked again.
			// TestExactSink does that in memory; here processes die between two calls.
			return weirtest.SinkStore[textRecord]{
				Process: func() dstream.Sink[textRecord] {
					s, err := kafka.Sink(topic, kafka.Params{
						"bootstrap.servers": c.Bootstrap(realkafka.PlaintextListener), "transactional.id": topic,
					}, kafka.StringSerializer, kafka.StringSerializer,
						kafka.WithSettleTime(time.Second)) // Their coordinator has nothing else to do.
					if err != nil {
						t.Fatal(err)
					}
					newest = s
					return s
				},
				Forget: func(job, output, effect string) {
					forget(t, cl, newest.Transaction(dstream.Effect{Job: job, Output: output, Name: effect}))
				},
				Stored: func() (ns []int) {
					settle(t, cl, topic)
					for _, r := range committed(t, c, topic) {
						n, _ := strconv.Atoi(string(r.Value)) // Every value is a number, or it shows as a wrong one.
						ns = append(ns, n)
					}
					return ns
				},
			}
		},
	}
}

func create(t *testing.T, cl *kgo.Client, topic string, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	resp, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, 1, nil, topic)
	if err = errors.Join(err, resp.Error()); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil { // It is told everywhere soon.
		ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
		if err == nil && ends.Error() == nil && len(ends[topic]) == int(partitions) {
			return
		}
	}
	t.Fatalf("topic %s is not there after 30 s", topic)
}

// forget deletes a group, as brokers do when its offsets expire. They refuse while the offsets of a transaction that
// was committed are on their way into it.
func forget(t *testing.T, cl *kgo.Client, group string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := kadm.NewClient(cl).DeleteGroup(ctx, group)
		if err == nil {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("delete group %s: %v", group, err)
		}
	}
}

// settle waits until what was committed can be seen by all: the brokers answer a commit before they have marked it in
// the partitions. A transaction that stays open shows by what is missing.
func settle(t *testing.T, cl *kgo.Client, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		stable, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
		ends, alsoErr := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
		if errors.Join(err, alsoErr, stable.Error(), ends.Error()) != nil {
			continue
		}
		more := false
		ends.Each(func(o kadm.ListedOffset) { more = more || stable[topic][o.Partition].Offset < o.Offset })
		if !more {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// committed reads what readers of committed records see of a topic.
func committed(t *testing.T, c *realkafka.Cluster, topic string) (out []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl := open(t, append(c.ClientOpts(realkafka.PlaintextListener, ""), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords()))
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	slices.SortStableFunc(out, func(a, b *kgo.Record) int { return int(a.Partition) - int(b.Partition) })
	return out
}

// kills is how often the program is killed, numbered how many records it reads.
const (
	kills    = 4
	numbered = 30000
)

// killed has the program run while records are written, and kills it again and again.
func killed(t *testing.T, c *realkafka.Cluster, program string) {
	cl := open(t, append(c.ClientOpts(realkafka.PlaintextListener, ""),
		kgo.RecordPartitioner(kgo.ManualPartitioner())))
	create(t, cl, "numbers", 3)
	create(t, cl, "sums", 2)
	written := make(chan error, 1)
	go func() { written <- number(cl) }()
	dir := t.TempDir()
	for i := range kills {
		cmd, _ := start(t, c, program, dir)
		<-time.After(time.Second + time.Duration(i)*333*time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It says that it was killed.
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	cmd, log := start(t, c, program, dir)
	got := answers(t, c)
	for deadline := time.Now().Add(time.Minute); total(got) < numbered && time.Now().Before(deadline); {
		<-time.After(500 * time.Millisecond)
		got = answers(t, c)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	err := cmd.Wait()
	compare(t, got)
	if err != nil || t.Failed() {
		text, _ := os.ReadFile(log)
		t.Errorf("the last process: %v\n%s", err, text)
	}
	t.Logf("%d answers after %d kills", total(got), kills)
}

// start starts the program, which logs into a file.
func start(t *testing.T, c *realkafka.Cluster, program, dir string) (cmd *exec.Cmd, log string) {
	t.Helper()
	file, err := os.CreateTemp(dir, "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	cmd = exec.Command(program, "--brokers", c.Bootstrap(realkafka.PlaintextListener), "--in", "numbers", "--out", "sums",
		"--checkpoint", filepath.Join(dir, "ckpt"), "--interval", "200ms", "--master", "local[2]")
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, file.Name()
}

func keyOf(i int) string { return fmt.Sprint("k", i%101) }

// number writes the numbers in about twelve seconds, those of a key to one partition.
func number(cl *kgo.Client) error {
	for i := range numbered {
		cl.Produce(context.Background(), &kgo.Record{Topic: "numbers", Partition: int32(i % 101 % 3), Key: []byte(keyOf(i)),
			Value: fmt.Append(nil, i)}, nil)
		if i%100 == 99 {
			<-time.After(20 * time.Millisecond)
		}
	}
	return cl.Flush(context.Background())
}

// answers are the answers that readers see, by key and in order.
func answers(t *testing.T, c *realkafka.Cluster) map[string][]string {
	out := map[string][]string{}
	for _, r := range committed(t, c, "sums") {
		out[string(r.Key)] = append(out[string(r.Key)], string(r.Value))
	}
	return out
}

func total(answers map[string][]string) (n int) {
	for _, list := range answers {
		n += len(list)
	}
	return n
}

// compare compares answers with those to all numbers.
func compare(t *testing.T, got map[string][]string) {
	t.Helper()
	want, counts, sums := map[string][]string{}, map[string]int{}, map[string]int{}
	for i := range numbered {
		key := keyOf(i)
		counts[key], sums[key] = counts[key]+1, sums[key]+i
		want[key] = append(want[key], fmt.Sprint(counts[key], " ", sums[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if i := differ(got[key], want[key]); i >= 0 {
			t.Fatalf("key %s: %d answers, want %d; from answer %d on %v", key, len(got[key]), len(want[key]), i,
				got[key][i:min(i+5, len(got[key]))])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
}

// differ is where two lists differ first, -1 if they do not.
func differ(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return min(i, len(a))
		}
	}
	return -1
}
