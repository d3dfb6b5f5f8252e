package sql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of PostgreSQL.
const (
	duplicateObject       = "42710"
	duplicateTable        = "42P07"
	idleInTransaction     = "25P03"
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
	uniqueViolation       = "23505"
)

// codeOf is PostgreSQL's code of an error, "" if it is not the server's.
func codeOf(err error) string {
	if of := (*pgconn.PgError)(nil); errors.As(err, &of) {
		return of.Code
	}
	return ""
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
