package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realsql"
	"github.com/weirstream/weir/rdd"
)

// Words are counted once, over several runs of the program; a partition that is stored again adds nothing, nor does one
// of a process that is late.
func TestCounts(t *testing.T) {
	db := realsql.Start(t)
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".words (word text PRIMARY KEY, n bigint NOT NULL); CREATE TABLE "+schema+
		".batches (job text, output text, partition integer, sequence bigint NOT NULL, epoch bigint NOT NULL, "+
		"PRIMARY KEY (job, output, partition))")
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "lines"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	s := &settings{brokers: broker.ListenAddrs()[0], in: "lines", database: dsn}
	dir := filepath.Join(t.TempDir(), "ckpt")
	total := 0
	for range 3 {
		produce(t, s.brokers, "to be or not to be", "be")
		total += 7
		run(t, s, dir, func() bool {
			return db.Query(t, "SELECT coalesce(sum(n), 0) FROM "+schema+".words")[0] == fmt.Sprint(total)
		})
	}
	query := "SELECT word, n FROM " + schema + ".words ORDER BY word"
	want := []string{"be|9", "not|3", "or|3", "to|6"}
	if got := db.Query(t, query); !slices.Equal(got, want) {
		t.Errorf("words %q, want %q", got, want)
	}
	again(t, dsn)
	if got := db.Query(t, query); !slices.Equal(got, append(want[:3:3], "to|7")) {
		t.Errorf("words %q after stores that are late, want one more", got)
	}
}

// again stores a partition in two processes, and then an earlier one of that number, of one before, and of one after.
func again(t *testing.T, dsn string) {
	ctx := t.Context()
	db, err := pgxpool.New(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	records := slices.Values([]count{rdd.KV("to", 1)})
	for _, row := range []struct {
		sequence, epoch int64
		fails           bool
	}{{1, 2, false}, {1, 2, false}, {1, 3, false}, {0, 1, true}, {1, 1, true}, {2, 1, true}} {
		id := dstream.Effect{Job: "j", Output: "words", Sequence: row.sequence, Epoch: row.epoch}
		if err := store(ctx, db, id, records); (err != nil) != row.fails {
			t.Errorf("batch %d of epoch %d: error %v, want one: %v", row.sequence, row.epoch, err, row.fails)
		}
	}
}

// run runs the program until a condition holds.
func run(t *testing.T, s *settings, dir string, until func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.checkpoint.directory", dir)
	go func() {
		ended <- weir.Run(ctx, build(s), weir.Conf(c), weir.Interval(50*time.Millisecond), weir.Output(io.Discard))
	}()
	for end := time.Now().Add(time.Minute); !until() && time.Now().Before(end); {
		<-time.After(50 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the program: %v", err)
	}
}

func produce(t *testing.T, broker string, lines ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, line := range lines {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "lines", Value: []byte(line)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
