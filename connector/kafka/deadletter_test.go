package kafka_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestDeadLetters: what does not decode, and what an operator cannot use, goes to another topic once, with its place,
// also when the batch runs again in another process; the rest of the batch goes on.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "out", "dead"))
		c.ProduceRecords(&kgo.Record{Topic: "t", Key: []byte("a"), Value: []byte("1")},
			&kgo.Record{Topic: "t", Key: []byte("b"), Value: []byte("two")},
			&kgo.Record{Topic: "t", Value: []byte("-3")},
			&kgo.Record{Topic: "t", Key: []byte("d"), Value: []byte("4")})
		number := func(_ kafka.Meta, data []byte) (n int, err error) {
			_, err = fmt.Sscan(string(data), &n)
			return n, err
		}
		disk := vfs.NewDisk("disk")
		for range 3 {
			mount := disk.Mount(nil)
			ssc, err := dstream.NewContext(nil, time.Second, rdd.WithFileSystem(mount))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), c.Params("auto.offset.reset", "earliest"),
				kafka.String, number, c.Dialer(), kafka.ToDeadLetters())
			if err != nil {
				t.Fatal(err)
			}
			good := dstream.MapTry(d.Named("numbers"), func(r kafka.Record[string, int]) (textRecord, error) {
				if r.Value < 0 {
					return textRecord{}, fmt.Errorf("%d is negative", r.Value)
				}
				return textRecord{Key: r.Key, Value: fmt.Sprint(r.Value)}, nil
			}, dstream.ToDeadLetters()).Named("positive")
			out, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			dead, err := kafka.Sink("dead", c.Params(patience...), kafka.BytesSerializer, kafka.BytesSerializer, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			dstream.WriteTo(good, out).Named("out")
			dstream.WriteTo(dstream.Map(dstream.DeadLetters(ssc), kafka.DeadLetterRecord), dead).Named("dead")
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			mount.Kill() // After the batch has written, perhaps before it is committed.
			_ = ssc.Stop(t.Context())
		}
		texts := func(topic string) (list []string) {
			for _, r := range c.Records(topic) {
				var heads []string
				for _, h := range r.Headers {
					heads = append(heads, strings.TrimPrefix(h.Key, "__weir.errors.")+"="+string(h.Value))
				}
				list = append(list, strings.TrimSpace(fmt.Sprintf("%s:%s %s", r.Key, r.Value, strings.Join(heads, " "))))
			}
			return list
		}
		if got := texts("out"); !slices.Equal(got, []string{"a:1", "d:4"}) {
			t.Errorf("out: %q", got)
		}
		got := texts("dead")
		if len(got) != 2 {
			t.Fatalf("%q", got)
		}
		for i, parts := range [][]string{
			{"b:two message=the value does not decode: ", "operator=numbers place=deadletter_test.go:",
				"topic=t partition=0 offset=1"},
			{":-3 message=-3 is negative operator=positive place=deadletter_test.go:", "topic=t partition=0 offset=2"},
		} {
			for _, part := range parts {
				if !strings.Contains(got[i], part) {
					t.Errorf("%q is not in %q", part, got[i])
				}
			}
		}
	})
}
