// Package sql stores streams in a PostgreSQL database, each record exactly once.
//
//	counts, err := sql.Sink(os.Getenv("DATABASE_URL"), sql.Upsert("counts", []string{"word"},
//		sql.Col("word", func(c rdd.Pair[string, int]) string { return c.Key }),
//		sql.Col("n", func(c rdd.Pair[string, int]) int { return c.Value })))
//	...
//	dstream.WriteTo(totals, counts).Named("counts")
//
// Each partition of a batch is stored in a transaction of its own, together with a row that says so, its identity. A
// batch that is run again finds the row and stores nothing. So readers may see one partition of a batch before another;
// repartition the stream to one partition to have each batch appear as a whole.
//
// # The table of identities
//
// It is made at the start if it is not there and the role may make it. Otherwise whoever may makes it, once:
//
//	CREATE TABLE weir_identities (
//		job text, output text, effect text, partition integer,
//		sequence bigint NOT NULL, epoch bigint NOT NULL, owner text NOT NULL,
//		stored timestamptz NOT NULL DEFAULT now(),
//		PRIMARY KEY (job, output, effect, partition));
//	GRANT SELECT, INSERT, UPDATE ON weir_identities TO ...;
//
// It has a row for each partition of each output, and one for each job, and grows no further. Its rows do not expire.
// Those of a job whose checkpoint is gone may be deleted, no others: the error of the next start would be that the sink
// holds less than the log says. A backup of the database must hold it with the tables that the job writes to, which a
// dump and a replica do by themselves.
//
// # What is fenced
//
// A process that takes a job over writes its name into the row of the job. From then on each transaction of its
// predecessor is refused, and those that are open are ended by pg_terminate_backend, which a role may do to its own
// sessions. Connections through PgBouncer work in the pooling mode of sessions, and in that of transactions with
// default_query_exec_mode=exec in the connection string.
//
// # What fails
//
// A row that the tables refuse fails its batch, which is given up where weir.streaming.failedBatch says so. While the
// database is away, has no room, is read-only, lacks a table or a right, or has a lock that is held for too long, no
// batch is given up: it is tried again, then the program ends with an error that says so, and the next start goes on.
package sql
