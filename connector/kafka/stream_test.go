package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// receivedRows are what the batches of a receiver's stream wrote, by identity, as an exactly-once sink keeps them.
type receivedRows struct {
	mu   sync.Mutex
	rows map[string][]string
}

func (w *receivedRows) write(_ *rdd.TaskContext, id dstream.Effect, in iter.Seq[kafka.Record[string, string]]) error {
	var rows []string
	for r := range in {
		rows = append(rows, fmt.Sprintf("%v@%d %s", r.TopicPartition(), r.Offset, r.Value))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows == nil {
		w.rows = map[string][]string{}
	}
	if _, there := w.rows[id.Key()]; !there {
		w.rows[id.Key()] = rows
	}
	return nil
}

// sorted gives all rows in order.
func (w *receivedRows) sorted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(func(yield func(string) bool) {
		for rows := range maps.Values(w.rows) {
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	})
}

// receive starts a program with a receiver's stream of two topics; settings end where a "|" stands, and parameters
// follow.
func receive(t *testing.T, c *kafkatest.Cluster, disk *vfs.Mount, w *receivedRows, settings ...string,
) (*dstream.Context, *[]string) {
	t.Helper()
	return receiveBy(t, c, disk, w, failsOnBad, settings...)
}

// receiveBy is receive with another way to decode values.
func receiveBy(t *testing.T, c *kafkatest.Cluster, disk *vfs.Mount, w *receivedRows, value kafka.Deserializer[string],
	settings ...string,
) (*dstream.Context, *[]string) {
	t.Helper()
	set, params := conf.New().Set("spark.master", "local[4]"), c.Params("group.id", "g", "auto.offset.reset", "smallest")
	target := func(name, value string) { set.Set(name, value) }
	for i := 0; i < len(settings); i += 2 {
		if settings[i] == "|" {
			target = func(name, value string) { params[name] = value }
			i--
			continue
		}
		target(settings[i], settings[i+1])
	}
	var opts []rdd.Option
	if disk != nil {
		opts = append(opts, rdd.WithFileSystem(disk))
	}
	ssc, err := dstream.NewContext(set, time.Second, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssc.Stop(context.Background()) })
	if disk != nil {
		ssc.Checkpoint("disk:/ck")
	}
	var reports []string
	ssc.AddListener(func(e dstream.Event) {
		switch e := e.(type) {
		case dstream.ReceiverError:
			reports = append(reports, e.LastError.Error())
		case dstream.Warning:
			if strings.Contains(e.Message, "enable.auto.commit") {
				reports = append(reports, e.Message)
			}
		}
	})
	d, err := kafka.Stream(ssc, map[string]int{"a": 1, "b": 2}, params, kafka.String, value, c.Dialer())
	if err != nil {
		t.Fatal(err)
	}
	dstream.ForeachPartition(d.Named("records"), w.write).Named("out")
	if err := ssc.Start(t.Context()); err != nil && disk == nil {
		t.Fatal(err)
	}
	return ssc, &reports
}

// failsOnBad is kafka.String that refuses one value.
func failsOnBad(m kafka.Meta, data []byte) (string, error) {
	if string(data) == "bad" {
		return "", errors.New("it is bad")
	}
	return kafka.String(m, data)
}

// TestStream: a receiver brings all records of its topics, by as many threads as are asked for, and commits them to the
// group, or does not.
func TestStream(t *testing.T) {
	for _, auto := range []string{"true", "false"} {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "a"), kfake.SeedTopics(3, "b"))
			var want []string
			produce := func(from, until int) {
				for i := from; i < until; i++ {
					topic, p := []string{"a", "b"}[i%2], int32(i%2+i/2%2)
					c.Produce(topic, p, fmt.Sprint("v", i))
				}
			}
			produce(0, 40)
			var w receivedRows
			ssc, reports := receive(t, c, nil, &w, "|", "enable.auto.commit", auto)
			time.Sleep(2500 * time.Millisecond)
			produce(40, 100)
			time.Sleep(2500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			for _, topic := range []string{"a", "b"} {
				for _, r := range c.Records(topic) {
					want = append(want, fmt.Sprintf("%s-%d@%d %s", r.Topic, r.Partition, r.Offset, r.Value))
				}
			}
			slices.Sort(want)
			if got := w.sorted(); !slices.Equal(got, want) || len(want) != 100 {
				t.Errorf("got %q, want %q", got, want)
			}
			committed := fmt.Sprint(c.Committed("g", "a"), c.Committed("g", "b"))
			ends := map[string]string{"true": "map[0:25 1:25] map[0:0 1:25 2:25]", "false": "map[] map[]"}
			if committed != ends[auto] {
				t.Errorf("enable.auto.commit=%s: %s is committed, want %s", auto, committed, ends[auto])
			}
			if len(*reports) > 0 {
				t.Errorf("reported: %q", *reports)
			}
		})
	}
}

// TestStreamTellsOfCommits that it makes although enable.auto.commit is false, once.
func TestStreamTellsOfCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "a"), kfake.SeedTopics(3, "b"))
		c.Produce("a", 0, "bad") // The receiver is started again and again.
		c.Produce("b", 2, "good")
		var w receivedRows
		ssc, reports := receive(t, c, vfs.NewDisk("disk").Mount(nil), &w,
			"spark.streaming.receiver.writeAheadLog.enable", "true", "|", "enable.auto.commit", "false")
		time.Sleep(10 * time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		told := slices.DeleteFunc(*reports, func(r string) bool { return !strings.Contains(r, "enable.auto.commit") })
		if committed := fmt.Sprint(c.Committed("g", "b")); len(told) != 1 || !strings.Contains(committed, "2:1") {
			t.Errorf("%s is committed, and told is %q", committed, told)
		}
	})
}

// TestStreamIsExactlyOnce with a write ahead log: the program dies again and again, while records come; each record is
// in one batch, whatever the group has committed.
func TestStreamIsExactlyOnce(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(2, "a"), kfake.SeedTopics(3, "b"))
			disk, n, w := vfs.NewDisk("disk"), 0, receivedRows{}
			const wal = "spark.streaming.receiver.writeAheadLog.enable"
			for life := range uint64(4) {
				die, last := 30+int(seed*7+life*31)%90, life == 3
				m := disk.Mount(func(s vfs.Step) vfs.Fault {
					if s.Number == die && !last {
						return vfs.Die
					}
					return vfs.None
				})
				ssc, _ := receive(t, c, m, &w, wal, "true")
				for range 10 {
					c.Produce([]string{"a", "b"}[n%2], int32(n%2), fmt.Sprint("v", n))
					n++
					time.Sleep(370 * time.Millisecond)
				}
				if last {
					if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
					break
				}
				m.Kill()
				_ = ssc.Stop(t.Context())
				if seed%2 == 0 {
					disk = disk.Crash(seed + life)
				}
			}
			var want []string
			for _, topic := range []string{"a", "b"} {
				for _, r := range c.Records(topic) {
					want = append(want, fmt.Sprintf("%s-%d@%d %s", r.Topic, r.Partition, r.Offset, r.Value))
				}
			}
			slices.Sort(want)
			if got := w.sorted(); !slices.Equal(got, want) {
				t.Errorf("seed %d: got %q\nwant %q", seed, got, want)
			}
			if got := c.Committed("g", "a"); got[0] != 20 {
				t.Errorf("seed %d: %v is committed", seed, got)
			}
		})
	}
}

// TestStreamBeginsOnce with a write ahead log: where the first process began by auto.offset.reset is where the next one
// goes on, also if the first has received nothing.
func TestStreamBeginsOnce(t *testing.T) {
	const wal = "spark.streaming.receiver.writeAheadLog.enable"
	for _, tt := range []struct {
		name          string
		first, second []string // what comes while the first process runs, and before the second
		wait          time.Duration
		stop          bool // the first ends gracefully
	}{
		{"nothing comes", nil, []string{"v2", "v3"}, 2500 * time.Millisecond, false},
		{"nothing comes, and no batch", nil, []string{"v2", "v3"}, 500 * time.Millisecond, false},
		{"what comes does not decode", []string{"bad", "v3"}, []string{"v4"}, 8500 * time.Millisecond, false},
		{"what comes does not decode, and a stop", []string{"bad", "v3"}, []string{"v4"}, 8500 * time.Millisecond, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"))
			disk, w := vfs.NewDisk("disk"), receivedRows{}
			c.Produce("a", 0, "v0", "v1")
			settings := []string{wal, "true", "|", "auto.offset.reset", "largest"}
			m := disk.Mount(nil)
			ssc, _ := receive(t, c, m, &w, settings...)
			time.Sleep(tt.wait / 2)
			c.Produce("a", 0, tt.first...)
			time.Sleep(tt.wait / 2)
			if tt.stop {
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
			} else {
				m.Kill()
				_ = ssc.Stop(t.Context())
			}
			c.Produce("a", 0, tt.second...)
			ssc, _ = receiveBy(t, c, disk.Crash(1).Mount(nil), &w, kafka.String, settings...)
			time.Sleep(2500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, r := range c.Records("a")[2:] {
				want = append(want, fmt.Sprintf("a-0@%d %s", r.Offset, r.Value))
			}
			if got := w.sorted(); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", tt.name, got, want)
			}
		})
	}
}

// TestStreamReports what it cannot read, by partition and offset, and goes on when it can.
func TestStreamReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"))
		var w receivedRows
		ssc, reports := receive(t, c, nil, &w)
		c.Produce("a", 0, "v0", "bad", "v2")
		c.Produce("b", 0, "v3")
		time.Sleep(3500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if len(*reports) == 0 || !strings.Contains((*reports)[0], "a-0 at offset 1: the value does not decode: it is bad") {
			t.Errorf("reports %q", *reports)
		}
		if got := strings.Join(w.sorted(), " "); !strings.HasPrefix(got, "a-0@0 v0 b-0@0 v3") {
			t.Errorf("received %s", got)
		}
	})
}

// TestStreamOutlivesBrokers: brokers that are away for a while are waited for, and a stop in the meantime ends.
func TestStreamOutlivesBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "a"), kfake.SeedTopics(1, "b"))
		var w receivedRows
		ssc, _ := receive(t, c, nil, &w)
		c.Produce("a", 0, "v0")
		time.Sleep(1500 * time.Millisecond)
		c.Cut()
		time.Sleep(40 * time.Second)
		c.Mend()
		c.Produce("a", 1, "v1")
		time.Sleep(30 * time.Second)
		if got := w.sorted(); !slices.Equal(got, []string{"a-0@0 v0", "a-1@0 v1"}) {
			t.Errorf("received %q", got)
		}
		c.Cut()
		began := time.Now()
		if err := ssc.Stop(t.Context()); err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("stopping took %v: %v", time.Since(began), err)
		}
	})
}

// TestStreamReadsAgain what a fetch that failed for a moment did not bring.
func TestStreamReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "a"), kfake.SeedTopics(1, "b"))
		var w receivedRows
		ssc, reports := receive(t, c, nil, &w, "spark.streaming.kafka.consumer.poll.ms", "2s")
		for i := range 20 {
			if i == 5 {
				until := time.Now().Add(6 * time.Second)
				c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if time.Now().After(until) {
						return nil, nil, false
					}
					return nil, errors.New("the connection breaks"), true
				})
			}
			c.Produce("a", int32(i%2), fmt.Sprint("v", i))
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if got := w.sorted(); len(got) != 20 || len(slices.Compact(got)) != 20 {
			t.Errorf("received %q", got)
		}
		if len(*reports) == 0 {
			t.Error("nothing was reported")
		}
	})
}

// TestStreamRefuses what would not work.
func TestStreamRefuses(t *testing.T) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer ssc.Stop(t.Context())
	good := map[string]int{"t": 1}
	for _, row := range []struct {
		topics map[string]int
		params string
		want   string
	}{
		{nil, "group.id=g", "number of threads"},
		{map[string]int{"t": 0}, "group.id=g", `topic "t" has 0 threads`},
		{good, "client.id=c", "it needs group.id"},
		{good, "group.id=g zookeeper.connect=z:2181", "ZooKeeper"},
		{good, "group.id=g auto.offset.reset=first", "auto.offset.reset"},
	} {
		p := kafka.Params{"bootstrap.servers": "b:9092"}
		for pair := range strings.FieldsSeq(row.params) {
			name, value, _ := strings.Cut(pair, "=")
			p[name] = value
		}
		_, err := kafka.Stream(ssc, row.topics, p, kafka.String, kafka.String)
		if err == nil || !strings.HasPrefix(err.Error(), "kafka.Stream: ") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v %s: %v, want %s", row.topics, row.params, err, row.want)
		}
	}
	_, err = kafka.Stream(ssc, good, kafka.Params{"bootstrap.servers": "b:9092", "group.id": "g"}, kafka.String,
		kafka.String, kafka.ToDeadLetters())
	if err == nil || !strings.Contains(err.Error(), "use kafka.DirectStream") || !strings.Contains(err.Error(), "MapTry") {
		t.Errorf("with ToDeadLetters: %v", err)
	}
}
