package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstream/weir/dstream"
)

// columns are those of the table of identities, version 1 (docs/FORMAT.md, "Identities in SQL").
const columns = `job text, output text, effect text, partition integer,
	sequence bigint NOT NULL, epoch bigint NOT NULL, owner text NOT NULL, stored timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (job, output, effect, partition)`

// ofJob is the partition of the row that says who has the job.
const ofJob = -1

// wrongTable says what is wrong with the name of a table.
func wrongTable(name string) error {
	parts := strings.Split(name, ".")
	if len(parts) > 2 || slices.ContainsFunc(parts, func(p string) bool { return p == "" }) {
		return fmt.Errorf("a table is named NAME or SCHEMA.NAME, as it is spelt in the database, not %q", name)
	}
	return nil
}

// quoted is the name of a table within a statement.
func quoted(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() }

// named is the form in which a name stands in the table: PostgreSQL takes neither bytes that are no text nor NUL.
func named(name string) string {
	q := strconv.Quote(name)
	return q[1 : len(q)-1]
}

// sql fills the name of the table of identities into a statement.
func (o *options) sql(format string) string {
	return strings.ReplaceAll(format, "IDENTITIES", quoted(o.table))
}

// ensureTable makes the table of identities, unless it is there, and finds its number.
func (s *DatabaseSink[T]) ensureTable(ctx context.Context, c *pgx.Conn) error {
	for range 2 {
		err := c.QueryRow(ctx, `SELECT coalesce(to_regclass($1)::oid::bigint, 0)`, quoted(s.table)).Scan(&s.tableID)
		if err != nil || s.tableID != 0 {
			return err
		}
		if err := s.makeTable(ctx, c); err != nil {
			return err
		}
	}
	return fmt.Errorf("table %s of identities was made, and cannot be found: name its schema by sql.IdentityTable",
		s.table)
}

func (s *DatabaseSink[T]) makeTable(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, s.sql(`CREATE TABLE IF NOT EXISTS IDENTITIES (`+columns+`)`))
	switch codeOf(err) {
	case uniqueViolation, duplicateTable, duplicateObject:
		return nil // Another process was quicker.
	case insufficientPrivilege:
		return fmt.Errorf("there is no table %s for the identities of batches, and user %s has no right to make it: "+
			"grant it CREATE on the schema, or have its owner run\nCREATE TABLE %s (%s);\n%s\n(%w)", s.table,
			c.Config().User, quoted(s.table), columns, s.grant(c), err)
	}
	return err
}

func (s *DatabaseSink[T]) grant(c *pgx.Conn) string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE ON %s TO %s;", quoted(s.table),
		pgx.Identifier{c.Config().User}.Sanitize())
}

// store puts an identity into a transaction. It does nothing if that, or a later one, is there, and waits for who is
// about to put it there.
const store = `INSERT INTO IDENTITIES AS i (job, output, effect, partition, sequence, epoch, owner)
	VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (job, output, effect, partition) DO UPDATE
	SET sequence = EXCLUDED.sequence, epoch = EXCLUDED.epoch, owner = EXCLUDED.owner, stored = now()
	WHERE i.sequence < EXCLUDED.sequence`

// settings hold for a transaction. Whoever has one that does nothing, because its process stands still, loses it; and
// what is acknowledged is on the disk.
const settings = `SELECT set_config('lock_timeout', $1, true),
	set_config('idle_in_transaction_session_timeout', $1, true),
	CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END`

// claim begins a transaction: mine is false if there is nothing to be stored any more.
func (s *DatabaseSink[T]) claim(ctx context.Context, tx pgx.Tx, id dstream.Effect) (mine bool, err error) {
	var b pgx.Batch
	s.settle(&b)
	if s.exact {
		s.admit(&b)
		b.Queue(s.sql(store), s.job, named(id.Output), named(id.Name), id.Partition, id.Sequence, s.epoch, s.token)
	}
	answers := tx.SendBatch(ctx, &b)
	err = s.settled(answers)
	if err == nil && s.exact {
		var tag pgconn.CommandTag
		tag, err = answers.Exec()
		mine = tag.RowsAffected() > 0
	}
	return mine || !s.exact, closed(answers, err)
}

// closed ends a batch, and gives its first error.
func closed(answers pgx.BatchResults, err error) error {
	if end := answers.Close(); err == nil {
		err = end
	}
	return err
}

func (s *DatabaseSink[T]) settle(b *pgx.Batch) {
	b.Queue(settings, strconv.FormatInt(s.timeout.Milliseconds(), 10))
}

// admit has a transaction be refused if the job has another owner, and be waited for by one that comes.
func (s *DatabaseSink[T]) admit(b *pgx.Batch) {
	b.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, s.door())
	b.Queue(s.sql(`SELECT owner FROM IDENTITIES WHERE job = $1 AND output = '' AND effect = '' AND partition = $2`),
		s.job, ofJob)
}

// settled reads what settle and admit have asked for.
func (s *DatabaseSink[T]) settled(answers pgx.BatchResults) error {
	if _, err := answers.Exec(); err != nil || !s.exact {
		return err
	}
	if _, err := answers.Exec(); err != nil {
		return err
	}
	var owner string
	err := answers.QueryRow().Scan(&owner)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("the row of the job is gone from table %s: start again, which makes it (%w)", s.table,
			dstream.ErrFenced)
	case err == nil && owner != s.token:
		return fmt.Errorf("another process has taken the job over: table %s names %s, and not %s: %w", s.table, owner,
			s.token, dstream.ErrFenced)
	}
	return err
}

// burnedMark ends the owner of an identity that was stored without records.
const burnedMark = "-burned"

// Burn implements dstream.SinkBurner. It claims the identities that a commit of this process may still bring, which
// waits for the end of that; transactions of predecessors were ended by Open, and later ones are refused. lock_timeout
// is that of the call, for a commit that the sink has waited for in vain takes longer than WithTimeout.
func (s *DatabaseSink[T]) Burn(ctx context.Context, id dstream.Effect, partitions int) (in int, err error) {
	if !s.exact {
		return 0, errors.New("without a checkpoint there are no identities")
	}
	wait := s.timeout
	if until, ok := ctx.Deadline(); ok {
		wait = max(time.Until(until), time.Millisecond)
	}
	err = pgx.BeginTxFunc(ctx, s.pool, readCommitted, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(settings, strconv.FormatInt(wait.Milliseconds(), 10))
		s.admit(&b)
		for p := range partitions {
			b.Queue(s.sql(store), s.job, named(id.Output), named(id.Name), p, id.Sequence, s.epoch, s.token+burnedMark)
		}
		b.Queue(s.sql(`SELECT count(*) FROM IDENTITIES WHERE job = $1 AND output = $2 AND effect = $3 AND partition > $4
			AND sequence >= $5 AND NOT (sequence = $5 AND owner LIKE '%' || $6)`), s.job, named(id.Output),
			named(id.Name), ofJob, id.Sequence, burnedMark)
		answers := tx.SendBatch(ctx, &b)
		err := s.settled(answers)
		for range partitions {
			if err == nil {
				_, err = answers.Exec()
			}
		}
		if err == nil {
			err = answers.QueryRow().Scan(&in)
		}
		return closed(answers, err)
	})
	return in, s.explain(ctx, err)
}

// Last implements dstream.Sink.
func (s *DatabaseSink[T]) Last(ctx context.Context, output, effect string, partition int) (int64, bool, error) {
	return s.newest(ctx, output, effect, `partition = $4`, partition)
}

// Newest implements dstream.SinkRewinder.
func (s *DatabaseSink[T]) Newest(ctx context.Context, output, effect string) (int64, bool, error) {
	return s.newest(ctx, output, effect, `partition > $4`, ofJob)
}

func (s *DatabaseSink[T]) newest(ctx context.Context, output, effect, where string, partition int,
) (seq int64, ok bool, err error) {
	if !s.exact {
		return 0, false, nil
	}
	ctx, cancel := s.patient(ctx)
	defer cancel()
	row := s.pool.QueryRow(ctx, s.sql(`SELECT coalesce(max(sequence), -1) FROM IDENTITIES
		WHERE job = $1 AND output = $2 AND effect = $3 AND `+where), s.job, named(output), named(effect), partition)
	err = row.Scan(&seq)
	return seq, seq >= 0 && err == nil, s.explain(ctx, err)
}

// Rewind implements dstream.SinkRewinder.
func (s *DatabaseSink[T]) Rewind(ctx context.Context, id dstream.Effect) error {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, s.pool, readCommitted, func(tx pgx.Tx) error {
		var b pgx.Batch
		s.settle(&b)
		s.admit(&b)
		b.Queue(s.sql(`UPDATE IDENTITIES SET sequence = $1, epoch = $2, owner = $3, stored = now()
			WHERE job = $4 AND output = $5 AND effect = $6 AND partition > $7 AND sequence > $1`),
			id.Sequence, s.epoch, s.token, s.job, named(id.Output), named(id.Name), ofJob)
		answers := tx.SendBatch(ctx, &b)
		return closed(answers, s.settled(answers))
	})
	return s.explain(ctx, err)
}
