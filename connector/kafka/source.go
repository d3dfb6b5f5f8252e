package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync/atomic"
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
	params   Params
	given    *client.Config // as the program wrote it
	cfg      *client.Config // with what the files hold that it refers to
	key      Deserializer[K]
	value    Deserializer[V]
	opts     options

	c        *client.Client
	f        *fetcher
	losses   lossCount
	throttle throttle
	commits  commits
	mirror   mirror
	shares   shares
	watch    watch
	stable   stability
	// released is up to where ranges were released last.
	released map[incarnation]int64
	hosts    atomic.Pointer[map[TopicPartition]string] // of the leaders; read by Read, which may overlap with Plan
	behind   atomic.Pointer[int64]                     // offsets beyond the last plan; nil while there was none
	life     context.Context                           // ends with Close: what is fetched ahead ends with it
	end      context.CancelFunc
}

// Resolve finds where each partition begins, in Spark's order: explicit offsets, else what the group has
// committed, else auto.offset.reset. It stops the job before its first batch if brokers cannot be reached, a
// topic is missing, a right is, or the group has live members.
func (s *source[K, V]) Resolve(ctx context.Context, from []byte) ([]byte, error) {
	prev, err := decodeRange(from)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.checkGroup(ctx); err != nil {
		return nil, err
	}
	if prev != nil {
		s.watch.recall(prev.Left)
	}
	chosen, err := s.choose(ctx, prev)
	if err != nil {
		return nil, err
	}
	if prev != nil {
		s.watch.refreshed = time.Time{} // The strategy may be another one by now, which the first plan is to follow.
		return from, s.checkRead(ctx, prev)
	}
	r := &batchRange{ReadCommitted: s.cfg.Isolation == client.ReadCommitted}
	if r.Partitions, err = s.startPositions(ctx, chosen); err != nil {
		return nil, err
	}
	r.order()
	if err := s.checkRead(ctx, r); err != nil {
		return nil, err
	}
	return r.encode()
}

// open connects, and says once what there is to say about the parameters.
func (s *source[K, V]) open(ctx context.Context) error {
	cfg, err := resolve(s.given, s.key, s.value)
	if err != nil {
		return err
	}
	s.cfg = cfg
	s.opts.discovery = discovery
	if _, set := s.params["metadata.max.age.ms"]; set {
		s.opts.discovery = cfg.MetadataMaxAge
	}
	if pattern, ok := s.strategy.(*PatternSubscription); ok {
		pattern.internal = !cfg.ExcludeInternal
	}
	s.throttle.warn = s.ssc.Warn
	c, err := client.Open(ctx, s.cfg, readOptions(s.throttle.with(s.opts.client))...)
	if err != nil {
		return err
	}
	settings := s.ssc.Conf()
	opts := newFetchOptions(settings, s.params, s.cfg)
	opts.warn = s.ssc.Warn
	opts.planned, opts.proof, opts.lost = true, goneProof, s.lost
	opts.prefetch = conf.KafkaPrefetch.Get(settings)
	s.c, s.f = c, newFetcher(c, opts)
	if conf.Honest.Get(settings) {
		s.f.spoil = &spoiler{}
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.shares.carry = map[TopicPartition]float64{}
	s.watch = newWatch()
	s.shares.maxRate, s.shares.minRate = s.opts.rates(settings)
	announce(s.ssc.Logger(), c)
	return nil
}

// lost tells of records that are gone, when the job goes on without them.
func (s *source[K, V]) lost(loss *DataLossError) { s.losses.tell(s.ssc.Warn, loss) }

// Slowed implements dstream.SourceSlowed: brokers whose quota is used up are the reason of a low rate.
func (s *source[K, V]) Slowed() string { return s.throttle.take() }

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
		_, err := s.f.ask(ctx, piece{p, r.ReadCommitted}, p.From, 1, 0)
		if errors.Is(err, kerr.TopicAuthorizationFailed) {
			return fmt.Errorf("read topic %q: %w", p.Topic, s.c.Explain(err))
		}
	}
	return nil
}

// Plan fixes the next range of each partition: from the end of the one before up to what the leader has, within
// the limits.
func (s *source[K, V]) Plan(ctx context.Context, from []byte, limit dstream.Limit) ([]byte, int64, error) {
	prev, err := decodeRange(from)
	if err == nil && prev == nil {
		err = errors.New("there is no range to go on from")
	}
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
	var total, behind int64
	for i, n := range s.shares.deal(lags, limit) {
		next.Partitions[i].Until = next.Partitions[i].From + n
		total += n
		behind += max(lags[i].records-n, 0)
	}
	s.behind.Store(&behind)
	if s.f.opts.prefetch {
		s.f.ahead.start(s.life, s.f, next.pieces())
	}
	rng, err := next.encode()
	return rng, total, err
}

// Behind implements dstream.SourceBehind: how many offsets the leaders had beyond the last plan.
func (s *source[K, V]) Behind() (records int64, known bool) {
	if n := s.behind.Load(); n != nil {
		return *n, true
	}
	return 0, false
}

// soften marks what time may mend, so that the loop asks again.
func (s *source[K, V]) soften(err error) error {
	if temporary(err) || isGone(err) {
		return dstream.Transient(err)
	}
	return err
}

// strangeSize is taken for the bytes of an offset while none was read.
const strangeSize = 1 << 10

// byteLimit is weir.kafka.maxBytesPerSecond in records of the size that was seen so far, so that a batch holds what
// an interval may bring. The fetcher keeps to the bytes themselves.
func (s *source[K, V]) byteLimit(interval float64) int64 {
	if s.f.opts.rate <= 0 {
		return unlimited
	}
	per, known := s.f.size.per()
	if !known {
		per = strangeSize
	}
	return max(1, int64(float64(s.f.opts.rate)*interval/max(per, 1)))
}

// Read gives an RDD with a partition for each range.
func (s *source[K, V]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[Record[K, V]] {
	return s.ReadOrBury(sc, rng, nil)
}

// Buries implements dstream.SourceBurier.
func (s *source[K, V]) Buries() bool { return s.opts.buries }

// ReadOrBury is Read that gives up what does not decode, unless bury is nil.
func (s *source[K, V]) ReadOrBury(sc *rdd.Context, rng []byte,
	bury func(tc *rdd.TaskContext, p int, l dstream.DeadLetter),
) *rdd.RDD[Record[K, V]] {
	r, err := decodeRange(rng)
	if err != nil || r == nil {
		return rdd.FromPartitions(
			sc,
			"kafka.DirectStream",
			1,
			func(tc *rdd.TaskContext, _ int) iter.Seq[Record[K, V]] {
				tc.Fail(fmt.Errorf("the batch's range cannot be read: %w", err))
				return nil
			},
		)
	}
	pieces := r.pieces()
	out := rdd.FromPartitions(
		sc,
		"kafka.DirectStream",
		len(pieces),
		func(tc *rdd.TaskContext, p int) iter.Seq[Record[K, V]] {
			if bury == nil {
				return read(tc, s.f, pieces[p], s.key, s.value, nil)
			}
			return read(tc, s.f, pieces[p], s.key, s.value, func(l dstream.DeadLetter) { bury(tc, p, l) })
		},
	)
	var leaders map[TopicPartition]string
	if at := s.hosts.Load(); at != nil {
		leaders = *at
	}
	return out.Prefer(s.opts.location.hosts(leaders, pieces))
}

func (r *batchRange) pieces() []piece {
	out := make([]piece, len(r.Partitions))
	for i, p := range r.Partitions {
		out[i] = piece{p, r.ReadCommitted}
	}
	return out
}

// Released ends fetches that no task took, and in the honest mode spoils what tasks have handed out. Of a partition
// that the range before had, and this one has not, nothing is kept: it was left, or its topic was created again.
func (s *source[K, V]) Released(_ context.Context, upTo []byte) error {
	r, err := decodeRange(upTo)
	if err != nil || r == nil {
		return err
	}
	offsets := make(map[incarnation]int64, len(r.Partitions))
	for _, p := range r.Partitions {
		offsets[p.incarnation()] = p.Until
	}
	gone := s.released
	s.released = offsets
	maps.DeleteFunc(gone, func(key incarnation, _ int64) bool { return contains(offsets, key) })
	s.f.release(offsets, gone)
	return nil
}

func contains[K comparable, V any](m map[K]V, key K) bool {
	_, ok := m[key]
	return ok
}

// release lets go of what is held of ranges up to the given offsets, and of all that is held of partitions that are
// gone.
func (f *fetcher) release(upTo, gone map[incarnation]int64) {
	f.ahead.release(upTo)
	f.losses.release(upTo)
	for key := range gone {
		f.forget(key)
	}
	if f.spoil != nil {
		f.spoil.release(upTo)
	}
}

// forget lets go of all that is held and known of a partition that is gone.
func (f *fetcher) forget(key incarnation) {
	f.ahead.forget(key)
	f.gaps.forget(key)
	f.losses.forget(key)
	if key.id == [16]byte{} {
		f.marks.forget(key.TopicPartition)
	}
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
func (s *source[K, V]) Close(ctx context.Context) error {
	if s.f == nil {
		return nil
	}
	err := s.mirror.flush(ctx)
	s.end()
	s.f.close()
	return err
}
