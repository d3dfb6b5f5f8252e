package kafka_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// What the log says of an output that reads from Kafka agrees with who commits.
func TestStreamGuarantee(t *testing.T) {
	for _, row := range []struct {
		name   string
		params []string
		sink   bool
		says   string
	}{
		{"by itself", []string{"group.id", "g"}, false, "at-least-once: each batch is committed to group g when it is done"},
		{"on demand", []string{"group.id", "g", "enable.auto.commit", "false"}, false,
			"at-least-once if the program commits what it has read (kafka.Commit) to group g"},
		{"no group", nil, false, "there is no group.id to commit to"},
		{"no group and a sink", nil, true, "there is no group.id to commit to"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				var log bytes.Buffer
				ssc, err := dstream.NewContext(nil, time.Second,
					rdd.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				if err != nil {
					t.Fatal(err)
				}
				ssc.SetOutput(io.Discard)
				d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), c.Params(row.params...), kafka.String,
					kafka.String, c.Dialer())
				if err != nil {
					t.Fatal(err)
				}
				if row.sink {
					text := dstream.Map(d, func(r kafka.Record[string, string]) message {
						return message{Value: r.Value}
					})
					out, err := kafka.Sink("t", c.Params(), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
					if err != nil {
						t.Fatal(err)
					}
					dstream.WriteTo(text, dstream.Sink[message](out))
				} else {
					dstream.Foreach(d, func(kafka.Record[string, string]) error { return nil })
				}
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := ssc.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				_, line, _ := strings.Cut(log.String(), "guarantee=")
				line, _, _ = strings.Cut(line, "\n")
				says(t, errors.New(line), "kafka.DirectStream [0]: ", row.says)
				promises := 1
				if row.sink {
					promises++
					says(t, errors.New(line), "at-least-once: written by an idempotent producer")
				}
				if strings.Count(line, "at-least-once") != promises {
					t.Errorf("it promises %s", line)
				}
			})
		})
	}
}
