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

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestSpoil: in the honest mode what a record points to is gone once its batch is done, and what the engine keeps
// is not, for it is a copy. The same program without the mode shows that it makes the difference.
func TestSpoil(t *testing.T) {
	for _, honest := range []string{"false", "true"} {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
			c.Produce("t", 0, "a", "b", "a")
			var direct []string
			var reduced []rdd.Pair[string, string]
			var grouped []rdd.Pair[string, []string]
			var joined []rdd.Pair[string, rdd.Pair[string, string]]
			j := run(t, c, plan{
				settings: []string{"weir.honest", honest},
				body: func(ctx context.Context, r *textRDD, b *dstream.Batch, _ stream) (err error) {
					if b.Sequence > 0 {
						return nil
					}
					pairs := rdd.Map(r, func(r kafka.Record[string, string]) rdd.Pair[string, string] {
						return rdd.KV(r.Value, r.Value)
					})
					if direct, err = rdd.Collect(ctx, rdd.Map(pairs, func(p rdd.Pair[string, string]) string {
						return p.Key
					})); err != nil {
						return err
					}
					reduce := func(a, _ string) string { return a }
					if reduced, err = rdd.Collect(ctx, rdd.ReduceByKey(pairs, reduce)); err != nil {
						return err
					}
					if grouped, err = rdd.Collect(ctx, rdd.GroupByKey(pairs)); err != nil {
						return err
					}
					joined, err = rdd.Collect(ctx, rdd.Join(pairs, pairs))
					return err
				},
			})
			pass(3 * time.Second)
			if got := fmt.Sprint(reduced, grouped, joined); strings.Contains(got, "\xBF") || !strings.Contains(got, "(b,[b])") {
				t.Errorf("honest=%s: the engine kept %q", honest, got)
			}
			want := []string{"a", "b", "a"}
			if honest == "true" {
				want = []string{"\xBF", "\xBF", "\xBF"}
			}
			if !slices.Equal(direct, want) {
				t.Errorf("honest=%s: the program kept %q, want %q", honest, direct, want)
			}
			j.stop()
		})
	}
}
