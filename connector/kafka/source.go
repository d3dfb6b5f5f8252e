package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A source is the Source of a direct stream: its ranges are offset ranges of all partitions of the strategy.
type source[K, V any] struct {
	ssc      *dstream.Context
	strategy Strategy
	cfg      *client.Config
	key      Deserializer[K]
	value    Deserializer[V]
	opts     options

	c       *client.Client
	f       *fetcher
	commits commits
	shares  shares
	watch   watch
	life    context.Context // ends with Close: what is fetched ahead ends with it
	end     context.CancelFunc
}

// Resolve finds where each partition begins, in Spark's order: explicit offsets, else what the group has
// committed, else auto.offset.reset. It stops the job before its first batch if brokers cannot be reached, a
// topic is missing, a right is, or the group has live members.
func (s *source[K, V]) Resolve(ctx context.Context, from []byte) ([]byte, error) {
	c, err := client.Open(ctx, s.cfg, s.opts.client...)
	if err != nil {
		return nil, err
	}
	s.c, s.f = c, newFetcher(c, s.fetchOptions())
	s.life, s.end = context.WithCancel(context.Background())
	s.shares.carry = map[TopicPartition]float64{}
	s.shares.maxRate, s.shares.minRate = s.opts.rates(s.ssc.Conf())
	for _, w := range c.Warnings() {
		s.ssc.Logger().Warn(w)
	}
	if line := s.cfg.Summary(); line != "" {
		s.ssc.Logger().Info(line)
	}
	if err := s.checkGroup(ctx); err != nil {
		return nil, err
	}
	chosen, err := s.choose(ctx)
	if err != nil {
		return nil, err
	}
	r := &batchRange{ReadCommitted: s.cfg.Isolation == client.ReadCommitted}
	if from != nil {
		return from, nil
	}
	if r.Partitions, err = s.startPositions(ctx, chosen); err != nil {
		return nil, err
	}
	r.order()
	if err := s.checkRead(ctx, r); err != nil {
		return nil, err
	}
	return r.encode()
}

func (s *source[K, V]) fetchOptions() fetchOptions {
	c := s.ssc.Conf()
	return fetchOptions{
		bytes:    int32(min(conf.KafkaFetchBytes.Get(c), maxFetchBytes)),
		patience: conf.KafkaPollTimeout.Get(c),
		pause:    s.cfg.RetryBackoff,
		checkCRC: s.cfg.Fetch.CheckCRC,
		prefetch: conf.KafkaPrefetch.Get(c),
		dataLoss: conf.KafkaFailOnDataLoss.Get(c),
		lost:     s.lost,
	}
}

// lost tells of records that are gone, when the job goes on without them.
func (s *source[K, V]) lost(tp TopicPartition, from, until int64) {
	s.ssc.Warn("records were lost before they could be read; going on without them (weir.kafka.failOnDataLoss=false)",
		nil, "partition", tp.String(), "from", from, "until", until, "count", until-from)
}

// checkGroup refuses a group with live members: a commit to it would fail, and they would commit beside us.
func (s *source[K, V]) checkGroup(ctx context.Context) error {
	if s.cfg.GroupID == "" {
		return nil
	}
	g, err := s.c.DescribeGroup(ctx, s.cfg.GroupID)
	if err != nil {
		return err
	}
	if !g.Live() {
		return nil
	}
	members := make([]string, len(g.Members))
	for i, m := range g.Members {
		members[i] = m.String()
	}
	return fmt.Errorf("group %q has live members: %s; a group can be committed to by this job or by them: "+
		"stop them, or give the job a group.id of its own", s.cfg.GroupID, strings.Join(members, ", "))
}

// checkRead asks each topic for one record, for the right to read shows only then.
func (s *source[K, V]) checkRead(ctx context.Context, r *batchRange) error {
	seen := map[string]bool{}
	for _, p := range r.Partitions {
		if seen[p.Topic] {
			continue
		}
		seen[p.Topic] = true
		_, err := s.f.ask(ctx, piece{p, r.ReadCommitted}, p.From, 1)
		if errors.Is(err, kerr.TopicAuthorizationFailed) {
			return client.Explain(fmt.Errorf("read topic %q: %w", p.Topic, err), s.cfg)
		}
	}
	return nil
}

// Plan fixes the next range of each partition: from the end of the one before up to what the leader has, within
// the limits.
func (s *source[K, V]) Plan(ctx context.Context, from []byte, limit dstream.Limit) ([]byte, int64, error) {
	prev, err := decodeRange(from)
	if err != nil {
		return nil, 0, err
	}
	next, err := s.follow(ctx, prev)
	if err != nil {
		return nil, 0, s.soften(err)
	}
	ends, err := s.ends(ctx, next)
	if err != nil {
		return nil, 0, s.soften(err)
	}
	lags := make([]lag, len(next.Partitions))
	for i, p := range next.Partitions {
		lags[i] = lag{p.tp(), ends[i] - p.From}
	}
	limit.Records = min(limit.Records, s.byteLimit(limit.Interval))
	var total int64
	for i, n := range s.shares.deal(lags, limit) {
		next.Partitions[i].Until = next.Partitions[i].From + n
		total += n
	}
	if s.f.opts.prefetch {
		s.f.ahead.start(s.life, s.f, next.pieces())
	}
	rng, err := next.encode()
	return rng, total, err
}

// soften marks what time may mend, so that the loop asks again.
func (s *source[K, V]) soften(err error) error {
	var missing *MissingTopicError
	if temporary(err) || errors.As(err, &missing) {
		return dstream.Transient(err)
	}
	return err
}

// byteLimit is weir.kafka.maxBytesPerSecond in records of the size that was seen so far.
func (s *source[K, V]) byteLimit(interval float64) int64 {
	rate := conf.KafkaMaxBytesPerSecond.Get(s.ssc.Conf())
	n, bytes := s.f.records.Load(), s.f.bytes.Load()
	if rate <= 0 || n == 0 || bytes == 0 {
		return unlimited
	}
	return max(1, int64(float64(rate)*interval*float64(n)/float64(bytes)))
}

// Read gives an RDD with a partition for each range.
func (s *source[K, V]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[Record[K, V]] {
	r, err := decodeRange(rng)
	if err != nil || r == nil {
		return rdd.FromPartitions(sc, "kafka.DirectStream", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[Record[K, V]] {
			tc.Fail(err)
			return nil
		})
	}
	pieces := r.pieces()
	out := rdd.FromPartitions(sc, "kafka.DirectStream", len(pieces), func(tc *rdd.TaskContext, p int) iter.Seq[Record[K, V]] {
		return read(tc, s.f, pieces[p], s.key, s.value)
	})
	return out.Prefer(s.opts.location.hosts(s.watch.hosts(), pieces))
}

func (r *batchRange) pieces() []piece {
	out := make([]piece, len(r.Partitions))
	for i, p := range r.Partitions {
		out[i] = piece{p, r.ReadCommitted}
	}
	return out
}

// Committed commits the ends of the ranges to the group, if the program asked for it: by enable.auto.commit,
// or by Commit in this batch.
func (s *source[K, V]) Committed(ctx context.Context, b *dstream.Batch, rng []byte) error {
	request, asked := s.commits.take(b.Sequence)
	if !asked && !s.cfg.AutoCommit || s.cfg.GroupID == "" {
		return nil
	}
	r, err := decodeRange(rng)
	if err == nil {
		err = s.commit(ctx, r)
	}
	for _, f := range request.callbacks {
		f(r.offsetRanges(), err)
	}
	return err
}

func (s *source[K, V]) commit(ctx context.Context, r *batchRange) error {
	offsets := make(map[client.TopicPartition]client.OffsetToCommit, len(r.Partitions))
	for _, p := range r.Partitions {
		offsets[client.TopicPartition(p.tp())] = client.OffsetToCommit{Offset: p.Until, LeaderEpoch: -1, TopicID: p.ID}
	}
	return s.c.CommitOffsets(ctx, s.cfg.GroupID, offsets)
}

// Released ends fetches that no task took.
func (s *source[K, V]) Released(_ context.Context, upTo []byte) error {
	r, err := decodeRange(upTo)
	if err != nil || r == nil {
		return err
	}
	offsets := make(map[TopicPartition]int64, len(r.Partitions))
	for _, p := range r.Partitions {
		offsets[p.tp()] = p.Until
	}
	s.f.ahead.release(offsets)
	return nil
}

// Describe gives a line for each range that is not empty.
func (s *source[K, V]) Describe(rng []byte) []string {
	r, err := decodeRange(rng)
	if err != nil || r == nil {
		return nil
	}
	return r.describe()
}

// Close ends what is fetched ahead and the connections.
func (s *source[K, V]) Close(context.Context) error {
	if s.c != nil {
		s.end()
		s.c.Close()
	}
	return nil
}

// watch is what the source knows of the cluster between refreshes of the metadata.
type watch struct {
	refreshed time.Time
	brokers   map[TopicPartition]string // the leader's host
	shrunk    map[TopicPartition]int    // how often the log ended before our position
}

func (w *watch) hosts() map[TopicPartition]string { return w.brokers }
