// Package realkafka starts real Apache Kafka brokers for tests, from 0.8.2.2 to the newest release.
//
//	c := realkafka.Start(t, "2.8.1", realkafka.SASL())
//	c.Topic("words", 3, 1, nil)
//	client, err := kgo.NewClient(c.ClientOpts(realkafka.SASLListener, realkafka.CKafkaUser)...)
//
// The brokers are those that Apache publishes on Maven Central; the script kafka.sh of this folder fetches them
// into a cache (once), configures and starts them on loopback, and can be used by hand as well. They need Linux,
// Java 17 and, until the cache is filled, Maven. A test that cannot have them is skipped with the reason, but
// fails where the environment variable CI is set, so that a whole suite cannot fall silent unseen.
//
// One cluster runs at a time on a machine, however many test processes there are: Start waits for its turn. A
// cluster ends with the test that started it, and also when the test's process dies, for the script holds a
// pipe to that process and destroys the cluster when the pipe breaks.
package realkafka
