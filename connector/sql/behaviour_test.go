package sql_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realsql"
)

// One server serves all of these, for starting one takes most of the time.
func TestDatabase(t *testing.T) {
	db := realsql.Start(t)
	for _, row := range []struct {
		name string
		run  func(t *testing.T, db *realsql.Server)
	}{
		{"upsert", testUpsert}, {"large", testLarge}, {"function", testFunction}, {"rights", testRights},
		{"wrong statements", testWrongStatements}, {"panic", testPanic}, {"slow", testSlow}, {"shared", testShared},
		{"no checkpoint", testNoCheckpoint}, {"asynchronous", testAsynchronous}, {"owner", testOwner}, {"open transaction", testOpenTransaction},
		{"strangers", testStrangers}, {"full pool", testFullPool}, {"drain fails", testDrainFails}, {"burn", testBurn},
		{"secret", testPassword}, {"trouble by code", testTroubleByCode}, {"no trouble", testNoTrouble},
		{"trouble of a program", testTroubleOfProgram}, {"accepted loss", testAcceptedLoss}, {"crash", testCrash},
		{"trouble of the server", testTroubleOfServer},
	} {
		t.Run(row.name, func(t *testing.T) { row.run(t, db) })
	}
}

const job = "2f6c1c5e-8d53-4f43-8d6a-3c1b6b0f5a11"

func effect(seq int64) dstream.Effect { return dstream.Effect{Job: job, Output: "out", Sequence: seq} }

// opened is a sink that is open.
func opened[T any](t *testing.T, dsn string, st sql.Statement[T], opts ...sql.Option) *sql.DatabaseSink[T] {
	t.Helper()
	s := open(t, dsn, st, opts...)
	if err := s.Open(t.Context(), job, 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func write[T any](t *testing.T, s *sql.DatabaseSink[T], seq int64, records ...T) {
	t.Helper()
	if err := s.Write(t.Context(), effect(seq), slices.Values(records)); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// says compares an error with parts of its text.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
}

type pair struct {
	key string
	n   int
}

func pairs(table string) sql.Statement[pair] {
	return sql.Upsert(table, []string{"key"}, sql.Col("key", func(p pair) string { return p.key }),
		sql.Col("n", func(p pair) int { return p.n }))
}

func testUpsert(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, `CREATE TABLE `+schema+`."Counts" (key text PRIMARY KEY, n bigint)`)
	s := opened(t, dsn, pairs(schema+".Counts"))
	write(t, s, 0, pair{"a", 1}, pair{"b", 2}, pair{"a", 3})
	write(t, s, 1, pair{"b", 4}, pair{"", 5})
	same(t, db.Query(t, `SELECT key, n FROM `+schema+`."Counts" ORDER BY key`), "|5", "a|3", "b|4")
	same(t, db.Query(t, "SELECT output, effect, partition, sequence, epoch FROM "+schema+
		".weir_identities ORDER BY partition"), "||-1|-1|1", "out||0|1|1")
}

func testLarge(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (i serial, n int)")
	s := opened(t, dsn, sql.Insert("t", sql.Col("n", func(n int) int { return n })))
	for seq, n := range []int{999, 1000, 1001, 3500} {
		var in []int
		for i := range n {
			in = append(in, i)
		}
		write(t, s, int64(seq), in...)
		same(t, db.Query(t, "SELECT count(*), count(*) FILTER (WHERE n = i - (SELECT min(i) FROM "+schema+".t)) FROM "+
			schema+".t"), fmt.Sprint(n, "|", n))
		db.Query(t, "TRUNCATE "+schema+".t")
	}
}

func testFunction(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	for _, row := range []struct {
		name  string
		f     func(ctx context.Context, tx pgx.Tx, id dstream.Effect, records iter.Seq[int]) error
		fails string
	}{
		{"returns an error", func(ctx context.Context, tx pgx.Tx, id dstream.Effect, records iter.Seq[int]) error {
			return errors.Join(one2(ctx, tx, id, records), errors.New("no more"))
		}, "no more"},
		{"ignores an error", func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, _ iter.Seq[int]) error {
			_, _ = tx.Exec(ctx, "SELECT 1/0")
			return nil
		}, "rollback"},
		{"commits", func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, _ iter.Seq[int]) error {
			return tx.Commit(ctx)
		}, "the sink commits"},
		{"reads twice", func(_ context.Context, _ pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
			for range 2 {
				for range records { //nolint
				}
			}
			return nil
		}, "can be read once"},
		{"reads one", func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
			for n := range records {
				_, err := tx.Exec(ctx, "INSERT INTO t VALUES ($1)", n)
				return err
			}
			return nil
		}, ""},
	} {
		s := opened(t, dsn, sql.Func(row.f))
		err := s.Write(t.Context(), effect(0), slices.Values([]int{7, 8}))
		if row.fails == "" && err != nil {
			t.Errorf("%s: %v", row.name, err)
		} else if row.fails != "" {
			says(t, err, row.fails)
			same(t, db.Query(t, "SELECT n FROM "+schema+".t"))
		}
	}
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"), "7")
}

func one2(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
	for n := range records {
		if _, err := tx.Exec(ctx, "INSERT INTO t VALUES ($1)", n); err != nil {
			return err
		}
	}
	return nil
}

// What is not allowed is named, with what is to be run, and works when that has been done.
func testRights(t *testing.T, db *realsql.Server) {
	_, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".counts (key text PRIMARY KEY, n bigint); CREATE ROLE poor LOGIN; "+
		"GRANT USAGE ON SCHEMA "+schema+" TO poor")
	dsn := strings.Replace(db.DSN(), "weir@", "poor@", 1) + "&search_path=" + schema
	refused := func(parts ...string) {
		t.Helper()
		says(t, open(t, dsn, pairs("counts")).Open(t.Context(), job, 1), parts...)
	}
	refused("there is no table weir_identities", "user poor has no right to make it",
		`CREATE TABLE "weir_identities" (job text,`, `GRANT SELECT, INSERT, UPDATE ON "weir_identities" TO "poor";`)
	admin := open(t, db.DSN()+"&search_path="+schema, pairs("counts")) // It makes the table.
	if err := errors.Join(admin.Open(t.Context(), "another", 1), admin.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	refused("permission denied for table weir_identities")
	db.Query(t, "GRANT SELECT ON "+schema+".weir_identities TO poor")
	refused("user poor may not write to table weir_identities", `GRANT SELECT, INSERT, UPDATE ON "weir_identities" TO "poor";`)
	db.Query(t, "GRANT INSERT, UPDATE ON "+schema+".weir_identities TO poor")
	for _, right := range []string{"SELECT", "INSERT", "UPDATE"} {
		refused("user poor lacks a right on table counts", "GRANT "+right+` ON "counts" TO "poor"`)
		db.Query(t, "GRANT "+right+" ON "+schema+".counts TO poor")
	}
	write(t, opened(t, dsn, pairs("counts")), 0, pair{"a", 1})
	same(t, db.Query(t, "SELECT key, n FROM "+schema+".counts"), "a|1")
}

func testWrongStatements(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".counts (key text, n bigint)")
	n := sql.Col("n", func(p pair) int { return p.n })
	for _, row := range []struct {
		statement sql.Statement[pair]
		want      string
	}{
		{sql.Insert("counts", n, sql.Col("m", func(p pair) int { return p.n })), `column "m" does not exist`},
		{sql.Insert("count", n), `relation "count" does not exist`},
		{pairs("counts"), "no unique or exclusion constraint matching the ON CONFLICT"},
		{sql.Exec("UPDATE counts SET n = $1 WHER key = $2", func(p pair) []any { return []any{p.n, p.key} }), "syntax error"},
	} {
		says(t, open(t, dsn, row.statement).Open(t.Context(), job, 1), row.want)
	}
}

// A function of the program that panics fails the task, with its place, and leaves nothing.
func testPanic(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	s := opened(t, dsn, sql.Insert("t", sql.Col("n", func(n int) int { return n })))
	for _, at := range []int{0, 2500} {
		err := s.Write(t.Context(), effect(0), func(yield func(int) bool) {
			for i := range 3000 {
				if i == at {
					panic("out of order")
				}
				if !yield(i) {
					return
				}
			}
		})
		says(t, err, "panic at ", "behaviour_test.go", "out of order")
		same(t, db.Query(t, "SELECT count(*) FROM "+schema+".t"), "0")
	}
}

// Nothing waits for ever: for a lock, for a statement, or within a function.
func testSlow(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".counts (key text PRIMARY KEY, n bigint)")
	holder, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE counts"); err != nil {
		t.Fatal(err)
	}
	put := func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, _ iter.Seq[pair]) error {
		_, err := tx.Exec(ctx, "INSERT INTO counts VALUES ('a', 1)")
		return err
	}
	soon := sql.WithTimeout(time.Second)
	says(t, opened(t, dsn, sql.Func(put), soon).Write(t.Context(), effect(0), slices.Values([]pair{{}})),
		"sql.WithTimeout")
	hang := func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, _ iter.Seq[pair]) error {
		_, err := tx.Exec(ctx, "SELECT pg_sleep(60)")
		return err
	}
	says(t, opened(t, dsn, sql.Func(hang), soon).Write(t.Context(), effect(1), slices.Values([]pair{{}})),
		"the database did not answer within 1s (sql.WithTimeout)")
	if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	// What takes its time on our side is not the database's: between two pulls as long as it likes.
	write(t, opened(t, dsn, sql.Func(put), soon), 2, pair{})
	same(t, db.Query(t, "SELECT key, n FROM "+schema+".counts"), "a|1")
}

// Several sinks of a process share the job: opening one does not fence the others.
func testShared(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".a (n int); CREATE TABLE "+schema+".b (n int)")
	number := sql.Col("n", func(n int) int { return n })
	a := opened(t, dsn, sql.Insert("a", number))
	b := opened(t, dsn, sql.Insert("b", number))
	for _, s := range []*sql.DatabaseSink[int]{a, b} {
		id := effect(0)
		id.Partition = 3
		if err := s.Write(t.Context(), id, slices.Values([]int{1})); err != nil {
			t.Error(err)
		}
	}
	same(t, db.Query(t, "SELECT n FROM "+schema+".a"), "1") // Outputs have names of their own; these had one.
}

func testNoCheckpoint(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	s := open(t, dsn, sql.Insert("t", sql.Col("n", func(n int) int { return n })))
	if err := s.Open(t.Context(), "made up", 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	says(t, errors.New(s.Guarantee()), "at-least-once")
	write(t, s, 0, 1)
	write(t, s, 0, 1)
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"), "1", "1")
	same(t, db.Query(t, "SELECT to_regclass('"+schema+".weir_identities') IS NULL"), "t")
}

// What is acknowledged is on the disk, though the database would say so earlier by default.
func testAsynchronous(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n text)")
	s := opened(t, dsn+"&synchronous_commit=off", sql.Exec("INSERT INTO t VALUES (current_setting('synchronous_commit'))",
		func(int) []any { return nil }))
	write(t, s, 0, 1)
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"), "on")
}

// Who comes with an epoch that is not above the one in the table asks the log whose the job is.
func testOwner(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	st := sql.Insert("t", sql.Col("n", func(n int) int { return n }))
	later := open(t, dsn, st)
	if err := later.Open(t.Context(), job, 5); err != nil {
		t.Fatal(err)
	}
	defer later.Close(context.Background())
	late := open(t, dsn, st)
	lost := errors.New("another process owns the log")
	late.SetOwns(func(context.Context) error { return lost })
	err := late.Open(t.Context(), job, 4)
	says(t, err, "table weir_identities knows a later owner of the job, of epoch 5", lost.Error())
	write(t, later, 0, 1)
	restored := open(t, dsn, st)
	restored.SetOwns(func(context.Context) error { return nil })
	restored.SetInstance("another")
	if err := restored.Open(t.Context(), job, 5); err != nil {
		t.Fatal(err)
	}
	defer restored.Close(context.Background())
	err = later.Write(t.Context(), effect(1), slices.Values([]int{2}))
	if !errors.Is(err, dstream.ErrFenced) {
		t.Errorf("error %v, want %v", err, dstream.ErrFenced)
	}
	says(t, err, "another process has taken the job over")
	write(t, restored, 1, 3)
	same(t, db.Query(t, "SELECT n FROM "+schema+".t ORDER BY n"), "1", "3")
	db.Query(t, "DELETE FROM "+schema+".weir_identities WHERE partition = -1")
	says(t, restored.Write(t.Context(), effect(2), slices.Values([]int{4})),
		"is gone from table weir_identities: start again")
	again := open(t, dsn, st)
	again.SetInstance("a third")
	if err := again.Open(t.Context(), job, 6); err != nil {
		t.Fatal(err)
	}
	defer again.Close(context.Background())
	write(t, again, 2, 4)
}

// A predecessor that stands still in the middle of a transaction, with locks on rows, holds nobody up.
func testOpenTransaction(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int); INSERT INTO "+schema+".t VALUES (0)")
	standing, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	add := func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
		for n := range records {
			if _, err := tx.Exec(ctx, "UPDATE t SET n = n + $1", n); err != nil {
				return err
			}
		}
		return nil
	}
	stand := func(ctx context.Context, tx pgx.Tx, id dstream.Effect, records iter.Seq[int]) error {
		err := add(ctx, tx, id, records)
		close(standing)
		<-goOn
		return err
	}
	old := opened(t, dsn, sql.Func(stand))
	over := make(chan error, 1)
	go func() { over <- old.Write(context.Background(), effect(0), slices.Values([]int{5})) }()
	<-standing
	next := open(t, dsn, sql.Func(add), sql.WithTimeout(10*time.Second))
	if err := next.Open(t.Context(), job, 2); err != nil {
		t.Fatal(err)
	}
	defer next.Close(context.Background())
	write(t, next, 0, 5)
	release()
	if err := <-over; err == nil {
		t.Error("a transaction that was ended is committed")
	}
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"), "5")
}

// deaf connections lose the requests to cancel a statement.
type deaf struct{ net.Conn }

func (c deaf) Write(b []byte) (int, error) {
	const cancelRequest = 80877102
	if len(b) == 16 && binary.BigEndian.Uint32(b[4:]) == cancelRequest {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// A commit in doubt is waited for when its batch is given up, and what is burned does not come in.
func testBurn(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	db.Query(t, "CREATE FUNCTION "+schema+".slow() RETURNS trigger AS $$ BEGIN IF NEW.n = 0 THEN PERFORM pg_sleep(3); "+
		"END IF; RETURN NULL; END $$ LANGUAGE plpgsql")
	db.Query(t, "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON "+schema+".t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "+
		"EXECUTE FUNCTION "+schema+".slow()")
	s := opened(t, dsn, sql.Insert("t", sql.Col("n", func(n int) int { return n })), sql.WithTimeout(time.Second),
		sql.WithConfig(func(cfg *pgxpool.Config) {
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return deaf{c}, err
			}
		}))
	burns := func(seq int64, partitions, want int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if in, err := s.Burn(ctx, effect(seq), partitions); in != want || err != nil {
			t.Errorf("burn batch %d: %d, %v, want %d", seq, in, err, want)
		}
	}
	if err := s.Write(t.Context(), effect(0), slices.Values([]int{0})); err == nil {
		t.Error("a commit that takes longer than the sink waits does not fail")
	}
	if last, ok, err := s.Newest(t.Context(), "out", ""); ok || err != nil {
		t.Errorf("while the commit is in doubt the sink holds %d, %v", last, err)
	}
	burns(0, 2, 1)
	burns(0, 0, 1)
	burns(1, 2, 0)
	write(t, s, 1, 1)
	burns(1, 2, 0)
	write(t, s, 2, 2)
	same(t, db.Query(t, "SELECT n FROM "+schema+".t ORDER BY n"), "0", "2")
}

// Who cannot end a predecessor's transaction is not the owner, and is told so however often it tries.
func testDrainFails(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int); CREATE ROLE meek LOGIN; GRANT USAGE ON SCHEMA "+schema+" TO meek; "+
		"GRANT SELECT, INSERT ON "+schema+".t TO meek")
	insert := sql.Insert("t", sql.Col("n", func(n int) int { return n }))
	old := opened(t, dsn, insert)
	db.Query(t, "GRANT SELECT, INSERT, UPDATE ON "+schema+".weir_identities TO meek")
	meek := strings.Replace(db.DSN(), "weir@", "meek@", 1) + "&search_path=" + schema
	next := open(t, meek, insert, sql.WithTimeout(time.Second))
	err := old.Write(t.Context(), effect(0), func(yield func(int) bool) {
		for n := range 3000 {
			if n == 2500 { // The transaction is open.
				for range 2 {
					says(t, next.Open(t.Context(), job, 2), "a predecessor of this process has a transaction open")
				}
			}
			if !yield(n) {
				return
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	if err := next.Open(t.Context(), job, 2); err != nil {
		t.Fatal(err)
	}
	defer next.Close(context.Background())
	write(t, next, 1, 3000)
	same(t, db.Query(t, "SELECT count(*) FROM "+schema+".t"), "3001")
}

// A task that waits for a connection does not take that for the database being slow.
func testFullPool(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	began := make(chan struct{}, 2)
	slowly := func(ctx context.Context, tx pgx.Tx, _ dstream.Effect, records iter.Seq[int]) error {
		began <- struct{}{}
		for n := range records {
			if _, err := tx.Exec(ctx, "INSERT INTO t SELECT $1 FROM pg_sleep(0.3)", n); err != nil {
				return err
			}
		}
		return nil
	}
	s := opened(t, dsn+"&pool_max_conns=1", sql.Func(slowly), sql.WithTimeout(time.Second))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- s.Write(context.Background(), effect(0), slices.Values(make([]int, 7))) }()
	<-began
	go func() {
		id := effect(0)
		id.Partition = 1
		second <- s.Write(context.Background(), id, slices.Values([]int{1}))
	}()
	id := effect(0)
	id.Partition = 2
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	says(t, s.Write(ctx, id, slices.Values([]int{1})), "one of the pool's 1 connections", "pool_max_conns")
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	same(t, db.Query(t, "SELECT count(*) FROM "+schema+".t"), "8")
}

// Sinks of a job that keep identities in different tables are strangers: opening one ends no transaction of the other.
func testStrangers(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	insert := sql.Insert("t", sql.Col("n", func(n int) int { return n }))
	first := opened(t, dsn, insert)
	err := first.Write(t.Context(), effect(0), func(yield func(int) bool) {
		for n := range 3000 {
			if n == 2500 { // The transaction is open.
				opened(t, dsn, insert, sql.IdentityTable(schema+".others"))
			}
			if !yield(n) {
				return
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	same(t, db.Query(t, "SELECT count(*) FROM "+schema+".t"), "3000")
}

// A password comes from a file, and shows nowhere when it is wrong.
func testPassword(t *testing.T, db *realsql.Server) {
	_, schema := db.Schema(t)
	const secret = `p@ss:w/o%r d'\`
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(db.DSN(), "postgres://weir@")
	st := sql.Insert("t", sql.Col("n", func(n int) int { return n }))
	for _, dsn := range []string{
		"postgres://nobody:${file:" + file + "}@" + address,
		"postgres://weir:${file:" + file + "}@" + strings.Replace(address, "/weir?", "/none?", 1),
		"postgres://weir:${file:" + file + "}@127.0.0.1:1/weir?connect_timeout=2",
	} {
		err := open(t, dsn, st).Open(t.Context(), job, 1)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), secret[:6]) {
			t.Errorf("%s: error %v", dsn, err)
		}
	}
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	write(t, opened(t, "postgres://weir:${file:"+file+"}@"+address+"&search_path="+schema, st), 0, 1)
}

// A server that crashes and comes back is found again; what was acknowledged is there, and nothing twice.
func testCrash(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	s := opened(t, dsn, sql.Insert("t", sql.Col("n", func(n int) int { return n })))
	write(t, s, 0, 0)
	once := false
	err := s.Write(t.Context(), effect(1), func(yield func(int) bool) {
		for i := range 5000 {
			if i == 4000 && !once {
				once = true
				db.Kill()
			}
			if !yield(i + 1) {
				return
			}
		}
	})
	says(t, err, marked)
	db.Up(t)
	for range 2 {
		write(t, s, 1, 1)
	}
	same(t, db.Query(t, "SELECT n FROM "+schema+".t ORDER BY n"), "0", "1")
}
