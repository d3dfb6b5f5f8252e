package conf

import "errors"

// This file is the second and the third class: names that are accepted without a meaning, each with
// the reason that the log gives, and names or values that are refused.

// A known name is accepted and does nothing. Its values are still held against its kind, for Spark
// would not start with a wrong one either.
type known struct {
	name   string
	verify func(text string) error
	reason string
}

const (
	ownLog               = "it tunes the files of Spark's write ahead logs, and weir's need no tuning"
	ownCache             = "weir reads by range from each leader and keeps no consumers"
	noStreamingExecutors = "there are no executors to add or remove: the threads come from spark.master"
	engineOwn            = "the engine sets it for each job; remove it"
	virtualTime          = "weir's tests use virtual time (testing/synctest) and " +
		"its clock cannot be replaced; remove it"
	noClasses = "it names a Java class, and weir runs none; remove it"
)

// as makes the check of a kind's values.
func as[T any](k kind[T], bare string) func(string) error {
	return func(text string) error {
		_, err := k.parse(text, bare)
		return err
	}
}

// systemClock takes the name of Spark's own default, which is what weir does; another clock would do harm.
func systemClock(text string) error {
	if text == "org.apache.spark.util.SystemClock" {
		return nil
	}
	return errors.New(virtualTime)
}

// knownNames are those of the closed families; see families for whole families without a meaning.
func knownNames() []known {
	b, i, i64, f := as(bools, ""), as(ints, ""), as(int64s, ""), as(floats, "")
	ms, s := as(times, "ms"), as(times, "s")
	const wal, driverWAL = "spark.streaming.receiver.writeAheadLog.", "spark.streaming.driver.writeAheadLog."
	const cache, allocation = "spark.streaming.kafka.consumer.cache.", "spark.streaming.dynamicAllocation."
	const efficiency, reaper = "spark.speculation.efficiency.", "spark.task.reaper."
	return []known{
		{wal + "rollingIntervalSecs", s, ownLog},
		{wal + "maxFailures", i, ownLog},
		{wal + "closeFileAfterWrite", b, ownLog},
		{driverWAL + "rollingIntervalSecs", s, ownLog},
		{driverWAL + "maxFailures", i, ownLog},
		{driverWAL + "closeFileAfterWrite", b, ownLog},
		{driverWAL + "allowBatching", b, ownLog},
		{driverWAL + "batchingTimeout", ms, ownLog},
		{"spark.streaming.receiver.blockStoreTimeout", s, ownLog},

		{"spark.streaming.kafka.allowNonConsecutiveOffsets", b,
			"gaps between offsets are always normal to weir, of compacted and of transactional topics"},
		{cache + "enabled", b, ownCache},
		{cache + "initialCapacity", i, ownCache},
		{cache + "maxCapacity", i, ownCache},
		{cache + "loadFactor", f, ownCache},

		{allocation + "enabled", b, noStreamingExecutors},
		{allocation + "minExecutors", i, noStreamingExecutors},
		{allocation + "maxExecutors", i, noStreamingExecutors},
		{allocation + "scalingInterval", s, noStreamingExecutors},
		{allocation + "scalingUpRatio", f, noStreamingExecutors},
		{allocation + "scalingDownRatio", f, noStreamingExecutors},
		{allocation + "testing", b, noStreamingExecutors},

		{"spark.streaming.clock", systemClock, "weir's clock is that of the system, as Spark's default is"},

		{"spark.streaming.unpersist", b,
			"weir drops an RDD when no window, state or open batch needs it any more"},
		{"spark.streaming.sessionByKey.deltaChainThreshold", i, "weir's state is no chain of maps"},
		{"spark.streaming.kinesis.retry.waitTime", ms, "this version does not read Kinesis"},
		{"spark.streaming.kinesis.retry.maxAttempts", i, "this version does not read Kinesis"},

		{"spark.task.cpus", i, "a task takes one thread"},
		{"spark.task.maxDirectResultSize", as(sizes, "b"), "results do not leave the process"},
		{reaper + "enabled", b, "a cancelled task is waited for in any case"},
		{reaper + "pollingInterval", ms, "a cancelled task is waited for in any case"},
		{reaper + "threadDump", b, "a cancelled task is waited for in any case"},
		{reaper + "killTimeout", ms, "a cancelled task is waited for in any case"},

		{efficiency + "enabled", b, "slow tasks are told by their run time alone"},
		{efficiency + "longRunTaskFactor", f, "slow tasks are told by their run time alone"},
		{efficiency + "processRateMultiplier", f, "slow tasks are told by their run time alone"},
		{"spark.rdd.limit.initialNumPartitions", i64, "take looks at one partition first"},
	}
}

// A refused name is known and would do harm if it were passed over in silence.
type refused struct {
	name string
	// onlyTrue refuses the value true alone, and accepts the others as without meaning.
	onlyTrue bool
	reason   string
}

func refusedNames() []refused {
	return []refused{
		{"spark.streaming.manualClock.jump", false, virtualTime},
		{"spark.streaming.receiver.writeAheadLog.class", false, noClasses},
		{"spark.streaming.driver.writeAheadLog.class", false, noClasses},
		{"spark.streaming.internal.batchTime", false, engineOwn},
		{"spark.streaming.internal.outputOpId", false, engineOwn},
		{"spark.io.encryption.enabled", true,
			"weir does not encrypt what it writes to spark.local.dir; put that on an encrypted disk, " +
				"and remove this"},
		{"spark.ssl.enabled", true, noTLS},
		{"spark.ssl.ui.enabled", true, noTLS},
		{"spark.acls.enable", true, noACLs},
		{"spark.ui.acls.enable", true, noACLs},
	}
}

const (
	noTLS  = "weir serves no page over TLS; put a proxy that does in front of it, and remove this"
	noACLs = "weir does not restrict who may look at it; put a proxy that does in front of it, " +
		"and remove this"
)
