// Package rdd is the batch half of weir: resilient distributed datasets, as Apache Spark means them.
//
// An [RDD] is an immutable, lazy, recomputable collection in partitions. Transformations such as [Map]
// and [ReduceByKey] are functions that make an RDD from an RDD and run nothing; actions such as [Collect]
// and [Count] run a job and give an answer. Narrow transformations are fused into one loop per partition;
// a shuffle (said in the doc of each operator that makes one) cuts the job into stages.
//
// Operators return no errors. A node built wrongly keeps its error, with the file and line of the call,
// and the action returns it.
//
// # What Spark has and weir has not
//
// There is no barrier(), which starts all tasks of a stage at the same time so that they can wait for each other, as
// programs of MPI do. It would have to hold back as many threads as the stage has tasks, waits while it holds some, and
// fails for good where there are fewer; a task that is tried again would have to stop all others. A program that needs
// tasks to meet has them meet at a shuffle, or starts goroutines in one partition.
package rdd
