package kafka

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/conf"
)

// unlimited is no limit on a number of records.
const unlimited = math.MaxInt64

// An Option of DirectStream, CreateRDD, OpenProducer, Sink and OpenAdmin.
type Option func(*options)

type options struct {
	client   []kgo.Opt
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	location Location
	maxRate  func(TopicPartition) int64
	minRate  func(TopicPartition) int64
	// discovery is how often topics and partitions are looked for.
	discovery time.Duration
	// produceBytes bounds what a producer writes in a second.
	produceBytes int64
	// settle is how long a sink waits for what old coordinators may yet tell, 0 for settleTime.
	settle time.Duration
	// transacts has transactional.id be the beginning of a sink's transactional ids; else it is refused.
	transacts bool
	// plain keeps a sink from using transactions.
	plain bool
	// buries has records that do not decode become dead letters.
	buries bool
	// logger is that of what belongs to no context, nil for slog.Default.
	logger *slog.Logger
}

// WithDialer has connections made by dial: through a proxy, or inside of a test. TLS, if the parameters ask for
// it, is put on top.
func WithDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(o *options) {
		o.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if _, named := errors.AsType[*net.OpError](err); err != nil && !named && ctx.Err() == nil {
				// By this type the client tells a broker that is away, which it tries again, from other errors.
				err = &net.OpError{Op: "dial", Net: network, Err: err}
			}
			return conn, err
		}
	}
}

// WithClientOptions adds options of the franz-go client, such as hooks for metrics.
func WithClientOptions(opts ...kgo.Opt) Option {
	return func(o *options) { o.client = append(o.client, opts...) }
}

// WithLogger has a producer or an Admin log to l: what is weak in its parameters, what has no effect, and that brokers
// throttle it. Without it that goes to slog.Default(), for a program should not have to ask to be warned. What belongs
// to a context, as streams, RDDs and sinks do, logs to the context's logger and ignores it.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithProduceBytesPerSecond bounds the bytes of keys and values that a producer or sink writes in a second. Without it
// a sink keeps to weir.kafka.maxBytesPerSecond, and a producer has no limit.
func WithProduceBytesPerSecond(n int64) Option { return func(o *options) { o.produceBytes = n } }

// WithSettleTime is for sinks on brokers before 2.5, whose coordinators may tell late of the last transaction: where it
// is in doubt, as after the death of a process, the sink waits until they have given the same answer for d, or 10
// seconds if d is not positive or the option is left out. That is how much later the job goes on, and for how long a
// coordinator may be busy, as with loading partitions of __consumer_offsets that have moved to it, before a batch may
// be written twice. Brokers of 2.5 and later are not waited for.
func WithSettleTime(d time.Duration) Option { return func(o *options) { o.settle = max(d, 0) } }

// WithoutTransactions has a sink write at least once although the job has a checkpoint: without the 30 ms or so that a
// transaction takes, and visible to readers that do not read committed records only.
func WithoutTransactions() Option { return func(o *options) { o.plain = true } }

// ToDeadLetters has the records of a stream whose headers, key or value do not decode leave it, as elements of
// [dstream.DeadLetters], instead of failing their batch.
func ToDeadLetters() Option { return func(o *options) { o.buries = true } }

// WithLocation says on which hosts of a cluster partitions are best read; one machine ignores it.
func WithLocation(l Location) Option { return func(o *options) { o.location = l } }

// WithRatePerPartition sets the limits of each partition: at most max(tp) records per second (0 for no limit), and
// while a rate is in force at least min(tp) records per second, but never more than max(tp). Without it they are
// spark.streaming.kafka.maxRatePerPartition and minRatePerPartition.
func WithRatePerPartition(max, min func(TopicPartition) int64) Option {
	return func(o *options) { o.maxRate, o.minRate = max, min }
}

func (o *options) rates(c *conf.Conf) (maxRate, minRate func(TopicPartition) float64) {
	rate := func(of func(TopicPartition) int64, otherwise int64) func(TopicPartition) float64 {
		return func(tp TopicPartition) float64 {
			if of != nil {
				return float64(max(of(tp), 0))
			}
			return float64(otherwise)
		}
	}
	return rate(o.maxRate, conf.KafkaMaxRatePerPartition.Get(c)), rate(o.minRate, conf.KafkaMinRatePerPartition.Get(c))
}
