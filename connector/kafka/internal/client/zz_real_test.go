package client

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestReal(t *testing.T) {
	addr := os.Getenv("WEIR_REAL")
	if addr == "" {
		t.Skip("no broker")
	}
	params := map[string]string{"bootstrap.servers": addr}
	for _, kv := range []string{"security.protocol", "sasl.mechanism", "sasl.jaas.config", "ssl.truststore.location", "ssl.keystore.location", "ssl.endpoint.identification.algorithm", "ssl.truststore.password", "ssl.truststore.type", "ssl.keystore.password"} {
		if v, ok := os.LookupEnv("P_" + kv); ok {
			params[kv] = v
		}
	}
	cfg, err := Parse(params, Consumer)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	c, err := Open(context.Background(), cfg)
	fmt.Println("open took", time.Since(begin).Round(time.Millisecond))
	if err != nil {
		fmt.Println("ERR kind", KindOf(err), ":", err)
		return
	}
	defer c.Close()
	ctx := t.Context()
	fmt.Println("version", c.Version(), c.Version().Generation, "warnings", c.Warnings())
	if os.Getenv("WEIR_SHORT") != "" {
		m, err := c.Metadata(ctx, nil)
		fmt.Println(len(m.Topics), err)
		return
	}
	topic := "real"
	tp := TopicPartition{topic, 0}
	m, err := c.Metadata(ctx, []string{"absent-topic", topic})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("metadata %+v\n", m)
	pcfg, err := Parse(params, Producer)
	if err != nil {
		t.Fatal(err)
	}
	pc, err := Open(ctx, pcfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := pc.Kgo().ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 0, Value: []byte("x"), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	pc.Close()
	for _, spec := range []OffsetSpec{Earliest, Latest, AtTime(time.UnixMilli(5500))} {
		for _, l := range []Isolation{ReadUncommitted, ReadCommitted} {
			got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{tp: spec}, l)
			fmt.Printf("list %d iso %d: %+v %v\n", spec, l, got, err)
		}
	}
	fmt.Println("fetch before")
	f, err := c.FetchOffsets(ctx, "grp", []TopicPartition{tp, {"absent-topic", 0}}, true)
	fmt.Printf("%+v %v\n", f, err)
	fmt.Println("commit", c.CommitOffsets(ctx, "grp", map[TopicPartition]OffsetToCommit{tp: {Offset: 5, LeaderEpoch: -1, Metadata: "hello"}}))
	f, err = c.FetchOffsets(ctx, "grp", []TopicPartition{tp}, true)
	fmt.Printf("%+v %v\n", f, err)
	f, err = c.FetchOffsets(ctx, "grp", []TopicPartition{tp}, false)
	fmt.Printf("%+v %v\n", f, err)
	g, err := c.DescribeGroup(ctx, "grp")
	fmt.Printf("group %+v %v\n", g, err)
	g, err = c.DescribeGroup(ctx, "no-such-group")
	fmt.Printf("group %+v %v\n", g, err)
	ep, err := c.OffsetForLeaderEpoch(ctx, map[TopicPartition]int32{tp: 0})
	fmt.Printf("epoch %+v %v\n", ep, err)
	m, err = c.Metadata(ctx, nil)
	for n := range m.Topics {
		fmt.Println("topic", n)
	}
	if c.Version().Generation == V08 {
		return
	}
	for _, extra := range [][]kgo.Opt{nil, {kgo.ServerSideBalancer()}} {
		opts := append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.ConsumerGroup(fmt.Sprint("live", len(extra))), kgo.ConsumeTopics(topic), kgo.SessionTimeout(20 * time.Second)}, extra...)
		base, _ := Options(cfg)
		opts = append(base, opts...)
		if c.Version().Generation == V09 {
			opts = append(opts, kgo.MaxVersions(oldVersion(V09).max))
		}
		cl, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		pctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		cl.PollFetches(pctx)
		cancel()
		name := fmt.Sprint("live", len(extra))
		g, err = c.DescribeGroup(ctx, name)
		fmt.Printf("group %+v %v\n", g, err)
		err = c.CommitOffsets(ctx, name, map[TopicPartition]OffsetToCommit{tp: {Offset: 5, LeaderEpoch: -1}})
		fmt.Println("commit live", KindOf(err), err)
		cl.Close()
	}
}
