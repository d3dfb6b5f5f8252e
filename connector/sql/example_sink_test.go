package sql_test

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
)

// A sink of a table, over few connections. Nothing is connected until the program starts.
func ExampleSink() {
	build := func(words *dstream.DStream[string]) error {
		sink, err := sql.Sink(dsn, sql.Insert("words", sql.Col("word", func(w string) string { return w })),
			sql.WithConfig(func(c *pgxpool.Config) { c.MaxConns = 2 }), sql.WithTimeout(10*time.Second))
		if err != nil {
			return err
		}
		dstream.WriteTo(words, sink).Named("words")
		return nil
	}
	_ = build
	_, err := sql.Sink("postgres://db.example.org/shop", sql.Insert[string]("words"))
	fmt.Println(err)
	// Output: sql.Sink: sql.Insert: no columns are given
}
