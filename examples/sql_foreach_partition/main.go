// Sql_foreach_partition counts the words of a Kafka topic in a table of PostgreSQL, as a program does that writes its
// own output with dstream.ForeachPartition: each partition of a batch in a transaction, together with the identity that
// it is given, so that a batch that is run again adds nothing. (connector/sql does that, and more, by itself.)
//
//	CREATE TABLE words (word text PRIMARY KEY, n bigint NOT NULL);
//	CREATE TABLE batches (job text, output text, partition integer, sequence bigint NOT NULL, epoch bigint NOT NULL,
//		PRIMARY KEY (job, output, partition));
//
//	go run ./examples/sql_foreach_partition --brokers localhost:9092 --in lines \
//		--database postgres://me@localhost/me --checkpoint ./ckpt
package main

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// settings are the program's own flags.
type settings struct{ brokers, in, database string }

func (s *settings) define(set *flag.FlagSet) {
	set.StringVar(&s.brokers, "brokers", "localhost:9092", "the `addresses` of brokers, HOST:PORT,HOST:PORT")
	set.StringVar(&s.in, "in", "lines", "the `topic` that is read")
	set.StringVar(&s.database, "database", "postgres://localhost/weir", "the connection string of the `database`")
}

func main() {
	var s settings
	weir.Main("SQLForeachPartition", build(&s), weir.Flags(s.define))
}

// A count is a word and how often it occurs in a batch.
type count = rdd.Pair[string, int]

func build(s *settings) weir.Build {
	return func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, kafka.Subscribe(s.in), kafka.Params{
			"bootstrap.servers": s.brokers, "auto.offset.reset": "earliest",
		}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		lines := kafka.Values(records.Named("records")).Named("lines")
		words := dstream.FlatMap(lines, strings.FieldsSeq)
		ones := dstream.MapToPair(words, func(w string) (string, int) { return w, 1 })
		counts := dstream.ReduceByKey(ones, func(a, b int) int { return a + b }).Named("counts")

		// The pool is made by the first task that needs it: a build function does no I/O.
		open := sync.OnceValues(func() (*pgxpool.Pool, error) { return pgxpool.New(context.Background(), s.database) })
		dstream.ForeachPartition(counts, func(tc *rdd.TaskContext, id dstream.Effect, counts iter.Seq[count]) error {
			db, err := open()
			if err != nil {
				return err
			}
			return store(tc, db, id, counts)
		}).Named("words")
		return nil
	}
}

// patience bounds a transaction: nothing should wait for ever.
const patience = time.Minute

// store adds the counts of a partition to those in the table, unless that has been done.
func store(ctx context.Context, db *pgxpool.Pool, id dstream.Effect, counts iter.Seq[count]) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if mine, err := claim(ctx, tx, id); err != nil || !mine {
			return err
		}
		var b pgx.Batch
		for c := range counts {
			b.Queue(`INSERT INTO words AS w (word, n) VALUES ($1, $2)
				ON CONFLICT (word) DO UPDATE SET n = w.n + EXCLUDED.n`, c.Key, c.Value)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}

// claim puts the identity into the transaction; mine is false if that, or a later one, is there. Job, output, sequence
// and partition are the same whenever a batch is run again, in this process or another. The epoch counts the processes
// that had the job: one that was thought dead, and is late, finds a higher one than its own, and so does the job when
// an older checkpoint was restored, for which the rows of the job must be set back by hand. That is an error also where
// the batch seems to be there: it may be another one of the same number. A restored checkpoint whose epoch has come to
// be as high as that in the table is not noticed here, and what it plans anew is passed over. A dstream.Sink is asked
// by Last at the start which batches it holds, so that the job does not begin then.
func claim(ctx context.Context, tx pgx.Tx, id dstream.Effect) (mine bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO batches AS b (job, output, partition, sequence, epoch)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (job, output, partition) DO UPDATE SET sequence = EXCLUDED.sequence, epoch = EXCLUDED.epoch
		WHERE b.sequence < EXCLUDED.sequence AND b.epoch <= EXCLUDED.epoch`,
		id.Job, id.Output, id.Partition, id.Sequence, id.Epoch)
	if err != nil || tag.RowsAffected() > 0 {
		return true, err
	}
	var sequence, epoch int64
	err = tx.QueryRow(ctx, `SELECT sequence, epoch FROM batches WHERE job = $1 AND output = $2 AND partition = $3`,
		id.Job, id.Output, id.Partition).Scan(&sequence, &epoch)
	if err == nil && epoch > id.Epoch {
		err = fmt.Errorf("batch %d is to be stored by epoch %d of the job, and epoch %d has been here, with batch %d",
			id.Sequence, id.Epoch, epoch, sequence)
	}
	return false, err
}
