package main

import (
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
		if err := run(t.Context(), &out, c.Bootstrap(), c.Dialer()); err != nil {
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
