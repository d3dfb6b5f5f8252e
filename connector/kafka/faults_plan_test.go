package kafka_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// An ordeal is what a seed draws: a cluster, an input, the processes of a program one after the other, and what befalls
// them and the brokers.
type ordeal struct {
	seed        uint64
	brokers     int
	in, out     int32 // partitions
	more        int32 // partitions that the input gets on the way
	keys        int
	before      int  // records that are there when the program begins
	aborted     bool // some records of the input are in transactions, of which some were aborted
	version     string
	interval    time.Duration
	parallelism int
	settings    []string
	params      []string // of the sink
	lives       []ordealLife
	troubles    []trouble
	restless    bool // leaders and coordinators move, and brokers are cut off
}

// An ordealLife is one process: how long it lasts, and how it ends.
type ordealLife struct {
	cores, parallelism int
	pause              time.Duration // since the one before
	lasts              time.Duration
	end                lifeEnd
	// at is the event at which it ends if its time is not over before. An event is a step of the disk or a request.
	at int
	// late has the request at which it ends be carried out: the process never hears the answer.
	late bool
	// Of a zombie: its network wakes up first or last.
	network, disk time.Duration
}

type lifeEnd int

const (
	endStop lifeEnd = iota
	endKill
	endPower
	endZombie
)

func (e lifeEnd) String() string { return [...]string{"stop", "kill", "power failure", "zombie"}[e] }

// A trouble is what becomes of some requests of a kind, counted over all the processes.
type trouble struct {
	key         kmsg.Key
	how         mishap
	err         *kerr.Error // of a refusal
	from, times int
	slow        time.Duration
}

type mishap int

const (
	refused    mishap = iota // the broker answers with an error
	lostBefore               // the connection breaks before the request is sent
	lostAfter                // the connection breaks when the request was carried out, before its answer comes
	slowed                   // the answer takes its time
)

func (m mishap) String() string { return [...]string{"refused", "lost", "answer lost", "slow"}[m] }

var (
	coordination = []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
		kerr.UnknownServerError}
	leadership = []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition,
		kerr.KafkaStorageError, kerr.UnknownServerError}
)

// refusals are the errors that brokers answer to requests in bad hours. REQUEST_TIMED_OUT and
// NOT_ENOUGH_REPLICAS_AFTER_APPEND are answered although the request is carried out where brokers do that.
var refusals = []struct {
	key  kmsg.Key
	most int // the request at which the last of these begins
	errs []*kerr.Error
}{
	{kmsg.Fetch, 60, append([]*kerr.Error{kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.ReplicaNotAvailable},
		leadership...)},
	{kmsg.ListOffsets, 60, append([]*kerr.Error{kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch,
		kerr.OffsetNotAvailable, kerr.RequestTimedOut}, leadership...)},
	// Others would fail the records of the test's own producer.
	{kmsg.Metadata, 40, leadership[:2]},
	{kmsg.FindCoordinator, 15, coordination[1:]},
	{kmsg.InitProducerID, 8, append([]*kerr.Error{kerr.ConcurrentTransactions, kerr.RequestTimedOut},
		coordination...)},
	{kmsg.AddPartitionsToTxn, 20, append([]*kerr.Error{kerr.ConcurrentTransactions}, coordination...)},
	{kmsg.AddOffsetsToTxn, 20, append([]*kerr.Error{kerr.ConcurrentTransactions}, coordination...)},
	{kmsg.TxnOffsetCommit, 20, append([]*kerr.Error{kerr.RequestTimedOut, kerr.UnknownTopicOrPartition},
		coordination...)},
	{kmsg.Produce, 40, append([]*kerr.Error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.RequestTimedOut, kerr.ConcurrentTransactions}, leadership...)},
	{kmsg.EndTxn, 20, append([]*kerr.Error{kerr.ConcurrentTransactions, kerr.RequestTimedOut}, coordination...)},
	{kmsg.OffsetFetch, 8, append([]*kerr.Error{kerr.UnstableOffsetCommit}, coordination...)},
	{kmsg.OffsetCommit, 20, append([]*kerr.Error{kerr.RequestTimedOut}, coordination...)},
}

// versions are brokers with the newest transactions, with those before, and without stable offsets.
var versions = map[string]*kversion.Versions{"newest": nil, "3.9": kversion.V3_9_0(), "2.8": kversion.V2_8_0(),
	"2.4": kversion.V2_4_0()}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// between draws a duration, in milliseconds.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

func newOrdeal(seed uint64) *ordeal {
	r := rand.New(rand.NewPCG(seed, 8))
	o := &ordeal{seed: seed, brokers: 2 + r.IntN(2), in: 1 + r.Int32N(4), out: 1 + r.Int32N(3), keys: 1 + r.IntN(9),
		before: r.IntN(30), aborted: r.IntN(3) == 0, version: pick(r, "newest", "newest", "3.9", "2.8", "2.4"),
		interval: pick(r, 100*time.Millisecond, time.Second, 3*time.Second), parallelism: 1 + r.IntN(4),
		restless: r.IntN(2) == 0}
	if r.IntN(4) == 0 {
		o.more = 1 + r.Int32N(2)
	}
	if r.IntN(2) == 0 {
		o.settings = append(o.settings, "weir.streaming.failedBatch.backoff", pick(r, "0ms", "200ms", "1s"))
	}
	if r.IntN(2) == 0 {
		o.params = append(o.params, "transaction.timeout.ms", pick(r, "6000", "15000"))
	}
	if r.IntN(4) > 0 {
		o.params = append(o.params, patience...)
	}
	for i := range 2 + r.IntN(4) {
		o.lives = append(o.lives, newOrdealLife(r, o, i))
	}
	for range r.IntN(12) {
		o.troubles = append(o.troubles, newTrouble(r))
	}
	more := rand.New(rand.NewPCG(seed, 9)) // Its own, so that seeds keep what else they have.
	if more.IntN(3) == 0 {                 // Batches share transactions.
		o.troubles = append(o.troubles, trouble{key: kmsg.EndTxn, how: slowed, from: 1, times: 1000,
			slow: between(more, 0, min(3*o.interval, 2*time.Second))})
	}
	return o
}

func newOrdealLife(r *rand.Rand, o *ordeal, number int) ordealLife {
	l := ordealLife{cores: 1 + r.IntN(3), parallelism: o.parallelism,
		lasts: between(r, o.interval, 6*o.interval+5*time.Second),
		end:   lifeEnd(r.IntN(4)), late: r.IntN(2) == 0}
	if r.IntN(4) == 0 {
		l.parallelism = 1 + r.IntN(4)
	}
	if number > 0 {
		l.pause = pick(r, 0, between(r, 0, 3*time.Second), between(r, 0, 20*time.Second))
	}
	if l.end != endStop && r.IntN(4) > 0 {
		l.at = 1 + r.IntN(pick(r, 60, 250))
	}
	if l.end == endZombie {
		l.network = pick(r, 2*time.Second, 7*time.Second, 12*time.Second, time.Minute)
		l.disk = max(l.network+pick(r, -time.Second, 0, time.Second, 5*time.Second), 0)
	}
	return l
}

func newTrouble(r *rand.Rand) trouble {
	row := pick(r, refusals...)
	tr := trouble{key: row.key, how: pick(r, refused, refused, lostBefore, lostAfter, slowed),
		from: 1 + r.IntN(row.most), times: pick(r, 1, 1, 2, 3, 8)}
	switch tr.how {
	case refused:
		tr.err = pick(r, row.errs...)
	case slowed:
		tr.slow = pick(r, between(r, 0, time.Second), between(r, 0, 10*time.Second), 40*time.Second)
		tr.times = min(tr.times, 2)
	}
	return tr
}

func (o *ordeal) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d brokers like %s, %d partitions to %d, %d keys, %d records at first", o.brokers, o.version, o.in,
		o.out, o.keys, o.before)
	if o.aborted {
		b.WriteString(", some aborted")
	}
	if o.more > 0 {
		fmt.Fprintf(&b, ", %d more partitions", o.more)
	}
	if o.restless {
		b.WriteString(", restless brokers")
	}
	fmt.Fprintf(&b, "; interval %v, parallelism %d, %q", o.interval, o.parallelism, slices.Concat(o.settings, o.params))
	for i, l := range o.lives {
		fmt.Fprintf(&b, "\nlife %d: after %v, %d cores, parallelism %d, %v for %v", i, l.pause, l.cores, l.parallelism,
			l.end, l.lasts)
		if l.at > 0 {
			fmt.Fprintf(&b, ", at event %d (late: %v)", l.at, l.late)
		}
		if l.end == endZombie {
			fmt.Fprintf(&b, ", network sleeps %v, disk %v", l.network, l.disk)
		}
	}
	for _, tr := range o.troubles {
		fmt.Fprintf(&b, "\n%s %d to %d: %v", tr.key.Name(), tr.from, tr.from+tr.times-1, tr.how)
		switch tr.how {
		case refused:
			fmt.Fprintf(&b, ", %s", tr.err.Message)
		case slowed:
			fmt.Fprintf(&b, ", %v", tr.slow)
		}
	}
	return b.String()
}
