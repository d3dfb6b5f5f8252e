package sql_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realsql"
	"github.com/weirstream/weir/weirtest"
)

// The statements keep to the contract of sinks: what is stored twice shows as two rows, or as a sum.
func TestSink(t *testing.T) {
	db := realsql.Start(t)
	number := sql.Col("n", func(n int) int { return n })
	for _, row := range []struct {
		name      string
		statement sql.Statement[int]
		cut       bool // the cases that take time
	}{
		{"Insert", sql.Insert("numbers", number, sql.Col("text", strconv.Itoa)), true},
		{"Exec", sql.Exec("INSERT INTO numbers (n, text) VALUES ($1, $2)", func(n int) []any {
			return []any{n, strconv.Itoa(n)}
		}), false},
		{"Func", sql.Func(one), true},
	} {
		t.Run(row.name, func(t *testing.T) { weirtest.Sink(t, suite(db, row.statement, row.cut)) })
	}
}

// one inserts a row after the other.
func one(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
	for n := range records {
		if _, err := tx.Exec(ctx, "INSERT INTO numbers (n, text) VALUES ($1, $2)", n, strconv.Itoa(n)); err != nil {
			return err
		}
	}
	return nil
}

// suite tests sinks over a schema for each case.
func suite(db *realsql.Server, statement sql.Statement[int], cut bool) weirtest.SinkSuite[int] {
	return weirtest.SinkSuite[int]{
		Parallel: true,
		Record:   func(n int) int { return n },
		New: func(t *testing.T) weirtest.SinkStore[int] {
			dsn, schema := db.Schema(t)
			db.Query(t, "CREATE TABLE "+schema+".numbers (n int NOT NULL, text text NOT NULL)")
			next := &process{at: -1}
			store := weirtest.SinkStore[int]{
				Process: func() dstream.Sink[int] {
					p := next
					next = &process{at: -1}
					return open(t, dsn, statement, p.dialer(), sql.WithTimeout(20*time.Second))
				},
				Stored: func() (ns []int) {
					for _, row := range db.Query(t, "SELECT n FROM "+schema+".numbers WHERE text = n::text") {
						n, _ := strconv.Atoi(row) // The column has no other values.
						ns = append(ns, n)
					}
					return ns
				},
				Forget: func(job, output, effect string) {
					db.Query(t, fmt.Sprintf("DELETE FROM %s.weir_identities WHERE job = '%s' AND output = '%s' AND effect = '%s'",
						schema, job, output, effect))
				},
			}
			if cut {
				store.Cut = func(step int, late bool) func() bool {
					next.at, next.late = step, late
					return next.isDead
				}
			}
			return store
		},
	}
}

func open[T any](t *testing.T, dsn string, statement sql.Statement[T], opts ...sql.Option) *sql.DatabaseSink[T] {
	t.Helper()
	s, err := sql.Sink(dsn, statement, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
