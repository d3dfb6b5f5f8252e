// Package simulate compares the engine with its definition. From a seed it makes a random program, a graph of operators
// over a few types of elements, with random batches for its inputs; a naive evaluator, which knows neither partitions
// nor panes nor tasks, computes what each output must have in each batch, and the engine must give that: on one core
// and on several, with outputs one after the other or together, with memory for everything or for next to nothing, in
// the honest mode and without it, and when tasks, outputs and batches fail at first.
//
// Chains are the same for package rdd alone: a graph of one batch, with an action beside each output whose result is
// compared, too.
//
// Each graph and each chain runs twice with such settings, and the two runs must give the same in the same order, also
// where the definition leaves the order open: what an attempt gives is a function of its input. Hashes of tables have
// another seed in each run; which tasks of a chain fail differs as well.
//
// Durable graphs go through several lives on a disk that fails and loses what was not synced: processes are killed,
// lose power, are taken for dead and wake up, or stop; clocks are set forwards and back; cores, memory and partitions
// change. The world beside the disk stores each effect under its identity, once, and refuses another one of that name.
// What it holds in the end must be the definition of the graph over the ranges that the log planned.
//
// What a durable graph planned is told once more then: its plan records, and nothing else of its log, are put into the
// log of another checkpoint, some at a time, and programs that only finish what is planned run them, with other cores,
// memory, hash seeds of tables, faults and deaths. Their effects go to another world, which must hold the same rows in
// the same order, partition by partition.
//
//	go test ./internal/simulate                                     # thousands of graphs and chains
//	go test ./internal/simulate -run TestGraphs -args -seed N       # one graph again, shrunk if it fails
//	go test ./internal/simulate -run TestChains -args -seed N       # one chain of RDDs again
//	go test ./internal/simulate -run TestFaults -args -seed N       # one durable graph again
//	go run ./internal/cmd/soak --graphs N --seed S                  # more of them, from seed S on
//	go run ./internal/cmd/soak --seeds N --seed S                   # more durable ones
//
// A durable graph that has failed, and whose reason is mended, is kept in keptSeeds with a sentence. What befell the
// lives is counted, and a run of all seeds fails if they met too little. Whether seeds would see a rule of the engine
// broken is tried by internal/cmd/mutants.
//
// What durable graphs do not see:
//
//   - Errors of reading: on the simulated disk open, list and read never fail. What is damaged or gone is refused by
//     name in internal/checkpoint (damage_test.go); an input that cannot be read for a while is a row of
//     TestPlanningTroubles in dstream.
//   - Faults of spark.local.dir and of pebble's store, which lie on the machine's own disk: rdd (spill_test.go) and
//     state/pebble have some.
//   - A clock that is set back while a process runs: it is between lives only. No other test does it.
//   - Receivers that fail, or connect anew, within a life: dstream (receiver_test.go, wal_test.go), connector/socket.
//   - Another graph, or another interval, on the same checkpoint: dstream (upgrade_test.go, interval_test.go,
//     replan_test.go).
//   - Standbys: internal/checkpoint (owner_test.go), dstream (stopowner_test.go), and on real brokers
//     internal/cmd/chaos --stalls.
//   - The policies stop and skip for failed batches (here they are retried, or given up with skipWithState), and dead
//     letters: dstream (skip_test.go, deadletter_test.go).
//   - Sinks that show what tasks have made ready (dstream.BatchSink): connector/files under weirtest.Sink, which dies
//     at each of its requests.
//   - Brokers: connector/kafka (TestKafkaFaults).
//
// A new operator of dstream wants a line in operators_test.go, one of rdd in chainoperators_test.go or action_test.go:
// the engine's operator and its definition side by side. TestOperatorsAreCovered fails until it has one, or a reason
// why not.
package simulate
