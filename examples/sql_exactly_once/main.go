// Sql_exactly_once keeps count and sum of the integer values of each key of a Kafka topic, in two tables of PostgreSQL:
// one has a row for each key, the other one for each record, with count and sum up to it. With a checkpoint each record
// counts exactly once in both, whatever dies when.
//
//	CREATE TABLE totals (key text PRIMARY KEY, count bigint NOT NULL, sum bigint NOT NULL);
//	CREATE TABLE answers (key text NOT NULL, count bigint NOT NULL, sum bigint NOT NULL);
//
//	go run ./examples/sql_exactly_once --brokers localhost:9092 --in numbers \
//		--database 'postgres://me:${env:PGPASSWORD}@localhost/me' --checkpoint ./ckpt
package main

import (
	"flag"
	"fmt"
	"strconv"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/sql"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// settings are the program's own flags.
type settings struct{ brokers, in, database string }

func (s *settings) define(set *flag.FlagSet) {
	set.StringVar(&s.brokers, "brokers", "localhost:9092", "the `addresses` of brokers, HOST:PORT,HOST:PORT")
	set.StringVar(&s.in, "in", "numbers", "the `topic` that is read: string keys, integers as text")
	set.StringVar(&s.database, "database", "postgres://localhost/weir",
		"the connection string of the `database`; ${env:NAME} and ${file:PATH} stand for what they refer to")
}

func main() {
	var s settings
	weir.Main("SQLExactlyOnce", build(&s), weir.Flags(s.define))
}

// A total is what is known of a key.
type total struct{ Count, Sum int64 }

// An answer is the total of a key at one of its records.
type answer struct {
	Key   string
	Total total
}

func build(s *settings) weir.Build {
	return func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, kafka.Subscribe(s.in), kafka.Params{
			"bootstrap.servers": s.brokers, "auto.offset.reset": "earliest", "isolation.level": "read_committed",
		}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		columns := []sql.Column[answer]{
			sql.Col("key", func(a answer) string { return a.Key }),
			sql.Col("count", func(a answer) int64 { return a.Total.Count }),
			sql.Col("sum", func(a answer) int64 { return a.Total.Sum }),
		}
		totals, err := sql.Sink(s.database, sql.Upsert("totals", []string{"key"}, columns...))
		if err != nil {
			return err
		}
		all, err := sql.Sink(s.database, sql.Insert("answers", columns...))
		if err != nil {
			return err
		}
		numbers := dstream.MapTry(records.Named("records"), number)
		answers, _ := dstream.MapWithState(numbers, dstream.Spec(add))
		dstream.WriteTo(answers.Named("sums"), totals).Named("totals")
		dstream.WriteTo(answers, all).Named("answers")
		return nil
	}
}

// number reads a record. One that is no number fails its batch, and says where it lies.
func number(r kafka.Record[string, string]) (rdd.Pair[string, int64], error) {
	n, err := strconv.ParseInt(r.Value, 10, 64)
	if err != nil {
		err = fmt.Errorf("%v, offset %d: %w", r.TopicPartition(), r.Offset, err)
	}
	return rdd.KV(r.Key, n), err
}

// add counts a record and gives the answer to it.
func add(key string, n rdd.Optional[int64], state *dstream.State[total]) answer {
	t, _ := state.Option().Get()
	t.Count, t.Sum = t.Count+1, t.Sum+n.Value
	state.Update(t)
	return answer{key, t}
}
