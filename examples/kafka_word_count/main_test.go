package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

func TestWordCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "spark_test"))
		c.Produce("spark_test", 0, "to be", "or not")
		c.Produce("spark_test", 1, "to be")
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := weir.Run(
			ctx,
			build(c.Bootstrap(), "spark_test", c.Dialer()),
			weir.Interval(time.Second),
			weir.Output(&out),
		); err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(out.String())
		for _, want := range []string{"(to,2)", "(be,2)", "(or,1)", "(not,1)"} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s is not in\n%s", want, out.String())
			}
		}
	})
}
