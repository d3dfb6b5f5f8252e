package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// A writer writes to t-0 within transactions.
type writer struct {
	t  *testing.T
	cl *kgo.Client
}

func newWriter(t *testing.T, c *kafkatest.Cluster, id string) *writer {
	t.Helper()
	cl, err := kgo.NewClient(
		append(c.Client().Opts(), kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &writer{t, cl}
}

func (w *writer) begin() {
	w.t.Helper()
	if err := w.cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) write(values ...string) {
	w.t.Helper()
	for _, v := range values {
		if err := w.cl.ProduceSync(context.Background(), &kgo.Record{Topic: "t", Value: []byte(v)}).
			FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *writer) end(how kgo.TransactionEndTry) {
	w.t.Helper()
	if err := w.cl.EndTransaction(context.Background(), how); err != nil {
		w.t.Fatal(err)
	}
}

// Two producers interleave. Each step is "a" or "b", then "+" for begin, a value, "!" for commit or "-" for abort.
func interleave(t *testing.T, c *kafkatest.Cluster, script string) {
	t.Helper()
	writers := map[byte]*writer{'a': newWriter(t, c, "a"), 'b': newWriter(t, c, "b")}
	for _, step := range strings.Fields(script) {
		w, what := writers[step[0]], step[1:]
		switch what {
		case "+":
			w.begin()
		case "!":
			w.end(kgo.TryCommit)
		case "-":
			w.end(kgo.TryAbort)
		default:
			w.write(what)
		}
	}
}

// Under read_committed a stream has the records of committed transactions, in order, and no others, wherever its
// ranges begin and end; under read_uncommitted it has all.
func TestTransactions(t *testing.T) {
	for _, row := range []struct {
		name, script string
		committed    string
		all          string
	}{
		{"committed", "a+ a1 a2 a!", "1 2", "1 2"},
		{"aborted", "a+ a1 a2 a-", "", "1 2"},
		{"one after the other", "a+ a1 a! a+ a2 a- a+ a3 a! a+ a4 a-", "1 3", "1 2 3 4"},
		{"interleaved", "a+ b+ a1 b2 a3 b4 a! b5 b- a+ a6 a! b+ b7 b!", "1 3 6 7", "1 2 3 4 5 6 7"},
		{"both aborted", "a+ b+ a1 b2 a3 b- b+ b4 a- b5 b!", "4 5", "1 2 3 4 5"},
		{"aborted around a committed one", "a+ a1 b+ b2 b! a3 a- b+ b4 b!", "2 4", "1 2 3 4"},
		{"open ones hold back what comes after them", "a+ a1 a! b+ b2 a+ a3 a!", "1", "1 2 3"},
		{"an open one alone", "a+ a1 a2", "", "1 2"},
	} {
		for _, level := range []string{"read_committed", "read_uncommitted"} {
			for _, rate := range []string{"0", "1", "2", "3"} { // how many offsets a batch takes
				t.Run(fmt.Sprint(row.name, " ", level, " ", rate), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
						interleave(t, c, row.script)
						j := run(t, c, plan{params: []string{"isolation.level", level},
							settings: []string{"spark.streaming.kafka.maxRatePerPartition", rate}})
						pass(25 * time.Second)
						j.stop()
						want := strings.Fields(row.committed)
						if level == "read_uncommitted" {
							want = strings.Fields(row.all)
						}
						var got []string
						for _, r := range j.records() {
							_, value, _ := strings.Cut(r, " ")
							got = append(got, value)
						}
						if !slices.Equal(got, want) {
							t.Errorf("read %v, want %v", got, want)
						}
					})
				})
			}
		}
	}
}

// What an open transaction holds back comes when it is committed; one that stays open for long is told of.
func TestOpenTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "before")
		w := newWriter(t, c, "w")
		w.begin()
		w.write("within")
		c.Produce("t", 0, "after")
		j := run(t, c, plan{params: []string{"isolation.level", "read_committed"}})
		pass(30 * time.Second)
		same(t, "records while it is open", j.records(), []string{"t-0@0 before"})
		if got := j.warned(); len(got) != 0 {
			t.Errorf("warnings %v", got)
		}
		pass(5 * time.Minute)
		id, _, err := w.cl.ProducerID(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := j.warned(); len(got) != 1 {
			t.Errorf("warnings %v", got)
		}
		says(
			t,
			errors.Join(j.warned()...),
			"t-0: offsets 1 to 2 wait for a transaction",
			fmt.Sprintf("producer id %d", id),
		)
		w.end(kgo.TryCommit)
		pass(2 * time.Second)
		j.stop()
		same(t, "records after it is committed", j.records(), []string{"t-0@1 within", "t-0@2 after"})
	})
}

// A transaction that was begun a moment ago, on a topic that was idle before, is not told of.
func TestYoungTransactionOnIdleTopic(t *testing.T) {
	for _, idle := range []time.Duration{58 * time.Second, 118 * time.Second, 178 * time.Second} {
		t.Run(idle.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "before")
				w := newWriter(t, c, "w")
				j := run(t, c, plan{params: []string{"isolation.level", "read_committed"}})
				pass(idle)
				w.begin()
				w.write("within")
				pass(50 * time.Second)
				if got := j.warned(); len(got) != 0 {
					t.Errorf("warnings %v", got)
				}
				w.end(kgo.TryCommit)
				pass(2 * time.Second)
				j.stop()
				same(t, "records", j.records(), []string{"t-0@0 before", "t-0@1 within"})
			})
		})
	}
}

// A position that a reader of everything has committed may lie beyond the last stable offset: nothing is lost, and
// nothing can be read until the transaction ends.
func TestPositionBeyondStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		w := newWriter(t, c, "w")
		w.begin()
		w.write("v0", "v1", "v2")
		j := run(t, c, plan{params: []string{"isolation.level", "read_committed"},
			strategy: kafka.Subscribe("t").From(map[kafka.TopicPartition]int64{tp("t", 0): 2})})
		pass(10 * time.Second)
		same(t, "records while it is open", j.records(), nil)
		w.end(kgo.TryCommit)
		pass(2 * time.Second)
		j.stop()
		same(t, "records after it is committed", j.records(), []string{"t-0@2 v2"})
		if got := j.warned(); len(got) != 0 {
			t.Errorf("warnings %v", got)
		}
	})
}
