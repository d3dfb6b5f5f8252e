package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// textRDD is what a batch holds of a stream of texts.
type textRDD = rdd.RDD[kafka.Record[string, string]]

// plan says how a job of a test differs from the usual one: one that subscribes to the topic "t" from its beginning,
// with batches of a second, and commits to the group "g" nothing.
type plan struct {
	strategy kafka.Strategy
	interval time.Duration
	params   []string // name, value, name, value ...
	settings []string
	options  []kafka.Option
	disk     *vfs.Disk // of its checkpoint, if it has one
	// body runs after the records of a batch were noted.
	body func(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]], b *dstream.Batch, d stream) error
}

type stream = *dstream.DStream[kafka.Record[string, string]]

// A job is a direct stream in a bubble that notes what its batches read.
type job struct {
	t   *testing.T
	c   *kafkatest.Cluster
	ssc *dstream.Context

	mu       sync.Mutex
	seen     []string // the records, in order: "t-0@3 value"
	ranges   []string // the ranges that are not empty, batch after batch: "t-0 [3,5)"
	batches  []dstream.BatchInfo
	warnings []error
}

// newJob makes a job; that fails if its parameters are wrong.
func newJob(t *testing.T, c *kafkatest.Cluster, p plan) (*job, error) {
	t.Helper()
	settings := conf.New().Set("spark.master", "local[4]")
	for i := 0; i+1 < len(p.settings); i += 2 {
		settings.Set(p.settings[i], p.settings[i+1])
	}
	if p.interval == 0 {
		p.interval = time.Second
	}
	var opts []rdd.Option
	if p.disk != nil {
		opts = append(opts, rdd.WithFileSystem(p.disk.Mount(nil)))
	}
	ssc, err := dstream.NewContext(settings, p.interval, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if p.disk != nil {
		ssc.Checkpoint("disk:/ck")
	}
	ssc.SetOutput(io.Discard)
	t.Cleanup(func() { _ = ssc.Stop(context.Background()) }) // A test that fails in the middle leaves it running.
	j := &job{t: t, c: c, ssc: ssc}
	ssc.AddListener(j.hear)
	params := c.Params("group.id", "g", "auto.offset.reset", "earliest", "enable.auto.commit", "false")
	for i := 0; i+1 < len(p.params); i += 2 {
		params[p.params[i]] = p.params[i+1]
		if p.params[i+1] == "" {
			delete(params, p.params[i])
		}
	}
	if p.strategy == nil {
		p.strategy = kafka.Subscribe("t")
	}
	d, err := kafka.DirectStream(ssc, p.strategy, params, kafka.String, kafka.String,
		append([]kafka.Option{c.Dialer()}, p.options...)...)
	if err != nil {
		return nil, errors.Join(err, ssc.Stop(context.Background()))
	}
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]], b *dstream.Batch) error {
		if err := j.note(ctx, r, b, d); err != nil || p.body == nil {
			return err
		}
		return p.body(ctx, r, b, d)
	})
	return j, nil
}

// run makes and starts a job that must start.
func run(t *testing.T, c *kafkatest.Cluster, p plan) *job {
	t.Helper()
	j, err := newJob(t, c, p)
	if err == nil {
		err = j.ssc.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// startError is why a job does not start.
func startError(t *testing.T, c *kafkatest.Cluster, p plan) error {
	t.Helper()
	j, err := newJob(t, c, p)
	if err != nil {
		return err
	}
	if err = j.ssc.Start(t.Context()); err == nil {
		t.Error("the job starts")
		j.stop()
	}
	return err
}

func (j *job) hear(e dstream.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch e := e.(type) {
	case dstream.BatchCompleted:
		j.batches = append(j.batches, e.BatchInfo)
	case dstream.Warning:
		j.warnings = append(j.warnings, fmt.Errorf("%s: %w", e.Message, errors.Join(e.Err)))
	}
}

func (j *job) note(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]], b *dstream.Batch, d stream) error {
	records, err := rdd.Collect(ctx, r)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range kafka.OffsetRanges(b, d) {
		if o.Count() != 0 {
			j.ranges = append(j.ranges, fmt.Sprintf("%v [%d,%d)", o.TopicPartition(), o.FromOffset, o.UntilOffset))
		}
	}
	for _, r := range records {
		j.seen = append(j.seen, fmt.Sprintf("%v@%d %s", r.TopicPartition(), r.Offset, r.Value))
	}
	return nil
}

// pass lets time pass, which costs none, for it is the bubble's, and then all else come to rest.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// stop stops the job gracefully. It must not have failed.
func (j *job) stop() {
	j.t.Helper()
	if err := j.ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		j.t.Errorf("Stop: %v", err)
	}
	if err := j.ssc.AwaitTermination(context.Background()); err != nil {
		j.t.Errorf("the job failed: %v", err)
	}
}

// failure waits until the job fails, and gives the error.
func (j *job) failure(within time.Duration) error {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := j.ssc.AwaitTermination(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		j.t.Errorf("the job has not failed after %v", within)
		j.stop()
	}
	return err
}

// records are the records seen since the last call.
func (j *job) records() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.seen
	j.seen = nil
	return out
}

// planned are the ranges that are not empty of the batches since the last call.
func (j *job) planned() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.ranges
	j.ranges = nil
	return out
}

// warned are the warnings so far.
func (j *job) warned() []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.warnings)
}

// counts are the numbers of records of the batches so far.
func (j *job) counts() (out []int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.batches {
		out = append(out, b.Records())
	}
	return out
}

// same compares lists.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// sameSet compares lists whose order does not matter.
func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	same(t, what, got, want)
}

// numbered are the values prefix0 ... of n records.
func numbered(prefix string, from, until int) []string {
	out := make([]string, 0, until-from)
	for i := from; i < until; i++ {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// at are the records of numbered values as a job notes them, the value's number being the offset.
func at(partition, prefix string, from, until int) []string {
	out := make([]string, 0, until-from)
	for i := from; i < until; i++ {
		out = append(out, fmt.Sprintf("%s@%d %s%d", partition, i, prefix, i))
	}
	return out
}

// commitOffset has a group commit an offset, as its consumer would that is gone.
func commitOffset(t *testing.T, c *kafkatest.Cluster, group, topic string, partition int32, offset int64) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = topic, c.TopicInfo(topic).TopicID
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset = partition, offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), c.Client())
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
