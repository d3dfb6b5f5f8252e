package sql_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

type count = rdd.Pair[string, int]

// A click is a record with columns of several types.
type click struct {
	User string
	At   time.Time
	Tags []string
}

const dsn = "postgres://weir:${file:/run/secrets/db}@db.example.org/shop?sslmode=verify-full"

// The counts of words so far, a row for each word.
func ExampleUpsert() {
	build := func(_ *dstream.Context, totals *dstream.DStream[count]) error {
		sink, err := sql.Sink(dsn, sql.Upsert("counts", []string{"word"},
			sql.Col("word", func(c count) string { return c.Key }),
			sql.Col("n", func(c count) int { return c.Value })))
		if err != nil {
			return err
		}
		dstream.WriteTo(totals, sink).Named("counts")
		return nil
	}
	_ = build
}

// Rows that are appended, with a time and an array.
func ExampleInsert() {
	build := func(clicks *dstream.DStream[click]) error {
		sink, err := sql.Sink(dsn, sql.Insert("web.clicks",
			sql.Col("who", func(c click) string { return c.User }),
			sql.Col("at", func(c click) time.Time { return c.At }),
			sql.Col("tags", func(c click) []string { return c.Tags })))
		if err != nil {
			return err
		}
		dstream.WriteTo(clicks, sink).Named("clicks")
		return nil
	}
	_ = build
}

// A statement of one's own: counts are added to what is there, which is right because each batch is stored once.
func ExampleExec() {
	const add = `INSERT INTO counts (word, n) VALUES ($1, $2) ON CONFLICT (word) DO UPDATE SET n = counts.n + EXCLUDED.n`
	sink, err := sql.Sink(dsn, sql.Exec(add, func(c count) []any { return []any{c.Key, c.Value} }))
	fmt.Println(sink != nil, err)
	// Output: true <nil>
}

// Anything that a transaction can do: here, a table is the last batch's words and nothing else.
func ExampleFunc() {
	replace := func(ctx context.Context, tx pgx.Tx, id dstream.Effect, words iter.Seq[string]) error {
		if _, err := tx.Exec(ctx, `DELETE FROM words WHERE partition = $1`, id.Partition); err != nil {
			return err
		}
		for w := range words {
			if _, err := tx.Exec(ctx, `INSERT INTO words VALUES ($1, $2, $3)`, id.Partition, id.Sequence, w); err != nil {
				return err
			}
		}
		return nil
	}
	build := func(words *dstream.DStream[string]) error {
		sink, err := sql.Sink(dsn, sql.Func(replace), sql.WithTimeout(10*time.Second),
			sql.IdentityTable("weir.identities"))
		if err != nil {
			return err
		}
		dstream.WriteTo(words, sink).Named("words")
		return nil
	}
	_ = build
}
