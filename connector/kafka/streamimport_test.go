package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestStreamBeginsWhereImported: with a write ahead log a receiver begins at the offsets that were imported into the
// checkpoint, also when its first life stored nothing; without one they are refused, and not thrown away.
func TestStreamBeginsWhereImported(t *testing.T) {
	const wal = "spark.streaming.receiver.writeAheadLog.enable"
	for _, logs := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(1, "a", "b"))
			c.Produce("a", 0, "v0", "v1", "v2")
			disk := vfs.NewDisk("disk").Mount(nil)
			sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"), rdd.WithFileSystem(disk))
			if err != nil {
				t.Fatal(err)
			}
			defer sc.Stop(t.Context())
			admin, err := kafka.OpenAdmin(t.Context(), c.Params(), c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			topics, err := admin.DescribeTopics(t.Context(), "a", "b")
			if err != nil {
				t.Fatal(err)
			}
			position, err := kafka.MoveRange(nil, topics, map[kafka.TopicPartition]int64{
				{Topic: "a", Partition: 0}: 1, {Topic: "b", Partition: 0}: 0})
			if err == nil {
				err = dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"records": position})
			}
			if err != nil {
				t.Fatal(err)
			}
			program := func() (*dstream.Context, *receivedRows, error) {
				set := conf.New().Set("spark.master", "local[2]").Set(wal, fmt.Sprint(logs))
				ssc, err := dstream.NewContext(set, time.Second, rdd.WithFileSystem(disk))
				if err != nil {
					t.Fatal(err)
				}
				ssc.Checkpoint("disk:/ck")
				d, err := kafka.Stream(ssc, map[string]int{"a": 1, "b": 1},
					c.Params("group.id", "g", "auto.offset.reset", "largest"), kafka.String, kafka.String, c.Dialer())
				if err != nil {
					t.Fatal(err)
				}
				w := &receivedRows{}
				dstream.ForeachPartition(d.Named("records"), w.write).Named("out")
				return ssc, w, ssc.Start(t.Context())
			}
			if !logs {
				_, _, err := program()
				if !errors.Is(err, dstream.ErrUnfit) {
					t.Errorf("error %v, want %v", err, dstream.ErrUnfit)
				}
				for _, part := range []string{"the input records (", wal + " is not set", "weir offsets import GROUP",
					`weir.checkpoint.drop to "records"`} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v, want %q in it", err, part)
					}
				}
				return
			}
			c.Cut() // The first life receives nothing.
			ssc, _, err := program()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			if err := ssc.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Mend()
			ssc, w, err := program()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			c.Produce("a", 0, "v3")
			time.Sleep(3 * time.Second)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			if want := []string{"a-0@1 v1", "a-0@2 v2", "a-0@3 v3"}; !slices.Equal(w.sorted(), want) {
				t.Errorf("received %q, want %q", w.sorted(), want)
			}
		})
	}
}
