package client

import "time"

// kind is the type that Kafka gives a parameter's value.
type kind uint8

const (
	kString kind = iota
	kInt
	kLong
	kShort
	kDouble
	kBool
	kList
	kClass
	kPassword
)

// param is one row of the table: a name that some Java client knows, and what comes of it here. A row
// with set acts. A row with why alone is accepted, does nothing, and Summary says why. A row with
// refuse is an error that says why and what to do instead; allow lists the values that are harmless.
type param struct {
	name   string
	roles  Role
	kind   kind
	set    setter
	why    string
	refuse string
	allow  []string
	// now is the name that took an old name's place; the row's value is read as now's.
	now string
	// old translates a value of an old name into one of the new.
	old map[string]string
}

// The reasons why a parameter does nothing. Summary groups by them, so they are few.
const (
	noGroup      = "no group membership: weir assigns partitions itself"
	byBatch      = "batches are limited by spark.streaming.kafka.maxRatePerPartition and back-pressure"
	byRange      = "a range ends where the records do when it is planned, so no fetch waits for more"
	fromLeader   = "partitions are read from and written to their leaders"
	byDeadline   = "every wait here ends with the deadline of its batch or call"
	byCommit     = "offsets are committed after each batch"
	ownMetrics   = "weir has its own metrics"
	inside       = "belongs to the Java client's inside"
	kerberos     = "Kerberos is not supported, and no other mechanism reads it"
	brokerSide   = "is for brokers that check tokens"
	noCreation   = "a job never creates topics"
	share        = "share groups are not used"
	oldAsync     = "belongs to the asynchronous producer of 0.8; linger.ms and batch.size took its place"
	byRetry      = "retry.backoff.ms paces reconnecting, too"
	builtin      = "the file and env providers are built in"
	tokenRefresh = "a token is fetched again when four fifths of its life are over"
	partitioning = "records without a key are dealt in runs of batch.size bytes"
	jsse         = "Go has one TLS implementation of its own"
)

const noZooKeeper = "weir talks to brokers only, never to ZooKeeper: remove it and set bootstrap.servers " +
	"(offsets that are in ZooKeeper have to be committed to Kafka once with Kafka's own tools)"

// params is every name that Kafka's clients had from 0.8 to 4.4, as printed by their ConfigDefs and,
// for 0.8, by the Scala clients' sources. It is read-only.
var params = [][]param{commonParams, consumerParams, producerParams, securityParams, saslParams, oldParams}

// What every client has.
var commonParams = []param{
	{name: "bootstrap.servers", roles: anyRole, kind: kList, set: setBootstrap},
	{name: "client.id", roles: anyRole, set: setString(func(c *Config) *string { return &c.ClientID })},
	{name: "client.rack", roles: Consumer | Producer, why: fromLeader},
	{name: "client.dns.lookup", roles: anyRole, allow: []string{"use_all_dns_ips", "default"},
		refuse: "only use_all_dns_ips is supported: remove it; it is the default"},
	{name: "bootstrap.resolve.timeout.ms", roles: anyRole, kind: kLong, why: byDeadline},
	{name: "bootstrap.controllers", roles: Admin, kind: kList,
		refuse: "weir asks brokers, not controllers: set bootstrap.servers"},
	{name: "request.timeout.ms", roles: anyRole, kind: kInt,
		set: setMillis(1, func(c *Config) *time.Duration { return &c.RequestTimeout })},
	{name: "default.api.timeout.ms", roles: Consumer | Admin, kind: kInt,
		set: setMillis(1, func(c *Config) *time.Duration { return &c.Timeout })},
	{name: "socket.connection.setup.timeout.ms", roles: anyRole, kind: kLong,
		set: setMillis(1, func(c *Config) *time.Duration { return &c.DialTimeout })},
	{name: "socket.connection.setup.timeout.max.ms", roles: anyRole, kind: kLong, why: byDeadline},
	{name: "connections.max.idle.ms", roles: anyRole, kind: kLong, set: setIdle},
	{name: "metadata.max.age.ms", roles: anyRole, kind: kLong,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.MetadataMaxAge })},
	{name: "retry.backoff.ms", roles: anyRole, kind: kLong,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.RetryBackoff })},
	{name: "retry.backoff.max.ms", roles: anyRole, kind: kLong,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.RetryBackoffMax })},
	{name: "reconnect.backoff.ms", roles: anyRole, kind: kLong, why: byRetry},
	{name: "reconnect.backoff.max.ms", roles: anyRole, kind: kLong, why: byRetry},
	{name: "receive.buffer.bytes", roles: anyRole, kind: kInt,
		set: setInt(-1, func(c *Config) *int { return &c.receiveBuffer })},
	{name: "send.buffer.bytes", roles: anyRole, kind: kInt,
		set: setInt(-1, func(c *Config) *int { return &c.sendBuffer })},
	{name: "enable.metrics.push", roles: anyRole, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.PushMetrics })},
	{name: "metadata.cluster.check.enable", roles: anyRole, kind: kBool, why: inside},
	{name: "metadata.recovery.strategy", roles: anyRole, why: "the bootstrap addresses are always asked again"},
	{name: "metadata.recovery.rebootstrap.trigger.ms", roles: anyRole, kind: kLong,
		why: "the bootstrap addresses are always asked again"},
	{name: "config.providers", roles: anyRole, kind: kList, why: builtin},
	{name: "interceptor.classes", roles: anyRole, kind: kList, allow: []string{""},
		refuse: "a Java class cannot run here: do its work with Map on the stream"},
	{name: "metric.reporters", roles: anyRole, kind: kList, why: ownMetrics},
	{name: "auto.include.jmx.reporter", roles: anyRole, kind: kBool, why: ownMetrics},
	{name: "metrics.num.samples", roles: anyRole, kind: kInt, why: ownMetrics},
	{name: "metrics.recording.level", roles: anyRole, why: ownMetrics},
	{name: "metrics.sample.window.ms", roles: anyRole, kind: kLong, why: ownMetrics},
	{name: "retries", roles: Producer | Admin, kind: kInt,
		set: setInt32(0, func(c *Config) *int32 { return &c.Produce.Retries })},
}

// Reading. What only a member of a group needs does nothing: see noGroup.
var consumerParams = []param{
	{name: "group.id", roles: Consumer, set: setString(func(c *Config) *string { return &c.GroupID })},
	{name: "auto.offset.reset", roles: Consumer, set: setReset},
	{name: "enable.auto.commit", roles: Consumer, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.AutoCommit })},
	{name: "auto.commit.interval.ms", roles: Consumer, kind: kInt, why: byCommit},
	{name: "isolation.level", roles: Consumer, set: setIsolation},
	{name: "exclude.internal.topics", roles: Consumer, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.ExcludeInternal })},
	{name: "key.deserializer", roles: Consumer, kind: kClass,
		set: setClass(func(c *Config) *string { return &c.KeyDeserializer })},
	{name: "value.deserializer", roles: Consumer, kind: kClass,
		set: setClass(func(c *Config) *string { return &c.ValueDeserializer })},
	{name: "key.deserializer.encoding", roles: Consumer, set: setEncoding},
	{name: "value.deserializer.encoding", roles: Consumer, set: setEncoding},
	{name: "deserializer.encoding", roles: Consumer, set: setEncoding},
	{name: "fetch.min.bytes", roles: Consumer, kind: kInt, why: byRange},
	{name: "fetch.max.bytes", roles: Consumer, kind: kInt,
		set: setInt32(0, func(c *Config) *int32 { return &c.Fetch.MaxBytes })},
	{name: "fetch.max.wait.ms", roles: Consumer, kind: kInt, why: byRange},
	{name: "max.partition.fetch.bytes", roles: Consumer, kind: kInt,
		set: setInt32(0, func(c *Config) *int32 { return &c.Fetch.PartitionMaxBytes })},
	{name: "check.crcs", roles: Consumer, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.Fetch.CheckCRC })},
	{name: "max.poll.records", roles: Consumer, kind: kInt, why: byBatch},
	{name: "max.poll.interval.ms", roles: Consumer, kind: kInt, why: noGroup},
	{name: "session.timeout.ms", roles: Consumer, kind: kInt, why: noGroup},
	{name: "heartbeat.interval.ms", roles: Consumer, kind: kInt, why: noGroup},
	{name: "partition.assignment.strategy", roles: Consumer, kind: kList, why: noGroup},
	{name: "group.instance.id", roles: Consumer, why: noGroup},
	{name: "group.protocol", roles: Consumer, why: noGroup},
	{name: "group.remote.assignor", roles: Consumer, why: noGroup},
	{name: "internal.leave.group.on.close", roles: Consumer, kind: kBool, why: noGroup},
	{name: "internal.throw.on.fetch.stable.offset.unsupported", roles: Consumer, kind: kBool, why: inside},
	{name: "allow.auto.create.topics", roles: Consumer, kind: kBool, why: noCreation},
	{name: "share.acknowledgement.mode", roles: Consumer, why: share},
	{name: "share.acquire.mode", roles: Consumer, why: share},
}

// Writing. What would weaken the promise that an acknowledged record is there is refused or, where brokers or
// rights leave no choice (enable.idempotence), warned of.
var producerParams = []param{
	{name: "acks", roles: Producer, allow: []string{"all", "-1"},
		refuse: "weir waits for every in-sync replica, or a record could be lost after its batch is committed: " +
			"set all or remove it"},
	{name: "key.serializer", roles: Producer, kind: kClass,
		set: setClass(func(c *Config) *string { return &c.KeySerializer })},
	{name: "value.serializer", roles: Producer, kind: kClass,
		set: setClass(func(c *Config) *string { return &c.ValueSerializer })},
	{name: "key.serializer.encoding", roles: Producer, set: setEncoding},
	{name: "value.serializer.encoding", roles: Producer, set: setEncoding},
	{name: "serializer.encoding", roles: Producer, set: setEncoding},
	{name: "batch.size", roles: Producer, kind: kInt,
		set: setInt32(0, func(c *Config) *int32 { return &c.Produce.BatchBytes })},
	{name: "linger.ms", roles: Producer, kind: kLong,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.Produce.Linger })},
	{name: "buffer.memory", roles: Producer, kind: kLong,
		set: setInt64(0, func(c *Config) *int64 { return &c.Produce.BufferBytes })},
	{name: "buffer.memory.allocation.strategy", roles: Producer, why: inside},
	{name: "max.request.size", roles: Producer, kind: kInt,
		set: setInt32(512, func(c *Config) *int32 { return &c.Produce.MaxRequestBytes })},
	{name: "delivery.timeout.ms", roles: Producer, kind: kInt,
		set: setMillis(1000, func(c *Config) *time.Duration { return &c.Produce.DeliveryTimeout })},
	{name: "max.block.ms", roles: Producer, kind: kLong, why: byDeadline},
	{name: "max.in.flight.requests.per.connection", roles: Producer, kind: kInt,
		set: setInt32(1, func(c *Config) *int32 { return &c.Produce.InFlight })},
	{name: "enable.idempotence", roles: Producer, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.Produce.Idempotent })},
	{name: "transactional.id", roles: Producer,
		set: setString(func(c *Config) *string { return &c.Produce.TransactionalID })},
	{name: "transaction.timeout.ms", roles: Producer, kind: kInt,
		set: setMillis(1, func(c *Config) *time.Duration { return &c.Produce.TransactionTimeout })},
	{name: "transaction.two.phase.commit.enable", roles: Producer, kind: kBool, allow: []string{"false"},
		refuse: "two-phase commit is not supported: remove it"},
	{name: "internal.auto.downgrade.txn.commit", roles: Producer, kind: kBool, why: inside},
	{name: "compression.type", roles: Producer, set: setCompression},
	{name: "compression.gzip.level", roles: Producer, kind: kInt, set: setLevel("gzip", -1, 9)},
	{name: "compression.lz4.level", roles: Producer, kind: kInt, set: setLevel("lz4", 1, 17)},
	{name: "compression.zstd.level", roles: Producer, kind: kInt, set: setLevel("zstd", -131072, 22)},
	{name: "partitioner.class", roles: Producer, kind: kClass, set: setPartitioner},
	{name: "partitioner.ignore.keys", roles: Producer, kind: kBool, set: setIgnoreKeys},
	{name: "partitioner.adaptive.partitioning.enable", roles: Producer, kind: kBool, why: partitioning},
	{name: "partitioner.availability.timeout.ms", roles: Producer, kind: kLong, why: partitioning},
	{name: "partitioner.rack.aware", roles: Producer, kind: kBool, why: partitioning},
	{name: "metadata.max.idle.ms", roles: Producer, kind: kLong, why: inside},
}

// Names of 0.8 and of clients since gone. Their Scala consumers and producers shared property files,
// so these rows hold for every role.
var oldParams = []param{
	{name: "metadata.broker.list", roles: anyRole, now: "bootstrap.servers"},
	{name: "zookeeper.connect", roles: anyRole, refuse: noZooKeeper},
	{name: "zookeeper.session.timeout.ms", roles: anyRole, refuse: noZooKeeper},
	{name: "zookeeper.connection.timeout.ms", roles: anyRole, refuse: noZooKeeper},
	{name: "zookeeper.sync.time.ms", roles: anyRole, refuse: noZooKeeper},
	{name: "offsets.storage", roles: anyRole, allow: []string{"kafka"}, refuse: noZooKeeper},
	{name: "dual.commit.enabled", roles: anyRole, kind: kBool, allow: []string{"false"}, refuse: noZooKeeper},
	{name: "fetch.message.max.bytes", roles: anyRole, now: "max.partition.fetch.bytes"},
	{name: "fetch.wait.max.ms", roles: anyRole, now: "fetch.max.wait.ms"},
	{name: "auto.commit.enable", roles: anyRole, now: "enable.auto.commit"},
	{name: "socket.receive.buffer.bytes", roles: anyRole, now: "receive.buffer.bytes"},
	{name: "socket.timeout.ms", roles: anyRole, now: "request.timeout.ms"},
	{name: "refresh.leader.backoff.ms", roles: anyRole, now: "retry.backoff.ms"},
	{name: "request.required.acks", roles: anyRole, now: "acks"},
	{name: "compression.codec", roles: anyRole, now: "compression.type",
		old: map[string]string{"0": "none", "1": "gzip", "2": "snappy", "3": "lz4"}},
	{name: "message.send.max.retries", roles: anyRole, now: "retries"},
	{name: "topic.metadata.refresh.interval.ms", roles: anyRole, now: "metadata.max.age.ms",
		old: map[string]string{"-1": "300000"}},
	{name: "total.memory.bytes", roles: anyRole, now: "buffer.memory"},
	{name: "compressed.topics", roles: anyRole, kind: kList, allow: []string{""},
		refuse: "compression by topic is not supported: use a sink of its own for each compression.type"},
	{name: "serializer.class", roles: anyRole, kind: kClass, now: "value.serializer"},
	{name: "key.serializer.class", roles: anyRole, kind: kClass, now: "key.serializer"},
	{name: "consumer.id", roles: anyRole, why: noGroup},
	{name: "consumer.timeout.ms", roles: anyRole, kind: kLong, why: byDeadline},
	{name: "num.consumer.fetchers", roles: anyRole, kind: kInt, why: noGroup},
	{name: "queued.max.message.chunks", roles: anyRole, kind: kInt, why: byBatch},
	{name: "rebalance.max.retries", roles: anyRole, kind: kInt, why: noGroup},
	{name: "rebalance.backoff.ms", roles: anyRole, kind: kInt, why: noGroup},
	{name: "heartbeat.frequency", roles: anyRole, kind: kInt, why: noGroup},
	{name: "offsets.channel.backoff.ms", roles: anyRole, kind: kInt, why: byRetry},
	{name: "offsets.channel.socket.timeout.ms", roles: anyRole, kind: kInt, why: byDeadline},
	{name: "offsets.commit.max.retries", roles: anyRole, kind: kInt, why: byDeadline},
	{name: "fetch.buffer.bytes", roles: anyRole, kind: kInt, why: inside},
	{name: "producer.type", roles: anyRole, allow: []string{"sync", "async"}, why: oldAsync},
	{name: "queue.buffering.max.ms", roles: anyRole, kind: kLong, why: oldAsync},
	{name: "queue.buffering.max.messages", roles: anyRole, kind: kInt, why: oldAsync},
	{name: "queue.enqueue.timeout.ms", roles: anyRole, kind: kLong, why: oldAsync},
	{name: "batch.num.messages", roles: anyRole, kind: kInt, why: oldAsync},
	{name: "block.on.buffer.full", roles: anyRole, kind: kBool, why: byDeadline},
	{name: "metadata.fetch.timeout.ms", roles: anyRole, kind: kLong, why: byDeadline},
	{name: "timeout.ms", roles: anyRole, kind: kInt, why: "request.timeout.ms took its place"},
}
