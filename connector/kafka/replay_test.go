package kafka_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestReplay: a batch is read from Kafka again by its ranges, and shown; nothing is written or committed. With its
// effects it leaves out what the sink holds.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "out"))
		disk := vfs.NewDisk("disk")
		program := func() *dstream.Context {
			ssc, err := dstream.NewContext(nil, time.Second, rdd.WithFileSystem(disk.Mount(nil)))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"),
				c.Params("group.id", "g", "auto.offset.reset", "earliest", "enable.auto.commit", "true"),
				kafka.String, kafka.String, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			out, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			upper := dstream.Map(kafka.Values(d.Named("in")), func(v string) textRecord {
				return textRecord{Value: strings.ToUpper(v)}
			})
			dstream.WriteTo(upper, out).Named("out")
			return ssc
		}
		ssc := program()
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"a", "b", "c"} {
			c.Produce("t", 0, v)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		committed, written, files := c.Committed("g", "t"), len(c.Records("out")), disk.Files()
		for n, want := range []string{"A", "B", "C"} {
			ssc, text := program(), &bytes.Buffer{}
			ssc.SetOutput(text)
			if _, err := ssc.Replay(t.Context(), dstream.Replay{Sequence: int64(n)}); err != nil {
				t.Fatal(err)
			}
			if got := text.String(); !strings.Contains(got, "records: 1\n") || !strings.Contains(got, want) {
				t.Errorf("batch %d gave %q, want %s", n, got, want)
			}
		}
		if !maps.EqualFunc(files, disk.Files(), bytes.Equal) {
			t.Error("the disk has changed")
		}
		if _, err := program().Replay(t.Context(), dstream.Replay{Sequence: 1, Effects: true}); err != nil {
			t.Error(err)
		}
		if now := c.Committed("g", "t"); !maps.Equal(now, committed) || len(c.Records("out")) != written || written != 3 {
			t.Errorf("committed %v, then %v; %d records, then %d", committed, now, written, len(c.Records("out")))
		}
	})
}
