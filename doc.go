// Package weir runs streaming programs as a series of small, named, replayable batches: Spark Streaming's idea
// in Go.
//
// A program is a build function that makes a graph of streams:
//
//	func main() { weir.Main("wordcount", build) }
//
//	func build(ssc *dstream.Context) error {
//		lines, err := kafka.DirectStream(ssc, kafka.Subscribe("lines"), kafka.Params{
//			"bootstrap.servers": "localhost:9092", "group.id": "wordcount",
//		}, kafka.String, kafka.String)
//		if err != nil {
//			return err
//		}
//		words := dstream.FlatMap(kafka.Values(lines), strings.FieldsSeq)
//		pairs := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
//		dstream.Print(dstream.ReduceByKey(pairs, func(a, b int) int { return a + b }), 10)
//		return nil
//	}
//
// The model, in one screen. A stream ([dstream.DStream]) is a series of RDDs, one a batch. An RDD ([rdd.RDD]) is
// partitions, a function that computes one of them, and what it depends on. A batch has a time and a number; at
// its time every input fixes a range (such as Kafka offsets), then the batch is computed from the ranges, its
// effects go out, and it is committed. Whatever fails is computed again from the same ranges.
//
// [Main] is for programs: it parses spark-submit's flags, handles signals and exits. [Run] embeds a program
// in a service and does none of that.
package weir
