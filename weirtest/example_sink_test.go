package weirtest_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/weirtest"
)

// A table is a database in memory: rows, and a row for each identity.
type table struct {
	mu   sync.Mutex
	rows []string
	ids  map[string]int64 // job, output, effect and partition: the last batch
}

// A tableSink writes to a table. What it knows of batches is in the table, so that it may be made anew at any time.
type tableSink struct {
	*table
	job string
}

// Open has nothing to connect to. The identities fence: whoever comes second with a batch stores nothing.
func (s *tableSink) Open(_ context.Context, job string, _ int64) error {
	s.job = job
	return nil
}

func (s *tableSink) key(output, effect string, partition int) string {
	return fmt.Sprintf("%q %q %q %d", s.job, output, effect, partition)
}

// Last looks the identity up.
func (s *tableSink) Last(_ context.Context, output, effect string, partition int) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok := s.ids[s.key(output, effect, partition)]
	return seq, ok, nil
}

// Write stores rows and identity in one step, which here is what the lock makes it; in a database it is a transaction.
func (s *tableSink) Write(ctx context.Context, id dstream.Effect, in iter.Seq[string]) error {
	var rows []string
	for row := range in {
		rows = append(rows, row)
	}
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(id.Output, id.Name, id.Partition)
	if last, ok := s.ids[key]; ok && last >= id.Sequence {
		return nil
	}
	s.ids[key] = id.Sequence
	s.rows = append(s.rows, rows...)
	return nil
}

// Close has nothing to flush.
func (s *tableSink) Close(context.Context) error { return nil }

// A sink of one's own is tested by a function of its package's tests.
func ExampleSink() {
	testTable := func(t *testing.T) {
		weirtest.Sink(t, weirtest.SinkSuite[string]{
			Record: func(n int) string { return fmt.Sprint("row ", n) },
			New: func(*testing.T) weirtest.SinkStore[string] {
				db := &table{ids: map[string]int64{}}
				return weirtest.SinkStore[string]{
					Process: func() dstream.Sink[string] { return &tableSink{table: db} },
					Stored:  func() []int { return numbers(db.rows) }, // "row 17" is number 17
				}
			},
		})
	}
	passed := testing.RunTests(func(_, _ string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "TestTable", F: testTable}})
	fmt.Println("passed:", passed)
	// Output: passed: true
}
