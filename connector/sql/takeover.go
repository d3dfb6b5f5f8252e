package sql

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// door is the lock that each transaction of a job shares, so that a new owner can tell when none is left of those
// before him. It is never taken alone. Sinks with different tables are strangers to each other.
func (s *DatabaseSink[T]) door() int64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "weir %d %s", s.tableID, s.job))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// takeOver makes this process the job's owner: transactions of others are refused from then on, and those that are open
// are ended. Several sinks of one process share the job.
func (s *DatabaseSink[T]) takeOver(ctx context.Context, c *pgx.Conn) error {
	for {
		var epoch int64
		var owner string
		err := c.QueryRow(ctx, s.sql(`SELECT epoch, owner FROM IDENTITIES
			WHERE job = $1 AND output = '' AND effect = '' AND partition = $2`), s.job, ofJob).Scan(&epoch, &owner)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			owner = ""
		case err != nil:
			return fmt.Errorf("read table %s of identities: %w", s.table, err)
		case owner == s.token && s.undrained:
			return s.drained(ctx, c, epoch, owner)
		case owner == s.token:
			return nil
		case epoch >= s.epoch && s.owns != nil:
			// Is this a later owner, or what was there before an older checkpoint was restored?
			if err := s.owns(ctx); err != nil {
				return fmt.Errorf("table %s knows a later owner of the job, of epoch %d: %w", s.table, epoch, err)
			}
		}
		taken, err := s.enter(ctx, c, owner)
		if err != nil {
			return err
		}
		if taken {
			return s.drained(ctx, c, epoch, owner)
		}
	}
}

// giveBackTimeout bounds the way back from a take-over that failed.
const giveBackTimeout = 5 * time.Second

// drained drains. If it fails the job is its owner's of before again, so that who opens it next in this process, who
// would find itself the owner, drains too.
func (s *DatabaseSink[T]) drained(ctx context.Context, c *pgx.Conn, epoch int64, before string) error {
	err := s.drain(ctx, c)
	if s.undrained = err != nil; err == nil || before == s.token {
		return err
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	if c.IsClosed() { // It was, if the time ran out in the middle of a question.
		again, failed := pgx.ConnectConfig(back, c.Config())
		if failed != nil {
			return errors.Join(err, failed)
		}
		defer again.Close(back)
		c = again
	}
	_, failed := c.Exec(back, s.sql(`UPDATE IDENTITIES SET epoch = $3, owner = $4, stored = now()
		WHERE job = $1 AND output = '' AND effect = '' AND partition = $2 AND owner = $5`), s.job, ofJob, epoch, before,
		s.token)
	return errors.Join(err, failed)
}

// enter puts this process into the row of the job, unless that is not as it was.
func (s *DatabaseSink[T]) enter(ctx context.Context, c *pgx.Conn, before string) (bool, error) {
	tag, err := c.Exec(ctx, s.sql(`INSERT INTO IDENTITIES AS i (job, output, effect, partition, sequence, epoch, owner)
		VALUES ($1, '', '', $2, -1, $3, $4)
		ON CONFLICT (job, output, effect, partition) DO UPDATE
		SET epoch = EXCLUDED.epoch, owner = EXCLUDED.owner, stored = now() WHERE i.owner = $5`),
		s.job, ofJob, s.epoch, s.token, before)
	if codeOf(err) == insufficientPrivilege {
		return false, fmt.Errorf("user %s may not write to table %s of identities: have its owner run %s (%w)",
			c.Config().User, s.table, s.grant(c), err)
	}
	return tag.RowsAffected() > 0, err
}

// drainPause lies between two looks at whether a transaction of a predecessor is still open.
const drainPause = 50 * time.Millisecond

// inside are the sessions whose transactions are inside the door of a job.
const inside = ` FROM pg_locks WHERE locktype = 'advisory' AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND (classid::bigint << 32) | objid::bigint = $1 AND objsubid = 1`

// drain ends the transactions of predecessors that are open, and waits until none is left. Those that come later are
// refused, but for this process's own.
func (s *DatabaseSink[T]) drain(ctx context.Context, c *pgx.Conn) error {
	theirs, err := s.sessions(ctx, c, `SELECT pid`+inside, s.door())
	for err == nil && len(theirs) > 0 {
		_, refused := c.Exec(ctx, `SELECT pg_terminate_backend(pid)`+inside+` AND pid = ANY($2)`, s.door(), theirs)
		if refused != nil && codeOf(refused) != insufficientPrivilege && ctx.Err() == nil {
			return refused
		}
		select {
		case <-time.After(drainPause):
		case <-ctx.Done():
		}
		these := theirs
		theirs, err = s.sessions(ctx, c, `SELECT pid`+inside+` AND pid = ANY($2)`, s.door(), these)
		if ctx.Err() != nil {
			return fmt.Errorf("a predecessor of this process has a transaction open that cannot be ended: have an "+
				"administrator call pg_terminate_backend for the sessions %v of pg_stat_activity: %w", these,
				errors.Join(context.Cause(ctx), refused))
		}
	}
	return err
}

func (s *DatabaseSink[T]) sessions(ctx context.Context, c *pgx.Conn, query string, args ...any) ([]int32, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}
