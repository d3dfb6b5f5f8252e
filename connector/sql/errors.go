package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstream/weir/dstream"
)

// Codes of PostgreSQL.
const (
	duplicateObject       = "42710"
	duplicateTable        = "42P07"
	idleInTransaction     = "25P03"
	insufficientPrivilege = "42501"
	invalidSchema         = "3F000"
	lockNotAvailable      = "55P03"
	queryCanceled         = "57014"
	readOnlyTransaction   = "25006"
	undefinedColumn       = "42703"
	undefinedTable        = "42P01"
	uniqueViolation       = "23505"
)

// Classes of PostgreSQL's codes, which begin with them.
const (
	connectionException  = "08"
	invalidAuthorization = "28"
	noResources          = "53" // such as room on the disk
	operatorIntervention = "57"
	systemError          = "58"
)

// codeOf is PostgreSQL's code of an error, "" if it is not the server's.
func codeOf(err error) string {
	if of := (*pgconn.PgError)(nil); errors.As(err, &of) {
		return of.Code
	}
	return ""
}

// A lateError ends a step that the database has taken too long for.
type lateError struct{ limit time.Duration }

// Error implements error.
func (e lateError) Error() string {
	return fmt.Sprintf("the database did not answer within %v (sql.WithTimeout); pg_stat_activity tells what it waits "+
		"for", e.limit)
}

// ofDatabase tells that an error that was met while records were stored is none of theirs: the database is away, takes
// no writes, or not these ones. What is in doubt counts as that: a batch that ends the program may be given up by name
// then, but a stream that was passed over is lost.
func ofDatabase(c *pgx.Conn, err error) bool {
	if _, late := errors.AsType[lateError](err); late {
		return true
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return c.IsClosed() && ofConnection(err)
	}
	switch answer.Code {
	case insufficientPrivilege, invalidSchema, lockNotAvailable, readOnlyTransaction, undefinedColumn, undefinedTable:
		return true
	case queryCanceled: // A COPY is cancelled by the client, too, for a record that has no form in its column.
		return answer.Routine != "CopyGetData"
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case connectionException, invalidAuthorization, noResources, operatorIntervention, systemError:
		return true
	}
	return false
}

// ofConnection tells that an error is of a connection. A record that cannot be encoded may close one as well.
func ofConnection(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

// trouble marks an error of the database.
func (s *DatabaseSink[T]) trouble(err error) error {
	return dstream.SinkTrouble(fmt.Errorf("the database does not take it: %w (no batch is given up for that: see that "+
		"the server runs and has room, that its tables are there, and that user %s may write to them, and start "+
		"again)", err, s.pool.Config().ConnConfig.User))
}

// explain says what stands behind an error of the database.
func (s *DatabaseSink[T]) explain(ctx context.Context, err error) error {
	switch code := codeOf(err); {
	case err == nil:
		return nil
	case code == lockNotAvailable:
		return fmt.Errorf("another transaction has held a lock for longer than %v (sql.WithTimeout); "+
			"pg_blocking_pids tells which: %w", s.timeout, err)
	case code == idleInTransaction:
		return fmt.Errorf("no records came for longer than %v (sql.WithTimeout) while their transaction was open; "+
			"what takes so long to be computed is better persisted first: %w", s.timeout, err)
	case code == "" && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}
