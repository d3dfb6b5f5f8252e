// Package weirtest tests streaming programs: a function from streams to streams, or a whole build function, is given
// batches in memory and must answer with the wanted ones. It all happens in a testing/synctest bubble, in virtual time:
// a test over hours of batches takes milliseconds, opens no port and never sleeps.
//
// [Op] tests an operator, or any function from a stream to a stream, as a row of a table:
//
//	weirtest.Op(t, [][]string{{"to be", "or not"}, {}, {"be"}}, wordCount, [][]rdd.Pair[string, int]{
//		{rdd.KV("to", 1), rdd.KV("be", 1), rdd.KV("or", 1), rdd.KV("not", 1)}, {}, {rdd.KV("be", 1)},
//	})
//
// [Run] tests a build function as it is. What it reads and what it answers is found by the names that streams were
// given with Named; the inputs above a stream that is replaced are left out of the run:
//
//	weirtest.Run(t, build,
//		weirtest.Input("lines", []string{"to be", "or not"}, nil, []string{"be"}),
//		weirtest.Want("counts", []rdd.Pair[string, int]{rdd.KV("to", 1), ...}, nil, ...))
//
// Either way a row runs several times: with 1, 2 and 7 partitions, each as it is and in the honest mode, which encodes
// every shuffled and cached record as a cluster would. Whatever depends on how records happen to lie fails.
//
// # Death
//
// With [Kills] a row runs once more for each step that its checkpoint takes, which is in memory then: the process dies
// before the step and another one goes on. What a program remembers beside its states and windows shows.
//
// # Time
//
// A bubble begins at midnight of 2000-01-01, UTC. Batch i, counted from 0, is the one at i+1 intervals after that; the
// interval is a second unless [Interval] says otherwise. A time that weirtest waits for is passed as soon as all
// goroutines of the bubble wait, too.
//
// # Kafka
//
// A program that reads Kafka is tested in either of two ways. Its logic alone: name the stream at which the logic
// begins, and give Run records for it, as above. All of it, with offsets, commits and brokers that fail: start a
// cluster of connector/kafka/kafkatest, which is a Kafka in memory, in a bubble of your own, and call [Run] or
// [Start] in that bubble:
//
//	synctest.Test(t, func(t *testing.T) {
//		cluster := kafkatest.Start(t, kfake.SeedTopics(2, "lines"))
//		cluster.Produce("lines", 0, "to be", "or not")
//		weirtest.Run(t, build(cluster.Params(), cluster.Dialer()), weirtest.Want("counts", ...))
//	})
//
// In a bubble of the caller's a row runs once, with 2 partitions and in the honest mode, for what is beside the
// program, such as the offsets of a group, is there only once. Start gives the test the time into its own hands.
package weirtest
