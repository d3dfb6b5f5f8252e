package sql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirstream/weir/dstream"
)

// A Statement says how the records of a partition are stored within its transaction.
type Statement[T any] struct {
	// check has the database look at the statement before the first batch.
	check func(ctx context.Context, c *pgx.Conn) error
	store func(ctx context.Context, tx pgx.Tx, id dstream.Effect, records iter.Seq[T]) error
	err   error
}

// A Column of a table, and how a record's value for it is had.
type Column[T any] struct {
	name  string
	value func(T) any
}

// Col is a column whose values f gives. V is any type that pgx can write to the column's: Go's own, time.Time, slices
// for arrays, pointers for what may be NULL, the types of pgx's package pgtype.
func Col[T, V any](name string, f func(T) V) Column[T] {
	c := Column[T]{name: name}
	if f != nil {
		c.value = func(v T) any { return f(v) }
	}
	return c
}

// Insert appends a row for each record to a table, NAME or SCHEMA.NAME, by COPY: the fastest way. A row that violates a
// constraint fails the batch.
func Insert[T any](table string, columns ...Column[T]) Statement[T] {
	names, err := columnNames(columns)
	if err = errors.Join(wrongTable(table), err); err != nil {
		return Statement[T]{err: fmt.Errorf("sql.Insert: %w", err)}
	}
	to := pgx.Identifier(strings.Split(table, "."))
	return Statement[T]{
		check: func(ctx context.Context, c *pgx.Conn) error {
			if err := prepare(ctx, c, fmt.Sprintf("SELECT %s FROM %s", list(names), quoted(table))); err != nil {
				return err
			}
			return mayUse(ctx, c, table, "INSERT")
		},
		store: func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[T]) error {
			return inChunks(records, func(chunk []T) error {
				rows := pgx.CopyFromSlice(len(chunk), func(i int) ([]any, error) { return row(columns, chunk[i]), nil })
				_, err := tx.CopyFrom(ctx, to, names, rows)
				return err
			})
		},
	}
}

// Upsert inserts a row for each record into a table, NAME or SCHEMA.NAME, or, if there is one with equal values in the
// key columns, replaces the values of the others. The table must have a primary key or unique index on the key columns.
// Of several records with one key the last one stays.
func Upsert[T any](table string, key []string, columns ...Column[T]) Statement[T] {
	names, err := columnNames(columns)
	err = errors.Join(wrongTable(table), err)
	if len(key) == 0 {
		err = errors.Join(err, errors.New("the key has no columns"))
	}
	var set []string
	for _, name := range names {
		if !slices.Contains(key, name) {
			q := list([]string{name})
			set = append(set, q+" = EXCLUDED."+q)
		}
	}
	for _, name := range key {
		if !slices.Contains(names, name) {
			err = errors.Join(err, fmt.Errorf("key column %q is none of the columns %q", name, names))
		}
	}
	if err != nil {
		return Statement[T]{err: fmt.Errorf("sql.Upsert: %w", err)}
	}
	then := "NOTHING"
	rights := []string{"SELECT", "INSERT"}
	if len(set) > 0 {
		then, rights = "UPDATE SET "+strings.Join(set, ", "), append(rights, "UPDATE")
	}
	insert := func(values string) string {
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO %s", quoted(table), list(names), values,
			list(key), then)
	}
	params, nulls := make([]string, len(names)), make([]string, len(names))
	for i := range params {
		params[i], nulls[i] = fmt.Sprintf("$%d", i+1), "NULL"
	}
	s := Exec(insert(strings.Join(params, ", ")), func(v T) []any { return row(columns, v) })
	exists := s.check
	s.check = func(ctx context.Context, c *pgx.Conn) error {
		err := exists(ctx, c)
		for _, right := range rights {
			if err == nil {
				err = mayUse(ctx, c, table, right)
			}
		}
		if err == nil { // Whether there is an index for the key shows when it is planned.
			_, err = c.Exec(ctx, "EXPLAIN "+insert(strings.Join(nulls, ", ")))
		}
		return err
	}
	return s
}

// Exec runs a statement for each record, with the arguments $1, $2 and so on that args gives. A thousand of them, or a
// MiB, go to the database at once. What it answers is not looked at, but for errors, which fail the batch.
func Exec[T any](statement string, args func(T) []any) Statement[T] {
	if args == nil {
		return Statement[T]{err: errors.New("sql.Exec needs a function that gives the arguments, not nil")}
	}
	return Statement[T]{
		check: func(ctx context.Context, c *pgx.Conn) error { return prepare(ctx, c, statement) },
		store: func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[T]) error {
			return inChunks(records, func(chunk []T) error {
				var b pgx.Batch
				for _, v := range chunk {
					b.Queue(statement, args(v)...)
				}
				return tx.SendBatch(ctx, &b).Close()
			})
		},
	}
}

// Func has f store the records of a partition, which it may read once, within tx, which it must not end. It is called
// in the tasks, several calls at a time, and for each attempt of a task anew: what it does elsewhere than in tx is done
// at least once. Its error rolls the transaction back and fails the task. It is not called for partitions without
// records.
func Func[T any](f func(ctx context.Context, tx pgx.Tx, id dstream.Effect, records iter.Seq[T]) error) Statement[T] {
	if f == nil {
		return Statement[T]{err: errors.New("sql.Func needs a function, not nil")}
	}
	return Statement[T]{store: f}
}

func columnNames[T any](columns []Column[T]) (names []string, err error) {
	for _, c := range columns {
		switch {
		case c.name == "" || c.value == nil:
			err = errors.Join(err, fmt.Errorf("column %q needs a name and a function", c.name))
		case slices.Contains(names, c.name):
			err = errors.Join(err, fmt.Errorf("column %q is there twice", c.name))
		}
		names = append(names, c.name)
	}
	if len(columns) == 0 {
		err = errors.New("no columns are given")
	}
	return names, err
}

func row[T any](columns []Column[T], v T) []any {
	values := make([]any, len(columns))
	for i, c := range columns {
		values[i] = c.value(v)
	}
	return values
}

// list is names within a statement.
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// inChunks calls f for chunks of records.
func inChunks[T any](records iter.Seq[T], f func(chunk []T) error) (err error) {
	var chunk []T
	end := newBound[T]()
	for v := range records {
		if chunk = append(chunk, v); !end.full(chunk) {
			continue
		}
		if err = f(chunk); err != nil {
			return err
		}
		clear(chunk)
		chunk = chunk[:0]
	}
	if len(chunk) > 0 {
		err = f(chunk)
	}
	return err
}

// prepare has the database look at a statement: whether tables and columns are there, and types fit.
func prepare(ctx context.Context, c *pgx.Conn, statement string) error {
	if _, err := c.Prepare(ctx, "", statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// mayUse names the right that is missing.
func mayUse(ctx context.Context, c *pgx.Conn, table, right string) error {
	may := false
	err := c.QueryRow(ctx, `SELECT has_any_column_privilege($1::text, $2::text)`, quoted(table), right).Scan(&may)
	if err == nil && !may {
		user := c.Config().User
		err = fmt.Errorf("user %s lacks a right on table %s: have its owner run GRANT %s ON %s TO %s", user, table,
			right, quoted(table), pgx.Identifier{user}.Sanitize())
	}
	return err
}
