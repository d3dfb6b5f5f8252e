package sql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/dstream"
)

// A DatabaseSink is a sink that stores each partition of a batch in a transaction, together with its identity: exactly
// once. In a job without a checkpoint it stores them without, and thus at least once: a task that is tried again after
// its transaction was committed stores its records again.
type DatabaseSink[T any] struct {
	options
	dsn       string
	statement Statement[T]

	// These are of the context; a sink that none has knows only its instance.
	instance string // tells owners of one epoch apart: one is from before an older checkpoint was restored
	owns     func(ctx context.Context) error
	slots    int // how many tasks run at the same time

	// These are of Open.
	pool  *pgxpool.Pool
	job   string
	epoch int64
	token string // who this is among those that had the job
	// tableID is PostgreSQL's number of the table of identities.
	tableID int64
	exact   bool
	// undrained tells that the job is this process's, and that transactions of predecessors may be open still.
	undrained bool
}

// An Option of Sink.
type Option func(*options)

type options struct {
	table     string // of identities
	timeout   time.Duration
	configure func(*pgxpool.Config)
}

// IdentityTable names the table of identities, NAME or SCHEMA.NAME; weir_identities otherwise. It must stay the same as
// long as the checkpoint does, and lie in the database of the tables that are written to.
func IdentityTable(name string) Option { return func(o *options) { o.table = name } }

// WithTimeout bounds what the database may take for one step: to connect, to begin, to take in the records that it was
// given, to commit; one minute otherwise. It also bounds how long a transaction that is open waits for records to be
// computed. A thousand, or a MiB of them, are there before it is begun.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithConfig has f change the configuration of the pool of connections, for own dialers, tracers and the like. It has
// been read from the connection string then.
func WithConfig(f func(*pgxpool.Config)) Option { return func(o *options) { o.configure = f } }

// Sink makes a sink for dstream.WriteTo and dstream.Save that stores records by a statement: that of [Insert],
// [Upsert], [Exec] or [Func]. dsn is a connection string of PostgreSQL, a URL or keywords and values, in which
// ${env:NAME}, ${file:PATH} and ${file:PATH:KEY} stand for what they refer to; it is read again for each connection, so
// that a password may change. Sink does no I/O; the database and its tables are looked at when the job starts.
//
// Each task holds up to three chunks of a thousand records, or a MiB, and a connection; the pool has as many as there
// are tasks, unless pool_max_conns says less. Two tasks that update the same rows wait for each other, and may meet in
// a deadlock, which fails one of them; a stream that is partitioned by the key of the rows has none.
func Sink[T any](dsn string, s Statement[T], opts ...Option) (*DatabaseSink[T], error) {
	sink := &DatabaseSink[T]{dsn: dsn, statement: s, instance: "alone",
		options: options{table: "weir_identities", timeout: time.Minute}}
	for _, o := range opts {
		o(&sink.options)
	}
	errs := []error{s.err, wrongTable(sink.table)}
	if s.store == nil && s.err == nil {
		errs = append(errs, errors.New("the statement is empty: make one by Insert, Upsert, Exec or Func"))
	}
	if sink.timeout < time.Second {
		errs = append(errs, fmt.Errorf("WithTimeout needs at least a second, not %v", sink.timeout))
	}
	if err := checkDSN(dsn); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sql.Sink: %w", err)
	}
	return sink, nil
}

// Attach implements dstream.SinkAttacher.
func (s *DatabaseSink[T]) Attach(ssc *dstream.Context) {
	s.instance, s.owns, s.slots = ssc.Instance(), ssc.Owns, ssc.RDD().Slots()
}

// Guarantee implements dstream.SinkGuarantee.
func (s *DatabaseSink[T]) Guarantee() string {
	if s.exact {
		return ""
	}
	return "at-least-once: each partition is stored in a transaction, again if its task or batch is run again"
}

// Open connects, takes the job over, and has the database check the statement.
func (s *DatabaseSink[T]) Open(ctx context.Context, job string, epoch int64) (err error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	s.job, s.epoch, s.exact = job, epoch, epoch > 0
	s.token = fmt.Sprintf("%d-%s", epoch, s.instance)
	cfg, err := poolConfig(s.dsn)
	if err != nil {
		return err
	}
	if s.slots > 0 && !limited(s.dsn) {
		cfg.MaxConns = int32(s.slots + 1)
	}
	cfg.PingTimeout = s.timeout
	if c := &cfg.ConnConfig.ConnectTimeout; *c == 0 || *c > s.timeout {
		*c = s.timeout
	}
	if s.configure != nil {
		s.configure(cfg)
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return s.explain(ctx, err)
	}
	defer func() {
		if err != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
			defer cancel()
			err = errors.Join(err, s.Close(last))
		}
	}()
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.explain(ctx, err)
	}
	defer c.Release()
	if s.exact {
		err = cmp.Or(s.ensureTable(ctx, c.Conn()), s.takeOver(ctx, c.Conn()))
	}
	if err == nil && s.statement.check != nil {
		err = s.statement.check(ctx, c.Conn())
	}
	return s.explain(ctx, err)
}

// patient gives a step its deadline.
func (s *DatabaseSink[T]) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.timeout, s.late())
}

func (s *DatabaseSink[T]) late() error { return lateError{s.timeout} }

// Close gives the connections back.
func (s *DatabaseSink[T]) Close(ctx context.Context) error {
	if s.pool == nil {
		return nil
	}
	closed, pool := make(chan struct{}), s.pool
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the connections to PostgreSQL: a transaction does not end: %w", context.Cause(ctx))
	}
}
