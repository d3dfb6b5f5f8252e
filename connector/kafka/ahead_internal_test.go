package kafka

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// fakeFetcher is a fetcher of a Kafka in memory with a topic "t" of four partitions with ten records each.
func fakeFetcher(t *testing.T) *fetcher {
	t.Helper()
	f, _ := fakeKafka(t)
	return f
}

func fakeKafka(t *testing.T) (*fetcher, *kfake.Cluster) {
	t.Helper()
	var network kfake.VirtualNetwork
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.SeedTopics(4, "t"),
		kfake.Ports(9092),
		kfake.ListenFn(network.Listen),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	writer, err := kgo.NewClient(
		kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.Dialer(network.DialContext),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for i := range 40 {
		r := &kgo.Record{Topic: "t", Partition: int32(i % 4), Value: make([]byte, 1000)}
		if err := writer.ProduceSync(t.Context(), r).
			FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := client.Parse(map[string]string{"bootstrap.servers": c.ListenAddrs()[0]}, client.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dial = func(ctx context.Context, n, addr string) (net.Conn, error) { return network.DialContext(ctx, n, addr) }
	cl, err := client.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := newFetcher(
		cl,
		fetchOptions{
			bytes:    1 << 20,
			patience: time.Minute,
			backoff:  func(int) time.Duration { return time.Millisecond },
			proof:    time.Second,
			checkCRC: true,
		},
	)
	t.Cleanup(f.close)
	return f, c
}

func pieceOf(partition int32, from, until int64) piece {
	return piece{
		partitionRange: partitionRange{Topic: "t", Partition: partition, From: from, Until: until, Epoch: -1},
	}
}

func life(partition int32) incarnation { return pieceOf(partition, 0, 0).incarnation() }

// What is fetched ahead is bounded, is given to one taker, and is let go of when nobody takes it.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeFetcher(t)
		f.ahead.max = 3 << 20
		hold := func(when string, bytes int64, pieces int) {
			t.Helper()
			f.ahead.mu.Lock()
			defer f.ahead.mu.Unlock()
			if f.ahead.bytes != bytes || len(f.ahead.under) != pieces {
				t.Errorf(
					"%s: %d bytes of %d pieces are held, want %d of %d",
					when,
					f.ahead.bytes,
					len(f.ahead.under),
					bytes,
					pieces,
				)
			}
		}
		f.ahead.start(
			t.Context(),
			f,
			[]piece{pieceOf(0, 0, 10), pieceOf(1, 5, 5), pieceOf(1, 0, 10), pieceOf(2, 0, 10), pieceOf(3, 0, 10)},
		)
		synctest.Wait()
		const batch = 10_700
		hold("a fourth piece is too much, and an empty one takes nothing", 3*batch, 3)
		f.ahead.start(t.Context(), f, []piece{pieceOf(0, 0, 10)})
		hold("a piece is not fetched twice", 3*batch, 3)
		fetch := f.ahead.take(pieceOf(0, 0, 10))
		if fetch == nil || f.ahead.take(pieceOf(0, 0, 10)) != nil {
			t.Fatal("a piece is not taken once")
		}
		if c, err := fetch.await(t.Context()); err != nil || len(c.set) < 10_000 {
			t.Errorf("it holds %d bytes, %v", len(c.set), err)
		}
		hold("taken", 2*batch, 2)
		f.ahead.release(map[incarnation]int64{life(1): 10, life(2): 0})
		hold("released up to 10, and up to 0", batch, 1)
		if other := pieceOf(2, 0, 10); true {
			other.ID = [16]byte{1}
			if f.ahead.take(other) != nil {
				t.Error("the fetch of another topic of the same name is given away")
			}
		}
		f.ahead.release(map[incarnation]int64{life(2): 1})
		hold("all released", 0, 0)

		rest := &chunk{set: make([]byte, 1000)}
		f.ahead.keep(pieceOf(0, 0, 4), rest)
		f.ahead.keep(pieceOf(0, 0, 4), rest)
		hold("what was fetched beyond a piece", 1000, 1)
		later := pieceOf(0, 4, 9)
		if later.Epoch = 3; f.ahead.take(later) != nil {
			t.Error("what another leader has sent is given away")
		}
		fetch = f.ahead.take(pieceOf(0, 4, 9))
		if fetch == nil {
			t.Fatal("it is not held for the piece after")
		}
		if c, err := fetch.await(t.Context()); err != nil || len(c.set) != 1000 {
			t.Errorf("it holds %d bytes, %v", len(c.set), err)
		}
		hold("taken", 0, 0)
		f.ahead.keep(pieceOf(0, 0, 4), &chunk{set: make([]byte, 4<<20)})
		hold("too much to be kept", 0, 0)
	})
}

// After the first fetches a range asks for about what it needs.
func TestGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeFetcher(t)
		for _, row := range []struct {
			when    string
			rate    int64
			observe [2]int64 // bytes and offsets
			n       int64
			want    int32
		}{
			{"nothing is known", 0, [2]int64{}, 5, 1 << 20},
			{"nothing is known, and the rate is low", 5000, [2]int64{}, 5, 5000},
			{"small ranges", 0, [2]int64{1000, 10}, 5, fetchFloor},
			{"larger ones", 0, [2]int64{}, 1000, 125_000},
			{"larger than a fetch", 0, [2]int64{}, 1_000_000, 1 << 20},
			{"larger than the rate", 5000, [2]int64{}, 1000, 5000},
			{"a rate of almost nothing", 1, [2]int64{}, 1000, 1 << 10},
			{"what is not to be counted", 0, [2]int64{-5, 10}, 1000, 125_000},
		} {
			f.opts.rate = row.rate
			f.size.observe(int(row.observe[0]), row.observe[1])
			if got := f.guess(row.n); got != row.want {
				t.Errorf("%s: %d, want %d", row.when, got, row.want)
			}
		}
		f.size.observe(1<<30, averageSpan)
		if per, _ := f.size.per(); per < 1000 || per > 1024 {
			t.Errorf("an offset takes %f bytes", per)
		}
	})
}

// A broker sends a whole batch, however little is asked for: what is held is counted, not what was asked.
func TestAheadCountsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeFetcher(t)
		f.size.observe(1, 1)
		for _, row := range []struct {
			max    int64
			pieces int
		}{{4 * fetchFloor, 4}, {10_000, 0}} {
			f.ahead.max, f.opts.bytes = row.max, 1000
			for p := range int32(4) {
				f.ahead.start(t.Context(), f, []piece{pieceOf(p, 0, 1)})
			}
			synctest.Wait()
			var held int64
			for _, h := range f.ahead.under {
				held += int64(len(h.got.set))
			}
			if len(f.ahead.under) == 0 || held != f.ahead.bytes || held > row.max {
				t.Errorf("of at most %d bytes %d are held in %d pieces and %d counted", row.max, held,
					len(f.ahead.under), f.ahead.bytes)
			}
			f.release(nil, map[incarnation]int64{life(0): 0, life(1): 0, life(2): 0, life(3): 0})
			if f.ahead.bytes != 0 || len(f.ahead.under) != 0 {
				t.Errorf("of partitions that are gone %d bytes are held", f.ahead.bytes)
			}
		}
	})
}

// Of a partition that is gone nothing is kept.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeFetcher(t)
		p := pieceOf(0, 0, 10)
		p.Epoch = 0
		f.gaps.note(p, 0, 10)
		f.losses.count(p.partitionRange, 0, 10)
		f.marks.note(p.partitionRange, &recordbatch.Record{})
		f.release(map[incarnation]int64{life(1): 100}, map[incarnation]int64{p.incarnation(): 10})
		if n := len(f.gaps.at) + len(f.losses.told) + len(f.marks.at); n != 0 {
			t.Errorf("%d things are kept", n)
		}
	})
}

// Many fetches that want to know who leads a topic ask once.
func TestLeadersAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := fakeKafka(t)
		asked := 0
		c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			asked++
			return nil, nil, false
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.leaders.of(ctx, pieceOf(0, 0, 1).partitionRange); err == nil {
			t.Error("one who has gone is told")
		}
		asked = 0
		for i := range int32(40) {
			go func() {
				l, err := f.leaders.of(t.Context(), pieceOf(i%4, 0, 1).partitionRange)
				if err != nil || l.node != 0 {
					t.Error(l, err)
				}
			}()
		}
		synctest.Wait()
		if asked != 1 {
			t.Errorf("the brokers are asked %d times", asked)
		}
		old, _ := f.leaders.get(TopicPartition{"t", 0})
		if _, err := f.leaders.refresh(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		f.leaders.forget(TopicPartition{"t", 0}, old)
		if _, ok := f.leaders.get(TopicPartition{"t", 0}); !ok {
			t.Error("what was learned later is forgotten with what proved wrong")
		}
	})
}

// Those that a task waits for come first, then who came first; and one that becomes wanted moves up.
func TestPacerOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{rate: 1000}
		if err := p.wait(t.Context(), p.line(true), 1000); err != nil {
			t.Fatal(err)
		}
		turns := map[string]*turn{}
		order := make(chan string, 5)
		for _, name := range []string{"next1", "next2", "next3", "now1", "now2"} {
			at := p.line(strings.HasPrefix(name, "now"))
			turns[name] = at
			go func() {
				if err := p.wait(t.Context(), at, 1000); err != nil {
					t.Error(err)
				}
				order <- name
			}()
			synctest.Wait()
		}
		p.prefer(turns["next3"])
		<-time.After(time.Minute)
		synctest.Wait()
		close(order)
		var got []string
		for name := range order {
			got = append(got, name)
		}
		if want := []string{"now1", "now2", "next3", "next1", "next2"}; !slices.Equal(got, want) {
			t.Errorf("turns %v, want %v", got, want)
		}
	})
}

// A fetch that is dropped while its request is on the wire gives no time back: its bytes come all the same.
func TestPacerOfDroppedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := fakeKafka(t)
		c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.SleepControl(func() { <-time.After(time.Second) })
			return nil, nil, false
		})
		f.pace.rate = 1000
		p := pieceOf(0, 0, 1)
		sent := f.begin(t.Context(), order{piece: p, bytes: 10_000, wait: fetchWait, wanted: true})
		waits := f.begin(t.Context(), order{piece: p, bytes: 10_000, wait: fetchWait, wanted: true})
		<-time.After(100 * time.Millisecond)
		sent.cancel()
		waits.cancel()
		<-sent.done
		<-waits.done
		if left := time.Until(f.pace.free); left != 9900*time.Millisecond || len(f.pace.queue) != 0 {
			t.Errorf("the next turn is in %v, after %d", left, len(f.pace.queue))
		}
		<-time.After(2 * time.Second)
	})
}

// A pacer gives turns one after the other, takes back what was not used, and lets a turn be given up.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{rate: 1000}
		began := time.Now()
		say := func(err error) string { return fmt.Sprint(time.Since(began), " ", err) }
		var got []string
		got = append(got, say(p.wait(t.Context(), p.line(true), 2000)))
		got = append(got, say(p.wait(t.Context(), p.line(true), 500)))
		p.correct(500, 100)
		got = append(got, say(p.wait(t.Context(), p.line(true), 1000)))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, fmt.Errorf("enough"))
		defer cancel()
		got = append(got, say(p.wait(ctx, p.line(true), 5000)))
		got = append(got, say(p.wait(t.Context(), p.line(true), 1000)))
		<-time.After(time.Minute)
		got = append(got, say(p.wait(t.Context(), p.line(true), 1000)))
		want := []string{"0s <nil>", "2s <nil>", "2.1s <nil>", "2.2s enough", "3.1s <nil>", "1m3.1s <nil>"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("turns %v, want %v", got, want)
		}
		if err := (&pacer{}).wait(ctx, &turn{}, 1<<30); err != nil {
			t.Errorf("without a rate: %v", err)
		}
	})
}
