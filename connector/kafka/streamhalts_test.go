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

// A fragile text does not encode before its time has come.
type fragile struct {
	text string
	good time.Time
}

func (f fragile) MarshalBinary() ([]byte, error) {
	if time.Now().Before(f.good) {
		return nil, errors.New("it is fragile")
	}
	return []byte(f.text), nil
}

func (f *fragile) UnmarshalBinary(data []byte) error {
	f.text = string(data)
	return nil
}

// TestStreamLosesNothing: a record that does not encode for the write ahead log, or does not decode, has the receiver
// started again, at that record, until it does. Nothing is passed over, nor committed before, also where the first
// record is the one and auto.offset.reset would say otherwise by then. One thread that reads both partitions stores
// those of the second after the one of the first that it cannot store, with a position that must not be beyond it.
func TestStreamLosesNothing(t *testing.T) {
	for _, row := range []struct {
		what        string
		at, threads int
	}{
		{"the value does not decode: it is early", 3, 2}, {"it is fragile", 3, 2}, {"it is fragile", 4, 1},
		{"the value does not decode", 0, 2}, {"cannot be encoded for the write ahead log", 0, 2},
		{"cannot be encoded for the write ahead log", 0, 1},
	} {
		what, at := row.what, row.at
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(2, "a"))
			disk, good := vfs.NewDisk("disk").Mount(nil), time.Now().Add(8*time.Second)
			set := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.receiver.writeAheadLog.enable", "true")
			ssc, err := dstream.NewContext(set, time.Second, rdd.WithFileSystem(disk))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			var reports []string
			started := 0
			ssc.AddListener(func(e dstream.Event) {
				switch e := e.(type) {
				case dstream.ReceiverError:
					reports = append(reports, e.LastError.Error())
				case dstream.ReceiverStarted:
					started++
				}
			})
			value := func(m kafka.Meta, data []byte) (fragile, error) {
				f := fragile{text: string(data)}
				switch decodes := strings.Contains(what, "decode:") || strings.HasSuffix(what, "decode"); {
				case f.text != fmt.Sprint("v", at):
				case !decodes:
					f.good = good
				case time.Now().Before(good):
					return f, errors.New("it is early")
				}
				return f, nil
			}
			d, err := kafka.Stream(ssc, map[string]int{"a": row.threads}, c.Params("group.id", "g", "auto.offset.reset",
				"largest"),
				kafka.String, value, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			var w receivedRows
			texts := dstream.Map(d.Named("records"), func(r kafka.Record[string, fragile]) kafka.Record[string, string] {
				return kafka.Record[string, string]{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
					Value: r.Value.text}
			})
			dstream.ForeachPartition(texts, w.write).Named("out")
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			var want []string
			for n := range 40 { // The trouble is in partition 0, if it is even.
				c.Produce("a", int32(n%2), fmt.Sprint("v", n))
				want = append(want, fmt.Sprintf("a-%d@%d v%d", n%2, n/2, n))
				time.Sleep(110 * time.Millisecond)
			}
			if got := c.Committed("g", "a")[int32(at%2)]; got > int64(at/2) {
				t.Errorf("%s: %d is committed while the record at %d is not stored", what, got, at/2)
			}
			time.Sleep(10 * time.Second)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			slices.Sort(want)
			if got := w.sorted(); !slices.Equal(got, want) {
				t.Errorf("%s: got %q\nwant %q", what, got, want)
			}
			if len(reports) == 0 || !strings.Contains(strings.Join(reports, "\n"), what) {
				t.Errorf("%s: reported %q", what, reports)
			}
			if started < 4 || started > 5 { // It is tried again every two seconds.
				t.Errorf("%s: started %d times, want 4 or 5", what, started)
			}
		})
	}
}
