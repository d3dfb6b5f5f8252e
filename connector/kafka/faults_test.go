package kafka_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

var (
	ordealSeed  = flag.Uint64("seed", 0, "run the ordeal of this seed alone (TestKafkaFaults)")
	ordealCount = flag.Int("seeds", 0, "how many ordeals to run; 0 for 400, or 40 with -short")
	ordealFrom  = flag.Uint64("from", 1, "the first seed of those")
)

// TestKafkaFaults runs the program of examples/kafka_exactly_once, from a topic by a state to a topic, through the
// ordeals of successive seeds: brokers that refuse, are slow, lose connections before or after a request took effect,
// or change leaders and coordinators; processes that are stopped, killed, lose what their disks had not synced, or are
// taken for dead, sleep and wake up beside their successors. In the end each record of the input must be answered once,
// those of a key in their order with the right sums; nothing may be left open; and the group must be at the end of the
// input. The seed fixes what befalls the program; which goroutine comes first at one moment is the scheduler's, so that
// some seeds want -count.
//
// Left out is what kfake, the Kafka in memory, lacks: replicas, and so a new leader without the last records
// (internal/realkafka has real ones), and markers of transactions that come later than the answer to EndTxn, so that
// CONCURRENT_TRANSACTIONS and UNSTABLE_OFFSET_COMMIT come by order only. kfake lets a producer that was fenced take its
// id back by asking for a new epoch, which Kafka does not: to that zombies are held here, too. It answers a SASL
// handshake on a plain port with mechanisms, so that a process that loses its first connections may complain of those.
func TestKafkaFaults(t *testing.T) {
	next, end := *ordealFrom, *ordealFrom+uint64(*ordealCount)
	switch {
	case *ordealSeed != 0:
		next, end = *ordealSeed, *ordealSeed+1
	case *ordealCount == 0 && testing.Short():
		end = next + 40
	case *ordealCount == 0:
		end = next + 400
	}
	var taken, ran, failed atomic.Int64
	var all tally
	t.Run("seeds", func(t *testing.T) {
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for failed.Load() < 5 {
					s := next + uint64(taken.Add(1)) - 1
					if s >= end {
						return
					}
					if err := newOrdeal(s).endure(t, &all); err != nil {
						failed.Add(1)
						t.Errorf("seed %d: %v\n%v\nreplay it: go test ./connector/kafka -run TestKafkaFaults -args -seed %d",
							s, err, newOrdeal(s), s)
					}
					ran.Add(1)
				}
			})
		}
	})
	t.Logf("%d ordeals ran, %d failed; %s", ran.Load(), failed.Load(), all.String())
	if *ordealSeed == 0 && ran.Load() >= 400 {
		all.covers(t)
	}
}

// A tally is what has happened in all ordeals, for a test that breaks nothing shows nothing.
type tally struct {
	mu     sync.Mutex
	hits   map[hit]int
	events map[string]int
	sent   int
}

func (a *tally) add(m *mishaps, sent int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hits == nil {
		a.hits, a.events = map[hit]int{}, map[string]int{}
	}
	for h, n := range m.hits {
		a.hits[h] += n
	}
	for e, n := range m.events {
		a.events[e] += n
	}
	a.sent += sent
}

func (a *tally) String() string {
	text := fmt.Sprintf("%d records; events: %v; requests:", a.sent, a.events)
	for _, row := range refusals {
		text += " " + row.key.Name()
		for how := refused; how <= slowed; how++ {
			text += fmt.Sprint(" ", a.hits[hit{row.key, how}])
		}
	}
	return text
}

// least is how often a thing must happen in 400 ordeals: about half as often as it does.
var least = map[string]int{
	endStop.String(): 150, endKill.String(): 150, endPower.String(): 150, endZombie.String(): 150, gaveUp: 25,
	movedInput: 600, movedOutput: 600, rehashed: 600, cutOff: 600, cutShort: 600, grown: 50, lastRequest: 80,
}

// covers makes sure that each kind of request was refused, that connections were lost, and that processes and brokers
// met what ordeals have for them.
func (a *tally) covers(t *testing.T) {
	t.Helper()
	byHow := map[mishap]int{}
	for h, n := range a.hits {
		byHow[h.how] += n
	}
	for how := refused; how <= slowed; how++ {
		if byHow[how] == 0 {
			t.Errorf("no request was ever %v", how)
		}
	}
	for _, row := range refusals {
		if a.hits[hit{row.key, refused}] == 0 {
			t.Errorf("%s was never refused", row.key.Name())
		}
	}
	for what, n := range least {
		if a.events[what] < n {
			t.Errorf("%s: %d times, want %d at least", what, a.events[what], n)
		}
	}
}

// An arena is an ordeal that is being lived through.
type arena struct {
	*ordeal
	t       *testing.T
	c       *kafkatest.Cluster
	m       *mishaps
	disk    *vfs.Disk
	zombies []*victim
	was     []int // parallelisms of the lives so far

	mu   sync.Mutex
	r    *rand.Rand         // of the input
	n    int32              // partitions of the input
	at   map[string]int32   // where a key's records go
	sums map[string][]int64 // its numbers, in order
}

// endure runs the ordeal in a bubble and says what is wrong.
func (o *ordeal) endure(t *testing.T, all *tally) (err error) {
	returned := false
	defer func() {
		if !returned {
			fmt.Fprintf(os.Stderr, "%s: seed %d ended the test\n", t.Name(), o.seed)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		opts := []kfake.Opt{kfake.NumBrokers(o.brokers), kfake.SeedTopics(o.in, "in"), kfake.SeedTopics(o.out, "out")}
		if v := versions[o.version]; v != nil {
			opts = append(opts, kfake.MaxVersions(v))
		}
		w := &arena{ordeal: o, t: t, c: kafkatest.Start(t, opts...), m: newMishaps(o), disk: vfs.NewDisk("disk"),
			was: []int{o.parallelism}, r: rand.New(rand.NewPCG(o.seed, 9)), n: o.in,
			at: map[string]int32{}, sums: map[string][]int64{}}
		err = w.run(t.Context())
		all.add(w.m, w.total())
		pause(time.Minute) // Calls that were given up go on for a while.
	})
	returned = true
	return err
}

func (w *arena) run(ctx context.Context) (err error) {
	if w.aborted {
		if err := w.sendAborted(ctx); err != nil {
			return err
		}
	}
	if err := w.send(ctx, w.before); err != nil {
		return err
	}
	var faults []kfake.Fault
	for _, tr := range w.troubles {
		if tr.how == refused {
			faults = append(faults, kfake.Fault{Keys: []kmsg.Key{tr.key}, Err: tr.err, Count: -1,
				When: func(req kmsg.Request) bool { return w.m.refuses(tr, req) }})
		}
	}
	placed := w.c.Fault(faults...)
	calm := w.disturb(ctx)
	for i := 0; i < len(w.lives) && err == nil; i++ {
		pause(w.lives[i].pause)
		if err = w.live(ctx, i); err != nil {
			err = fmt.Errorf("life %d: %w", i, err)
		}
	}
	w.bury(ctx, false)
	err = errors.Join(err, calm())
	w.m.end()
	placed.Remove()
	if err == nil {
		err = w.recover(ctx)
	}
	return err
}

func pause(d time.Duration) { <-time.After(d) }

// send writes n records, those of a key to one partition.
func (w *arena) send(ctx context.Context, n int) error {
	records := make([]*kgo.Record, n)
	w.mu.Lock()
	for i := range records {
		key := fmt.Sprint("k", w.r.IntN(w.keys))
		if _, known := w.at[key]; !known {
			w.at[key] = w.r.Int32N(w.n)
		}
		v := w.r.Int64N(2000) - 1000
		w.sums[key] = append(w.sums[key], v)
		records[i] = &kgo.Record{Topic: "in", Partition: w.at[key], Key: []byte(key), Value: fmt.Append(nil, v)}
	}
	w.mu.Unlock()
	// An idempotent producer: what moves under it is in order, and there once.
	return w.c.Client().ProduceSync(ctx, records...).FirstErr()
}

// sendAborted writes records in transactions that are aborted, and one that is committed in between.
func (w *arena) sendAborted(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.c.ListenAddrs()...), kgo.Dialer(w.c.Dial), kgo.TransactionalID("feeder"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			return err
		}
		for p := range w.in {
			key := fmt.Sprint("t", p)
			if end {
				w.sums[key] = append(w.sums[key], int64(i))
			}
			r := &kgo.Record{Topic: "in", Partition: p, Key: []byte(key), Value: fmt.Append(nil, i)}
			if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
				return err
			}
		}
		if err := cl.EndTransaction(ctx, end); err != nil {
			return err
		}
	}
	return nil
}

// disturb goes on to send records, and moves leaders and coordinators, until the function is called that it returns.
func (w *arena) disturb(ctx context.Context) (calm func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		r := rand.New(rand.NewPCG(w.seed, 10))
		grow := r.IntN(8)
		for i := 0; sleep(ctx, between(r, 20*time.Millisecond, 3*time.Second)) && err == nil && w.total() < 400; i++ {
			err = w.send(context.WithoutCancel(ctx), 1+r.IntN(6))
			if w.more > 0 && i == grow {
				w.grow()
			}
		}
	})
	if w.restless {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(w.seed, 11))
			for sleep(ctx, between(r, 50*time.Millisecond, 4*time.Second)) {
				w.shake(ctx, r)
			}
		})
	}
	return func() error {
		cancel()
		wg.Wait()
		return err
	}
}

// grow gives the input more partitions.
func (w *arena) grow() {
	addPartitions(w.t, w.c, "in", w.n+w.more)
	// The test's producer must know them. (One that has purged the topic begins its numbers anew, and brokers take its
	// records for those before.)
	w.c.Client().ForceMetadataRefresh()
	pause(6 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n += w.more
	w.m.note(grown)
}

// shake has one thing be elsewhere, or away for a while.
func (w *arena) shake(ctx context.Context, r *rand.Rand) {
	node := r.Int32N(int32(w.brokers))
	switch r.IntN(5) {
	case 0:
		_ = w.c.MoveTopicPartition("in", r.Int32N(w.in), node) // The node and the partition are there.
		w.m.note(movedInput)
	case 1:
		_ = w.c.MoveTopicPartition("out", r.Int32N(w.out), node)
		w.m.note(movedOutput)
	case 2:
		w.c.RehashCoordinators()
		w.m.note(rehashed)
	case 3:
		w.c.Cut(node)
		sleep(ctx, between(r, 0, 5*time.Second))
		w.c.Mend()
		w.m.note(cutOff)
	case 4:
		w.c.Cut(node)
		w.c.Mend()
		w.m.note(cutShort)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// live runs a process to its end. It may fail where requests are refused or lost, but not else.
func (w *arena) live(ctx context.Context, number int) error {
	v, err := w.start(ctx, w.lives[number])
	if v == nil {
		return err
	}
	how := v.end.String()
	if err == nil {
		err = v.last(ctx)
	}
	if err != nil && !v.isOver() {
		how = gaveUp
		w.t.Logf("seed %d, life %d: %v", w.seed, number, err)
		if len(w.troubles) == 0 {
			v.die(ctx)
			return fmt.Errorf("no request was refused or lost, but the process failed: %w", err)
		}
	}
	w.m.note(how)
	switch {
	case err == nil && v.end == endStop:
	case err == nil && v.end == endZombie:
		v.finish()
		w.zombies = append(w.zombies, v)
	default:
		v.die(ctx)
	}
	if v.end == endPower && how != gaveUp {
		w.bury(ctx, true)
		w.disk = w.disk.Crash(w.seed + uint64(number))
	}
	return nil
}

// start starts a process. One that would split a planned batch differently is refused: then it is as it was.
func (w *arena) start(ctx context.Context, l ordealLife) (*victim, error) {
	earlier := slices.Clone(w.was)
	w.was = append(w.was, l.parallelism)
	for {
		v, err := w.process(l)
		if err != nil {
			return nil, err
		}
		go func() { v.started <- v.ssc.Start(ctx) }()
		select {
		case err = <-v.started:
			v.started <- err
		case <-v.gone:
			return v, nil
		}
		var held *dstream.HeldError
		last := len(earlier) - 1
		switch {
		case errors.Is(err, dstream.ErrUnfit) && last >= 0:
			l.parallelism, earlier = earlier[last], earlier[:last]
		case errors.As(err, &held) && len(w.zombies) > 0: // It woke up before it was taken for dead.
			w.bury(ctx, false)
		default:
			return v, err
		}
		v.die(ctx)
	}
}

// process makes the program of a process.
func (w *arena) process(l ordealLife) (*victim, error) {
	v := &victim{ordealLife: l, c: w.c, m: w.m, started: make(chan error, 1), gone: make(chan struct{})}
	v.mount = w.disk.Mount(v.fault)
	set := conf.New().Set("spark.master", fmt.Sprintf("local[%d]", l.cores)).
		Set("spark.default.parallelism", strconv.Itoa(l.parallelism))
	for i := 0; i+1 < len(w.settings); i += 2 {
		set.Set(w.settings[i], w.settings[i+1])
	}
	ssc, err := dstream.NewContext(set, w.interval, rdd.WithFileSystem(v.mount))
	if err != nil {
		return nil, err
	}
	v.ssc = ssc
	ssc.Checkpoint("disk:/ck")
	return v, sums(ssc, w.c, w.params, v.dialer())
}

type running struct{ Count, Sum int64 }

// sums defines the program.
func sums(ssc *dstream.Context, c *kafkatest.Cluster, params []string, dialer kafka.Option) error {
	records, err := kafka.DirectStream(ssc, kafka.Subscribe("in"), c.Params("group.id", "g", "auto.offset.reset", "earliest",
		"isolation.level", "read_committed", "enable.auto.commit", "true", "metadata.max.age.ms", "5000"), kafka.String,
		kafka.String, dialer)
	if err != nil {
		return err
	}
	out, err := kafka.Sink("out", c.Params(params...), kafka.StringSerializer, kafka.StringSerializer, dialer)
	if err != nil {
		return err
	}
	numbers := dstream.MapTry(records.Named("records"), func(r kafka.Record[string, string]) (rdd.Pair[string, int64], error) {
		n, err := strconv.ParseInt(r.Value, 10, 64)
		return rdd.KV(r.Key, n), err
	})
	answers, _ := dstream.MapWithState(numbers, dstream.Spec(
		func(key string, n rdd.Optional[int64], state *dstream.State[running]) textRecord {
			at, _ := state.Option().Get()
			at.Count, at.Sum = at.Count+1, at.Sum+n.Value
			state.Update(at)
			return textRecord{Key: key, Value: fmt.Sprint(at.Count, " ", at.Sum)}
		}))
	dstream.WriteTo(answers.Named("totals"), out).Named("answers")
	return nil
}

// last lets a process live until its time is over, and stops it if that is how it ends.
func (v *victim) last(ctx context.Context) error {
	over := make(chan error, 1)
	go func() { over <- v.ssc.AwaitTermination(ctx) }()
	select {
	case <-time.After(v.lasts):
	case <-v.gone:
		return nil
	case err := <-over:
		if v.isOver() {
			return nil
		}
		return errors.Join(errors.New("the program ended before its time"), err)
	}
	if v.end != endStop {
		return nil
	}
	ending, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return errors.Join(v.ssc.Stop(ending, dstream.Graceful()), v.ssc.AwaitTermination(ending))
}

// die ends a process as kill -9 does.
func (v *victim) die(ctx context.Context) {
	v.finish()
	pause(time.Until(v.wakes()))
	v.mu.Lock()
	v.dead = true
	v.mu.Unlock()
	v.mount.Kill()
	_ = v.ssc.Stop(ctx) // Whatever it has to say, it is dead.
	<-v.started
}

// bury waits until the zombies have woken up, lets them try to go on unless they have no power, and kills them.
func (w *arena) bury(ctx context.Context, powerless bool) {
	for _, v := range w.zombies {
		if !powerless {
			pause(time.Until(v.wakes()) + 2*w.interval)
		}
		v.die(ctx)
	}
	w.zombies = nil
}

func (w *arena) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sums {
		n += len(s)
	}
	return n
}

// recover runs the program once more, without trouble, and compares what there is then.
func (w *arena) recover(ctx context.Context) error {
	if err := w.send(ctx, 3); err != nil {
		return err
	}
	v, err := w.start(ctx, ordealLife{cores: 2, parallelism: w.parallelism, end: endStop})
	if err != nil {
		return fmt.Errorf("the last life does not start: %w", err)
	}
	want := w.total()
	for range 40 {
		pause(5 * time.Second)
		if got, err := w.ends(ctx); err != nil || got >= want {
			break
		}
	}
	stop, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(v.ssc.Stop(stop, dstream.Graceful()), v.ssc.AwaitTermination(stop)); err != nil {
		return fmt.Errorf("the last life: %w", err)
	}
	return errors.Join(w.compare(), w.settled(ctx))
}

// ends is the number of offsets that readers of committed records reach.
func (w *arena) ends(ctx context.Context) (n int, err error) {
	ends, err := kadm.NewClient(w.c.Client()).ListCommittedOffsets(ctx, "out")
	ends.Each(func(o kadm.ListedOffset) { n += int(o.Offset) })
	return n, err
}

// compare compares the answers with the input.
func (w *arena) compare() error {
	got := map[string][]string{}
	for _, r := range w.c.Records("out") {
		got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(w.sums)) {
		var want []string
		sum := int64(0)
		for i, n := range w.sums[key] {
			sum += n
			want = append(want, fmt.Sprint(i+1, " ", sum))
		}
		if !slices.Equal(got[key], want) {
			errs = append(errs, fmt.Errorf("answers of %s:\n got %q\nwant %q", key, got[key], want))
		}
		delete(got, key)
	}
	if len(got) > 0 {
		errs = append(errs, fmt.Errorf("answers to nothing: %q", got))
	}
	return errors.Join(errs...)
}

// settled compares where the group is with the ends of the input, and looks for what is open in the output.
func (w *arena) settled(ctx context.Context) error {
	adm := kadm.NewClient(w.c.Client())
	in, err := adm.ListCommittedOffsets(ctx, "in")
	committed, err2 := adm.ListCommittedOffsets(ctx, "out")
	end, err3 := adm.ListEndOffsets(ctx, "out")
	errs := []error{err, err2, err3}
	group := w.c.Committed("g", "in")
	in.Each(func(o kadm.ListedOffset) {
		if got, there := group[o.Partition]; !there || got != o.Offset {
			errs = append(errs, fmt.Errorf("in-%d: the group is at %d (%v), its end is %d", o.Partition, got, there, o.Offset))
		}
	})
	end.Each(func(o kadm.ListedOffset) {
		if stable, _ := committed.Lookup("out", o.Partition); stable.Offset != o.Offset {
			errs = append(errs, fmt.Errorf("out-%d: a transaction is open at %d, before its end at %d", o.Partition,
				stable.Offset, o.Offset))
		}
	})
	return errors.Join(errs...)
}
