package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

func TestRDD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "spark_test"))
		for p, values := range []string{"a1 a2 a3 a4 a5 a6", "b1 b2 b3 b4 b5", "c1 c2 c3 c4 c5 c6 c7"} {
			c.Produce("spark_test", int32(p), strings.Fields(values)...)
		}
		var out strings.Builder
		if err := run(t.Context(), &out, io.Discard, c.Bootstrap(), c.Dialer()); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(
			strings.Fields(out.String()),
			" ",
		), "a1 a2 a3 a4 a5 b1 b2 b3 b4 b5 c1 c2 c3 c4 c5"; got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	})
}

// The log tells that the broker is away while the tasks wait for it.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "spark_test"))
		for p := range int32(3) {
			c.Produce("spark_test", p, "1", "2", "3", "4", "5")
		}
		var log strings.Builder
		err := run(t.Context(), breaking{c}, &log, c.Bootstrap(), c.Dialer())
		told := strings.Count(log.String(), `level=WARN msg="waiting for a broker to give records"`)
		if err == nil || told < 2 || told > 10 || !strings.Contains(log.String(), "cannot be reached") {
			t.Errorf("the log is\n%s\nand the error %v", log.String(), err)
		}
	})
}

// breaking cuts the broker off when the first record is printed.
type breaking struct{ c *kafkatest.Cluster }

func (b breaking) Write(p []byte) (int, error) { b.c.Cut(); return len(p), nil }
