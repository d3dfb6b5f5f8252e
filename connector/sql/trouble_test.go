package sql_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realsql"
	"github.com/weirstream/weir/rdd"
)

// marked is what an error says that no batch is given up for.
const marked = "no batch is given up for that"

// fails makes a table t of numbers into which each row comes by a statement that may raise an error.
func fails(t *testing.T, db *realsql.Server, raise string) (dsn, schema string) {
	t.Helper()
	dsn, schema = db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n smallint UNIQUE)")
	db.Query(t, "CREATE FUNCTION "+schema+".f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+raise+"; RETURN NEW; "+
		"END $$")
	db.Query(t, "CREATE TRIGGER f BEFORE INSERT ON "+schema+".t FOR EACH ROW EXECUTE FUNCTION "+schema+".f()")
	return dsn, schema
}

// What keeps every row out is told apart from what is wrong with one, by the code of the database.
func testTroubleByCode(t *testing.T, db *realsql.Server) {
	for code, want := range map[string]bool{
		"53100": true, "53200": true, "57P01": true, "58030": true, "25006": true, "42501": true, "42P01": true,
		"42703": true, "3F000": true, "28000": true, "55P03": true, "08006": true,
		"22001": false, "23514": false, "P0001": false, "40P01": false, "54000": false,
	} {
		dsn, _ := fails(t, db, "RAISE 'no row' USING ERRCODE = '"+code+"'")
		for name, st := range map[string]sql.Statement[int]{"Insert": insertN(), "Upsert": upsertN(),
			"Func": sql.Func(one2)} {
			err := opened(t, dsn, st).Write(t.Context(), effect(0), slices.Values([]int{1}))
			says(t, err, "no row")
			if got := strings.Contains(fmt.Sprint(err), marked); got != want {
				t.Errorf("%s, %s: marked: %v, %v", code, name, got, err)
			}
		}
	}
}

func insertN() sql.Statement[int] { return sql.Insert("t", sql.Col("n", func(n int) int { return n })) }

func upsertN() sql.Statement[int] {
	return sql.Upsert("t", []string{"n"}, sql.Col("n", func(n int) int { return n }))
}

// What records, or the program's own functions, are the reason of is theirs, and what a task was not left the time for
// is neither's.
func testNoTrouble(t *testing.T, db *realsql.Server) {
	dsn, schema := fails(t, db, "NULL")
	db.Query(t, "INSERT INTO "+schema+".t VALUES (7)")
	own := errors.New("not this one")
	none := func(context.Context, pgx.Tx, dstream.Effect, iter.Seq[int]) error { return own }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name   string
		ctx    context.Context
		st     sql.Statement[int]
		record int
	}{
		{"a row that is there", t.Context(), insertN(), 7},
		{"a number too large for COPY", t.Context(), insertN(), 70_000},
		{"a number too large for a statement", t.Context(), upsertN(), 70_000},
		{"a function's own", t.Context(), sql.Func(none), 1},
		{"a task that has ended", over, insertN(), 1},
	} {
		err := opened(t, dsn, row.st).Write(row.ctx, effect(0), slices.Values([]int{1, row.record}))
		if err == nil || strings.Contains(err.Error(), marked) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	err := opened(t, dsn, insertN()).Write(t.Context(), effect(0), func(func(int) bool) { panic(own) })
	if err == nil || strings.Contains(err.Error(), marked) {
		t.Errorf("no records: %v", err)
	}
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"), "7")
}

// A server that is away, or answers nothing, is in trouble, and so is one that has become read-only.
func testTroubleOfServer(t *testing.T, db *realsql.Server) {
	dsn, schema := fails(t, db, "IF NEW.n = 1 THEN PERFORM pg_sleep(60); END IF")
	write := func(name string, s *sql.DatabaseSink[int], st int) {
		t.Helper()
		says(t, s.Write(t.Context(), effect(0), slices.Values([]int{st})), "store partition 0 of batch 0", marked)
	}
	write("no answer", opened(t, dsn, insertN(), sql.WithTimeout(time.Second)), 1)
	write("no answer in time", opened(t, dsn+"&statement_timeout=1s", insertN()), 1)
	gone := opened(t, dsn, insertN())
	db.Query(t, "DROP TABLE "+schema+".weir_identities")
	write("no identities", gone, 2)
	s := opened(t, dsn, insertN())
	db.Kill()
	write("no server", s, 2)
	db.Up(t)
	same(t, db.Query(t, "SELECT n FROM "+schema+".t"))
}

// counting is a source of the numbers from 0 on, one for each batch.
type counting struct{}

func (counting) Resolve(_ context.Context, from []byte) ([]byte, error) { return from, nil }

func (counting) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	n := 0
	if from != nil {
		n, _ = strconv.Atoi(string(from))
		n++
	}
	return strconv.AppendInt(nil, int64(n), 10), 1, nil
}

func (counting) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] {
	n, _ := strconv.Atoi(string(rng))
	return rdd.Parallelize(sc, []int{n})
}

func (counting) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (counting) Released(context.Context, []byte) error { return nil }

// numbersProgram runs a program that stores counting's numbers in a table t, until batch last is in, or it ends.
func numbersProgram(t *testing.T, dsn, dir string, last int64, settings ...string) error {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.checkpoint.directory", dir)
	for i := 0; i+1 < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	build := func(ssc *dstream.Context) error {
		sink, err := sql.Sink(dsn, insertN())
		if err != nil {
			return err
		}
		numbers := dstream.FromSource(ssc, "numbers", dstream.Source[int](counting{})).Named("numbers")
		dstream.WriteTo(numbers, sink).Named("t")
		ssc.AddListener(func(e dstream.Event) {
			if done, ok := e.(dstream.BatchCommitted); ok && done.Sequence >= last && last >= 0 {
				cancel()
			}
		})
		return nil
	}
	return weir.Run(ctx, build, weir.Interval(20*time.Millisecond), weir.Conf(c), weir.Output(io.Discard))
}

// A program that skips batches which fail does not skip the stream while a table takes no rows: it ends, and the next
// one stores what it lacks.
func testTroubleOfProgram(t *testing.T, db *realsql.Server) {
	dsn, schema := fails(t, db, "IF NEW.n >= 3 THEN RAISE 'no room' USING ERRCODE = '53100'; END IF")
	dir := t.TempDir()
	skip := []string{"weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.backoff", "1ms"}
	says(t, numbersProgram(t, dsn, dir, -1, skip...), "no room", marked)
	rows := func() []string { return db.Query(t, "SELECT n FROM "+schema+".t WHERE n < 5 ORDER BY n") }
	same(t, rows(), "0", "1", "2")
	sc, err := rdd.NewContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Stop(t.Context())
	info, err := dstream.ReadCheckpoint(t.Context(), sc, dir)
	if err != nil || len(info.Skipped) > 0 {
		t.Errorf("%v, given up are %+v", err, info.Skipped)
	}
	db.Query(t, "DROP TRIGGER f ON "+schema+".t")
	if err := numbersProgram(t, dsn, dir, 4, skip...); err != nil {
		t.Error(err)
	}
	same(t, rows(), "0", "1", "2", "3", "4")
}

// After an older checkpoint was restored, and its loss accepted, no batch that the table holds is stored once more,
// into however many partitions it is planned now.
func testAcceptedLoss(t *testing.T, db *realsql.Server) {
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t (n int)")
	now, before := t.TempDir(), t.TempDir()
	if err := numbersProgram(t, dsn, now, 1); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(before, os.DirFS(now)); err != nil {
		t.Fatal(err)
	}
	if err := numbersProgram(t, dsn, now, 9); err != nil {
		t.Fatal(err)
	}
	stored := db.Query(t, "SELECT max(sequence) FROM "+schema+".weir_identities")[0]
	last, err := strconv.ParseInt(stored, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	err = numbersProgram(t, dsn, before, last, "weir.sink.accept", "t=loss", "spark.default.parallelism", "4")
	if err != nil {
		t.Fatal(err)
	}
	same(t, db.Query(t, "SELECT count(*) - count(DISTINCT n) FROM "+schema+".t"), "0")
}
