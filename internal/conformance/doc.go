// Package conformance compares weir with what Apache Spark 3.5.1 answered to the same operators on the same data: the
// cases in testdata, and those of any folder with files of the same form,
//
//	go test ./internal/conformance -args -conformance DIR
//
// where a DIR that is not absolute begins in this folder or at the root of the module.
//
// Each case runs with 1, 2 and 7 partitions where its answer does not depend on them, and in the honest mode, which
// encodes every shuffled and cached record. Those of streams run once more on a checkpoint, in processes that last for
// a batch, two or three, with states in memory and in a sorted store. Where weir differs from Spark on purpose the
// tests compute what it must give instead; the table of differences says why.
package conformance
