// Package kafka connects streams and RDDs to Apache Kafka, brokers 0.8.2 and up.
//
// [DirectStream] makes a stream whose batches are ranges of offsets, [Stream] one whose records a receiver brings,
// [CreateRDD] an RDD of given ranges, and [Sink] a sink. Nothing joins a consumer group: partitions are assigned by the
// program, offsets are read and committed through the admin protocol, so there is no rebalance that could take a
// partition away. Parameters have the names of Kafka's Java client ([Params]).
package kafka
