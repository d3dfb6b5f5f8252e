package kafka

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// An Admin asks a cluster about its topics, offsets and groups, and creates and deletes topics: what whoever looks
// after a cluster needs, and a job does not. It belongs to no group and never creates a topic by asking for it.
//
// A call ends with its context, or after default.api.timeout.ms (15 s) if the context has no deadline. Errors name
// the thing, the place and the remedy. An Admin may be used from several goroutines.
type Admin struct{ c *client.Client }

// A ParamError is one parameter that cannot be used. Whatever takes Params wraps one for each of them in its error.
type ParamError = client.ParamError

// OpenAdmin connects to a cluster, signs in, and makes sure that at least one broker can be reached at the address
// that it advertises; that takes at most 15 s. Parameters are those of Kafka's Java consumer: of those that only a
// producer reads nothing comes, and isolation.level says which offset is the latest. Wrong ones are *ParamErrors,
// joined; what is weak in them, or has no effect, goes to the logger (WithLogger). Close must be called.
func OpenAdmin(ctx context.Context, p Params, opts ...Option) (*Admin, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	cfg, err := client.Parse(p, client.Consumer)
	if err == nil {
		cfg, err = cfg.Resolve()
	}
	if err != nil {
		return nil, err
	}
	cfg.Dial = o.dial
	c, err := client.Open(ctx, cfg, o.client...)
	if err != nil {
		return nil, err
	}
	announce(cmp.Or(o.logger, slog.Default()), c)
	return &Admin{c}, nil
}

// Close ends the connections. Calls that are under way fail. It may be called more than once.
func (a *Admin) Close() { a.c.Close() }

// Client is franz-go's client with the addresses, TLS and SASL of the parameters, for requests that Admin has no
// call for (kadm.NewClient takes it). It is closed by Close.
func (a *Admin) Client() *kgo.Client { return a.c.Kgo() }

// bound gives a context a deadline if it has none.
func (a *Admin) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.c.Config().Timeout)
}

// request sends a request that has no call in the client.
func request[R any](ctx context.Context, a *Admin, send func(context.Context, *kgo.Client) (R, error)) (R, error) {
	ctx, cancel := a.bound(ctx)
	defer cancel()
	resp, err := send(ctx, a.c.Kgo())
	if err != nil && ctx.Err() == nil {
		err = a.c.Explain(err)
	}
	return resp, err
}

// byPartition orders partitions by topic and number.
func byPartition(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func sorted(tps []TopicPartition) []TopicPartition {
	tps = slices.Clone(tps)
	slices.SortFunc(tps, byPartition)
	return slices.Compact(tps)
}
