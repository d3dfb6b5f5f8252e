// Package exec runs jobs over a graph of untyped nodes: it cuts the graph into stages at shuffles, runs
// the tasks of each stage on the slots of one machine, retries what fails and keeps the place in the
// user's program where it was asked for. It knows nothing of the type of a record: closures made where
// the types are known do the work (package rdd), and nothing here touches a record.
package exec
