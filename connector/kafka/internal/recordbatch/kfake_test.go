package recordbatch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

const topic = "records"

// cluster starts a broker in this process and gives its address.
func cluster(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return strings.Join(c.ListenAddrs(), ",")
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce sends n records in batches and gives them as they must be read.
func produce(ctx context.Context, t *testing.T, cl *kgo.Client, prefix string, n int) []read {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		r := &kgo.Record{Key: fmt.Appendf(nil, "%s%d", prefix, i), Value: []byte(strings.Repeat(prefix, i%40)),
			Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i*i%1000))}
		if i%5 == 0 {
			r.Key = nil
			r.Headers = []kgo.RecordHeader{{Key: "n", Value: []byte{byte(i)}}, {Key: "null"}}
		}
		if i%7 == 0 {
			r.Value = nil
		}
		records = append(records, r)
	}
	results := cl.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		t.Fatal(err)
	}
	var out []read
	for _, r := range records {
		one := ofKgo(r)
		if r.Value != nil && len(r.Value) == 0 {
			one.Value = []byte{}
		}
		out = append(out, one)
	}
	return out
}

// fetch asks the broker for the partition's bytes, from an offset on.
func fetch(ctx context.Context, t *testing.T, cl *kgo.Client, from int64,
	committed bool) kmsg.FetchResponseTopicPartition {
	t.Helper()
	meta := kmsg.NewMetadataRequest()
	name := topic
	meta.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
	m, err := meta.RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewFetchRequest()
	req.MaxWaitMillis, req.MaxBytes = 100, 64<<20
	if committed {
		req.IsolationLevel = 1
	}
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes = from, 64<<20
	// Version 13 and later go by the id, earlier ones by the name.
	req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, TopicID: m.Topics[0].TopicID,
		Partitions: []kmsg.FetchRequestTopicPartition{part}}}
	resp, err := cl.Broker(int(m.Topics[0].Partitions[0].Leader)).RetriableRequest(ctx, &req)
	if err != nil {
		t.Fatal(err)
	}
	rp := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if rp.ErrorCode != 0 {
		t.Fatalf("fetch: error code %d", rp.ErrorCode)
	}
	return rp
}

// TestBroker produces with each codec and reads the broker's fetch responses.
func TestBroker(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			addr := cluster(t)
			cl := client(t, addr, kgo.ProducerBatchCompression(codec))
			want := append(produce(ctx, t, cl, "first", 500), produce(ctx, t, cl, "second", 300)...)
			rp := fetch(ctx, t, cl, 0, false)
			it := recordbatch.NewIterator(nil)
			it.Reset(rp.RecordBatches, recordbatch.Want{From: 0, Until: 800})
			got := collect(t, it)
			if it.Err() != nil || it.NextOffset() != 800 {
				t.Fatalf("error %v, next %d, want 800", it.Err(), it.NextOffset())
			}
			if compressed := it.DecompressedBytes() > 0; compressed != (name != "none") {
				t.Fatalf("%d bytes decompressed with codec %s", it.DecompressedBytes(), name)
			}
			for i := range want { // the producer does not learn the epoch
				want[i].LeaderEpoch = got[i].LeaderEpoch
			}
			same(t, got, want)
			// From the middle of a batch: the response begins before the asked offset.
			rp = fetch(ctx, t, cl, 123, false)
			it.Reset(rp.RecordBatches, recordbatch.Want{From: 123, Until: 600})
			same(t, collect(t, it), want[123:600])
		})
	}
}

// TestBrokerTransactions has the broker say which transactions were aborted.
func TestBrokerTransactions(t *testing.T) {
	ctx := t.Context()
	addr := cluster(t)
	var want []read
	visible := func(rs []read, show bool) {
		if show {
			want = append(want, rs...)
		}
	}
	cl := client(t, addr, kgo.TransactionalID("txn"))
	for i := range 6 {
		commit := kgo.TransactionEndTry(i%2 == 0)
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		visible(produce(ctx, t, cl, fmt.Sprintf("t%d-", i), 20), bool(commit))
		if err := cl.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	visible(produce(ctx, t, client(t, addr), "plain", 20), true)

	rp := fetch(ctx, t, cl, 0, true)
	if len(rp.AbortedTransactions) != 3 {
		t.Fatalf("the broker lists %d aborted transactions, want 3", len(rp.AbortedTransactions))
	}
	var aborted []recordbatch.AbortedTransaction
	for _, a := range rp.AbortedTransactions {
		aborted = append(aborted, recordbatch.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	it := recordbatch.NewIterator(nil)
	end := rp.LastStableOffset
	it.Reset(rp.RecordBatches, recordbatch.Want{Until: end, ReadCommitted: true, Aborted: aborted})
	got := collect(t, it)
	if it.Err() != nil || it.NextOffset() != end || end < 140+6 {
		t.Fatalf("error %v, next %d, last stable offset %d", it.Err(), it.NextOffset(), end)
	}
	for i := range want {
		want[i].LeaderEpoch = got[i].LeaderEpoch
	}
	same(t, got, want)
}
