package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/realsql"
)

const (
	kills    = 12
	numbered = 12000
)

// The program is killed (-9) again and again, and each record counts once.
func TestKilled(t *testing.T) {
	db := realsql.Start(t)
	dsn, schema := db.Schema(t)
	for _, table := range []string{"totals (key text PRIMARY KEY, ", "answers (key text NOT NULL, "} {
		db.Query(t, "CREATE TABLE "+schema+"."+table+"count bigint NOT NULL, sum bigint NOT NULL)")
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "numbers"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, out)
	}
	start := func() (cmd *exec.Cmd, log string) {
		file, err := os.CreateTemp(dir, "log")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		cmd = exec.Command(program, "--brokers", broker.ListenAddrs()[0], "--in", "numbers", "--database", dsn,
			"--checkpoint", filepath.Join(dir, "ckpt"), "--interval", "50ms", "--master", "local[2]")
		cmd.Stdout, cmd.Stderr = file, file
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, file.Name()
	}
	written := make(chan error, 1)
	go func() { written <- produce(broker.ListenAddrs()) }()
	for i := range kills {
		cmd, _ := start()
		<-time.After(300*time.Millisecond + time.Duration(i*137%600)*time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It says that it was killed.
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	cmd, log := start()
	count := func() string { return db.Query(t, "SELECT count(*) FROM "+schema+".answers")[0] }
	before := ""
	for end := time.Now().Add(time.Minute); count() != fmt.Sprint(numbered) && time.Now().Before(end); {
		if before == "" {
			before = count()
		}
		<-time.After(200 * time.Millisecond)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	compare(t, "answers", db.Query(t, "SELECT key, count, sum FROM "+schema+".answers"), wanted(false))
	compare(t, "totals", db.Query(t, "SELECT key, count, sum FROM "+schema+".totals"), wanted(true))
	if err != nil || t.Failed() {
		text, _ := os.ReadFile(log)
		t.Errorf("the last process: %v\n%s", err, text)
	}
	t.Logf("%s answers; those after %d kills were %s or more", count(), kills, before)
}

func keyOf(i int) string { return fmt.Sprint("k", i%101) }

// produce writes the numbers in about eight seconds, those of a key to one partition.
func produce(brokers []string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := range numbered {
		cl.Produce(context.Background(), &kgo.Record{Topic: "numbers", Partition: int32(i % 101 % 3), Key: []byte(keyOf(i)),
			Value: fmt.Append(nil, i)}, nil)
		if i%30 == 29 {
			<-time.After(20 * time.Millisecond)
		}
	}
	return cl.Flush(context.Background())
}

// wanted are the rows of answers, or of totals.
func wanted(last bool) (rows []string) {
	counts, sums, lasts := map[string]int{}, map[string]int{}, map[string]string{}
	for i := range numbered {
		key := keyOf(i)
		counts[key], sums[key] = counts[key]+1, sums[key]+i
		lasts[key] = fmt.Sprintf("%s|%d|%d", key, counts[key], sums[key])
		if !last {
			rows = append(rows, lasts[key])
		}
	}
	if last {
		for _, row := range lasts {
			rows = append(rows, row)
		}
	}
	return rows
}

// compare compares rows in any order.
func compare(t *testing.T, table string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("table %s has %d rows, want %d; in order, from row %d on %q, want %q", table, len(got), len(want), i,
				got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
			return
		}
	}
}
