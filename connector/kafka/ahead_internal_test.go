package kafka

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// fakeFetcher is a fetcher of a Kafka in memory with a topic "t" of four partitions with ten records each.
func fakeFetcher(t *testing.T) *fetcher {
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
			pause:    time.Millisecond,
			proof:    time.Second,
			checkCRC: true,
		},
	)
	t.Cleanup(f.close)
	return f
}

func pieceOf(partition int32, from, until int64) piece {
	return piece{
		partitionRange: partitionRange{Topic: "t", Partition: partition, From: from, Until: until, Epoch: -1},
	}
}

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
		hold("a fourth piece is too much, and an empty one takes nothing", 3<<20, 3)
		f.ahead.start(t.Context(), f, []piece{pieceOf(0, 0, 10)})
		hold("a piece is not fetched twice", 3<<20, 3)
		synctest.Wait()
		fetch := f.ahead.take(pieceOf(0, 0, 10))
		if fetch == nil || f.ahead.take(pieceOf(0, 0, 10)) != nil {
			t.Fatal("a piece is not taken once")
		}
		if c, err := fetch.wait(t.Context()); err != nil || len(c.set) < 10_000 {
			t.Errorf("it holds %d bytes, %v", len(c.set), err)
		}
		hold("taken", 2<<20, 2)
		f.ahead.release(map[TopicPartition]int64{{"t", 1}: 10, {"t", 2}: 0})
		hold("released up to 10, and up to 0", 1<<20, 1)
		if other := pieceOf(2, 0, 10); true {
			other.ID = [16]byte{1}
			if f.ahead.take(other) != nil {
				t.Error("the fetch of another topic of the same name is given away")
			}
		}
		f.ahead.release(map[TopicPartition]int64{{"t", 2}: 1})
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
		if c, err := fetch.wait(t.Context()); err != nil || len(c.set) != 1000 {
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

// A pacer gives turns one after the other, takes back what was not used, and lets a turn be given up.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{rate: 1000}
		began := time.Now()
		say := func(err error) string { return fmt.Sprint(time.Since(began), " ", err) }
		var got []string
		got = append(got, say(p.wait(t.Context(), 2000)))
		got = append(got, say(p.wait(t.Context(), 500)))
		p.correct(500, 100)
		got = append(got, say(p.wait(t.Context(), 1000)))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, fmt.Errorf("enough"))
		defer cancel()
		got = append(got, say(p.wait(ctx, 5000)))
		got = append(got, say(p.wait(t.Context(), 1000)))
		<-time.After(time.Minute)
		got = append(got, say(p.wait(t.Context(), 1000)))
		want := []string{"0s <nil>", "2s <nil>", "2.1s <nil>", "2.2s enough", "3.1s <nil>", "1m3.1s <nil>"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("turns %v, want %v", got, want)
		}
		if err := (&pacer{}).wait(ctx, 1<<30); err != nil {
			t.Errorf("without a rate: %v", err)
		}
	})
}
