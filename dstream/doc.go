// Package dstream is the streaming half of weir: discretized streams, as Spark Streaming means them.
//
// A [DStream] is a series of RDDs, one for each batch. A batch is a small, named, replayable piece of the
// stream: it has a time and a dense sequence number, its input is fixed by ranges before it runs, and it
// is planned, run and committed as a whole. A [Context] holds the graph and runs the loop.
//
// The graph is made before Start and never changes after. Operators return no errors: what is built
// wrongly is kept with its file and line and returned by Start, all of it at once.
package dstream
