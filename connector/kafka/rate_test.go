package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
)

// How many records the batches take of two partitions with a backlog of 900 and 100 records.
func TestRates(t *testing.T) {
	const backpressure, initial = "spark.streaming.backpressure.enabled", "spark.streaming.backpressure.initialRate"
	const most, least = "spark.streaming.kafka.maxRatePerPartition", "spark.streaming.kafka.minRatePerPartition"
	for _, row := range []struct {
		name     string
		interval time.Duration
		settings []string
		options  []kafka.Option
		want     string // the first batches, "t-0 + t-1"
	}{
		{"no limit", time.Second, nil, nil, "900+100 0+0"},
		{"the first batch is bounded", time.Second, []string{"weir.streaming.firstBatchRecords", "50"}, nil, "45+5"},
		{"per partition", time.Second, []string{most, "40"}, nil, "40+40 40+40 40+20 40+0"},
		{"per partition, other interval", 500 * time.Millisecond, []string{most, "40"}, nil, "20+20 20+20"},
		{"less than one a batch", 250 * time.Millisecond, []string{most, "2"}, nil, "1+0 0+1 1+0 0+1 1+0 0+1"},
		{"by partition", time.Second, nil, []kafka.Option{kafka.WithRatePerPartition(
			func(tp kafka.TopicPartition) int64 { return int64(30 + 10*tp.Partition) }, nil)}, "30+40 30+40 30+20"},
		{"both limits", time.Second, []string{most, "20", "weir.streaming.firstBatchRecords", "50"}, nil, "20+5"},
		{"initial rate", time.Second, []string{backpressure, "true", initial, "100"}, nil, "90+10"},
		{"initial rate, other interval", 2 * time.Second, []string{backpressure, "true", initial, "100"}, nil, "180+20"},
		{"initial rate without back-pressure means nothing", time.Second, []string{initial, "100"}, nil, "900+100"},
		{"initial rate and floor", time.Second, []string{backpressure, "true", initial, "100", least, "30"}, nil, "90+30"},
		{"a floor above the ceiling", time.Second, nil, []kafka.Option{kafka.WithRatePerPartition(
			func(kafka.TopicPartition) int64 { return 20 }, func(kafka.TopicPartition) int64 { return 30 })}, "20+20"},
		{"a floor without a rate means nothing", time.Second,
			[]string{"weir.streaming.firstBatchRecords", "50", least, "30"}, nil, "45+5"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(2, "t"))
				c.Produce("t", 0, numbered("v", 0, 900)...)
				c.Produce("t", 1, numbered("v", 0, 100)...)
				var got []string
				j := run(t, c, plan{
					interval: row.interval,
					settings: row.settings,
					options:  row.options,
					body: func(_ context.Context, _ *textRDD, b *dstream.Batch, d stream) error {
						o := kafka.OffsetRanges(b, d)
						got = append(got, fmt.Sprint(o[0].Count(), "+", o[1].Count()))
						return nil
					},
				})
				pass(8 * row.interval)
				j.stop()
				want := strings.Fields(row.want)
				same(t, "batches", got[:min(len(want), len(got))], want)
			})
		})
	}
}

// Ten partitions of one record a second each, in batches of a tenth of a second: ten records in every second, and
// one of every partition.
func TestRateOfFractions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(10, "t"))
		for p := range int32(10) {
			c.Produce("t", p, numbered("v", 0, 30)...)
		}
		var seconds []map[string]int
		j := run(
			t,
			c,
			plan{
				interval: 100 * time.Millisecond,
				settings: []string{"spark.streaming.kafka.maxRatePerPartition", "1"},
				body: func(_ context.Context, _ *textRDD, b *dstream.Batch, d stream) error {
					if b.Sequence%10 == 0 {
						seconds = append(seconds, map[string]int{})
					}
					for _, o := range kafka.OffsetRanges(b, d) {
						seconds[len(seconds)-1][o.TopicPartition().String()] += int(o.Count())
					}
					return nil
				},
			},
		)
		pass(10*time.Second + 50*time.Millisecond)
		j.stop()
		for i, s := range seconds[:10] {
			for p := range 10 {
				if n := s[fmt.Sprint("t-", p)]; n != 1 {
					t.Errorf("in second %d partition %d gives %d records", i, p, n)
				}
			}
		}
	})
}

// weir.kafka.maxBytesPerSecond holds for the bytes that are fetched, from the first batch on, and nothing of them is
// wasted on what was fetched before.
func TestBytesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "t"))
		value := strings.Repeat("x", 1000)
		for p := range int32(2) {
			for range 30 {
				c.Produce("t", p, slices.Repeat([]string{value}, 10)...)
			}
		}
		const limit = 20_000
		j := run(t, c, plan{settings: []string{"weir.kafka.maxBytesPerSecond", fmt.Sprint(limit)}})
		pass(10*time.Second + 500*time.Millisecond)
		read := len(j.records())
		if n := read * 1000; n > 11*limit || n < 7*limit {
			t.Errorf("%d bytes are read in ten seconds", n)
		}
		pass(30 * time.Second)
		j.stop()
		if n := read + len(j.records()); n != 600 {
			t.Errorf("%d records are read in the end", n)
		}
	})
}

// Small batches of a log with large record batches do not fetch these again and again.
func TestSmallBatchesOfLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, numbered("v", 0, 100)...)
		fetches := 0
		c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			fetches++
			return nil, nil, false
		})
		j := run(t, c, plan{settings: []string{"spark.streaming.kafka.maxRatePerPartition", "5"}})
		pass(25 * time.Second)
		j.stop()
		same(t, "records", j.records(), at("t-0", "v", 0, 100))
		if fetches > 2 { // One is that of the check at the start.
			t.Errorf("one record batch is fetched %d times", fetches)
		}
	})
}

// While a broker throttles a stream, that is the reason of the rate that back-pressure gives it.
func TestThrottlingIsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		odd := false
		c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if odd = !odd; !odd {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			resp.ThrottleMillis = 300
			return resp, nil, true
		})
		settings := []string{"spark.streaming.backpressure.enabled", "true", "weir.kafka.prefetch", "false"}
		j, err := newJob(t, c, plan{settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		j.ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.RateUpdated); ok {
				j.mu.Lock()
				defer j.mu.Unlock()
				reasons = append(reasons, e.Reason)
			}
		})
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.Produce("t", 0, "v")
			pass(2 * time.Second)
		}
		j.stop()
		for _, reason := range reasons {
			if reason != "broker 0 at localhost:9092 asked for a pause of 300ms" {
				t.Errorf("the reason is %q", reason)
			}
		}
		if len(reasons) < 3 {
			t.Errorf("%d rates", len(reasons))
		}
	})
}

// A broker that asks for pauses is listened to, and it is told why the rate is low.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		times := 3
		c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if times--; times < 0 {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			resp.ThrottleMillis = 2000
			return resp, nil, true
		})
		j := run(t, c, plan{})
		c.Produce("t", 0, "v0")
		pass(20 * time.Second)
		j.stop()
		same(t, "records", j.records(), at("t-0", "v", 0, 1))
		warned := j.warned()
		if len(warned) != 1 || !strings.Contains(warned[0].Error(), "a broker throttles this client") ||
			!strings.Contains(warned[0].Error(), "broker 0 at localhost:9092 asked for a pause of 2s") {
			t.Errorf("warnings %v", warned)
		}
	})
}

// TestBehind: how much the leaders have beyond what is planned is known after each plan, and not before.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "t"))
		c.Produce("t", 0, numbered("v", 0, 70)...)
		c.Produce("t", 1, numbered("v", 0, 30)...)
		var got []string
		j := run(t, c, plan{settings: []string{"spark.streaming.kafka.maxRatePerPartition", "20"}})
		for range 5 {
			s, ok := j.ssc.Status()
			if !ok || len(s.Inputs) != 1 {
				t.Fatalf("%v, %+v", ok, s)
			}
			got = append(got, fmt.Sprint(s.Inputs[0].Behind))
			pass(time.Second)
		}
		j.stop()
		same(t, "behind", got, []string{"-1", "60", "30", "10", "0"})
	})
}
