package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

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
		if err := run(ctx, &out, c.Bootstrap(), c.Dialer()); err != nil {
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
