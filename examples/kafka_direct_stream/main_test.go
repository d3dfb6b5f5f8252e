package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

func TestDirectStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "spark_test"))
		c.Produce("spark_test", 0, "a", "b")
		c.Produce("spark_test", 2, "c")
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if err := run(ctx, &out, io.Discard, c.Bootstrap(), c.Dialer()); err != nil {
			t.Fatal(err)
		}
		want := "directStream\n" +
			"a\nb\nc\nspark_test 0 0 2\nspark_test 1 0 0\nspark_test 2 0 1\n" +
			"spark_test 0 2 2\nspark_test 1 0 0\nspark_test 2 1 1\n"
		if out.String() != want {
			t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
		}
	})
}

// The log tells that the broker is away while the job waits for it.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "spark_test"))
		var out, log strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		time.AfterFunc(7*time.Second, func() { c.Cut() })
		time.AfterFunc(32*time.Second, c.Mend)
		if err := run(ctx, &out, &log, c.Bootstrap(), c.Dialer()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "reached") {
			t.Errorf("the log is\n%s", log.String())
		}
	})
}

// What the start was waiting for when it was interrupted is not what is wrong.
func TestInterruptedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		err := run(ctx, io.Discard, io.Discard, "localhost:9092", kafka.WithDialer(dial))
		if err == nil || err.Error() != "interrupted during the start" {
			t.Errorf("%v", err)
		}
	})
}
