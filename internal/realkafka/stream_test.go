package realkafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realkafka"
	"github.com/weirstream/weir/rdd"
)

// received: the oldest release and the newest, for Kafka's receiver stream.
var received = []string{"0.8.2.2", "4.4.0"}

// testStream: a receiver's stream with a write ahead log goes on where the program before stopped, and commits to
// Kafka's own group what it has logged.
func testStream(t *testing.T, c *realkafka.Cluster) {
	c.Topic("lines", 2, 1, nil)
	dir, all := t.TempDir(), values(60)
	var got []string
	for n := 30; n <= 60; n += 30 {
		for p := range 2 {
			write(t, c, "lines", p, all[n-30+15*p:n-15+15*p]...)
		}
		got = append(got, receive(t, c, dir, 30)...)
	}
	slices.Sort(got)
	if !slices.Equal(got, all) {
		t.Errorf("%d values came: %q", len(got), got)
	}
	a, err := kafka.OpenAdmin(t.Context(), kafka.Params{"bootstrap.servers": c.Bootstrap(realkafka.PlaintextListener)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	offsets, err := a.GroupOffsets(t.Context(), "receivers", "lines")
	if err != nil || len(offsets) != 2 || offsets[0].Offset != 30 || offsets[1].Offset != 30 {
		t.Errorf("%+v, %v", offsets, err)
	}
}

// receive runs a program until so many values have come, and stops it.
func receive(t *testing.T, c *realkafka.Cluster, dir string, n int) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	settings := conf.New().Set("spark.master", "local[2]").
		Set("spark.streaming.receiver.writeAheadLog.enable", "true").Set("spark.streaming.checkpoint.directory", dir)
	err := weir.Run(ctx, func(ssc *dstream.Context) error {
		d, err := kafka.Stream(ssc, map[string]int{"lines": 2}, kafka.Params{
			"bootstrap.servers": c.Bootstrap(realkafka.PlaintextListener), "group.id": "receivers",
			"auto.offset.reset": "smallest"}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(kafka.Values(d.Named("lines")), func(ctx context.Context, r *rdd.RDD[string],
			_ *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if got = append(got, vs...); len(got) >= n {
				cancel()
			}
			return err
		}).Named("out")
		return nil
	}, weir.Conf(settings), weir.Interval(200*time.Millisecond))
	if err != nil {
		t.Fatal(fmt.Errorf("%d of %d values: %w", len(got), n, err))
	}
	return got
}
