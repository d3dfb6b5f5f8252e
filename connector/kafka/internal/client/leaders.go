package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unknownPatience is how long a topic that does not exist is asked for again. A topic that was just made
// is not known to every broker at once; a topic whose name is wrong should not cost the whole deadline.
const unknownPatience = 3 * time.Second

// leaderPart is a partition that its leader is to be asked about, with the epoch of that leader. A broker
// that thinks of another epoch answers with an error, so that an answer is never a former leader's.
type leaderPart struct {
	TopicPartition
	epoch int32
}

// outcome is what a leader said about one partition.
type outcome[R any] struct {
	value R
	err   error
}

// answers are outcomes by partition.
type answers[R any] map[TopicPartition]outcome[R]

// byTopic groups partitions as requests want them, in a stable order.
func byTopic[P any](parts []P, topic func(P) string) (names []string, groups map[string][]P) {
	groups = map[string][]P{}
	for _, p := range parts {
		groups[topic(p)] = append(groups[topic(p)], p)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

// leaderCall asks the leader of each partition, all leaders at a time, and asks again, after a look at
// who leads now, where the answer says that waiting may help.
type leaderCall[R any] struct {
	c    *Client
	what string
	// ask sends one request to one leader. A partition that it does not mention has no answer.
	ask func(ctx context.Context, br *kgo.Broker, parts []leaderPart) (answers[R], error)

	mu      sync.Mutex
	done    answers[R]
	pending map[TopicPartition]error // with the last reason
	// strange are reasons that come from the connection, not from the broker.
	strange map[TopicPartition]Broker
}

// run returns an outcome for every partition. It fails as a whole only if the cluster could not even be
// asked who leads.
func (l *leaderCall[R]) run(ctx context.Context, parts []TopicPartition) (answers[R], error) {
	l.done = make(answers[R], len(parts))
	l.pending = make(map[TopicPartition]error, len(parts))
	for _, p := range parts {
		l.pending[p] = nil
	}
	begin := time.Now()
	for attempt := 1; len(l.pending) > 0; attempt++ {
		// Who leads is asked every time: after a failure what was known is what has just proved wrong.
		meta, err := l.c.metadata(ctx, topicsOf(maps.Keys(l.pending)))
		if err != nil {
			if attempt == 1 {
				return nil, err
			}
			break
		}
		l.strange = map[TopicPartition]Broker{}
		l.round(ctx, meta)
		if time.Since(begin) > unknownPatience {
			l.giveUpUnknown()
		}
		if len(l.pending) > 0 && !l.c.pause(ctx, attempt) {
			break
		}
	}
	// Half an answer to a caller who has gone away is no answer; to one whose time is up it is.
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, l.c.ended(ctx, l.what, nil)
	}
	for p, err := range l.pending {
		l.done[p] = outcome[R]{err: l.lost(ctx, p, err)}
	}
	return l.done, nil
}

// round asks every leader once.
func (l *leaderCall[R]) round(ctx context.Context, meta *Metadata) {
	leaders := map[int32][]leaderPart{}
	for p := range l.pending {
		part, ok := meta.Partition(p)
		switch topic := meta.Topics[p.Topic]; {
		case topic.Err != nil:
			l.settle(p, outcome[R]{err: topic.Err})
		case !ok:
			l.settle(p, outcome[R]{err: kerr.UnknownTopicOrPartition})
		case part.Err != nil:
			l.settle(p, outcome[R]{err: part.Err})
		default:
			leaders[part.Leader] = append(leaders[part.Leader], leaderPart{p, part.LeaderEpoch})
		}
	}
	// No leader waits for another: one that is away costs the others nothing but the next round.
	var wg sync.WaitGroup
	for node, parts := range leaders {
		wg.Go(func() {
			got, err := l.ask(ctx, l.c.kc.Broker(int(node)), parts)
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, p := range parts {
				o, ok := got[p.TopicPartition]
				switch {
				case err != nil:
					o.err = err
					l.strange[p.TopicPartition] = meta.Brokers[node]
				case !ok:
					o.err = errors.New("the broker's answer does not mention the partition")
				}
				l.settle(p.TopicPartition, o)
			}
		})
	}
	wg.Wait()
}

// settle records an answer, or keeps the partition for another round.
func (l *leaderCall[R]) settle(p TopicPartition, o outcome[R]) {
	if o.err != nil && mayPass(o.err) {
		l.pending[p] = o.err
		return
	}
	if o.err != nil {
		o.err = explainAt(o.err, l.c.cfg, p.String())
	}
	delete(l.pending, p)
	l.done[p] = o
}

func (l *leaderCall[R]) giveUpUnknown() {
	for p, err := range l.pending {
		if isUnknown(err) {
			delete(l.pending, p)
			l.done[p] = outcome[R]{err: explainAt(err, l.c.cfg, p.String())}
		}
	}
}

// lost is the error of a partition that had no answer when time was up.
func (l *leaderCall[R]) lost(ctx context.Context, p TopicPartition, last error) error {
	b, strange := l.strange[p]
	switch {
	case strange && KindOf(explainAt(last, l.c.cfg, "")) == Unreachable,
		strange && KindOf(explainAt(last, l.c.cfg, "")) == HostUnknown:
		return &Error{Kind: AdvertisedUnreachable, Place: p.String(), Err: last,
			Text: fmt.Sprintf("the leader of %s, node %d, advertises %s, which cannot be reached",
				p, b.ID, b.Addr()),
			Remedy: "check that the broker runs, and that its advertised.listeners can be reached from this machine"}
	case last == nil || isTimeout(last):
		return l.c.timedOut(fmt.Sprintf("%s of %s", l.what, p), last)
	}
	if _, ok := errors.AsType[*Error](last); ok {
		return last
	}
	return explainAt(last, l.c.cfg, p.String())
}

// mayPass says whether asking again may help: the broker says so, or the connection broke.
func mayPass(err error) bool {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		switch k {
		// Kafka does not call all of these retriable, because not every client looks up anew who leads.
		case kerr.UnknownTopicID, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.KafkaStorageError,
			kerr.OffsetNotAvailable, kerr.ReplicaNotAvailable,
			// What a broker has no name for, and what we have none for, may be over the next time. Java's client takes
			// it so, too.
			kerr.UnknownServerError:
			return true
		}
		return k.Retriable
	}
	return isTransport(err)
}

// isTransport says whether a request failed on its way. franz-go has no exported names for some of these,
// and calls others final that only mean that it is done trying.
func isTransport(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return false
	}
	switch KindOf(explainAt(err, &Config{}, "")) {
	case Unreachable, HostUnknown, TimedOut, Unavailable:
		return true
	}
	// A leader that metadata names, but not among the brokers, is one that is just leaving or coming.
	return kgo.IsRetryableBrokerErr(err) || err.Error() == "unknown broker"
}

func isUnknown(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}

// topicsOf are the topics of partitions, each once, in order.
func topicsOf(parts func(yield func(TopicPartition) bool)) []string {
	seen := map[string]bool{}
	for p := range parts {
		seen[p.Topic] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
