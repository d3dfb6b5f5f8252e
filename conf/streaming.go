package conf

import "time"

// Settings of streams that Spark has too.
var (
	// BlockInterval is how long a receiver gathers records into one block.
	BlockInterval = Setting[time.Duration]{
		kind: times, name: "spark.streaming.blockInterval", unit: "ms", def: 200 * time.Millisecond,
		check: wholeMilliseconds(time.Millisecond),
		doc: "How long a receiver gathers records into one block. A batch of a receiver has about " +
			"interval / blockInterval partitions, and 5,000 at most: where the interval is longer than 5,000 of " +
			"them, a block is what comes in a 5,000th of it. Blocks that a receiver makes itself are not counted.",
		why: "Spark's own. Below 50 ms the cost of a task outweighs what it does.",
	}

	// BlockQueueSize bounds the blocks of a receiver that wait to be stored.
	BlockQueueSize = Setting[int]{
		kind: ints, name: "spark.streaming.blockQueueSize", unit: "blocks", def: 10, check: atLeast(1),
		doc:  "How many finished blocks of a receiver may wait to be stored before its sender has to wait.",
		why:  "Spark's own: two seconds of blocks.",
		idle: "received blocks are bounded by their bytes, weir.receiver.memory",
	}

	// ReceiverMaxRate limits each receiver.
	ReceiverMaxRate = Setting[int64]{
		kind: rates, name: "spark.streaming.receiver.maxRate", unit: "records/s", defText: "0 (no limit)",
		doc: "The most records a second that each receiver takes; 0 or less means no limit. Its sender " +
			"waits, nothing is dropped.",
		why: "Spark's own. weir.receiver.memory bounds memory in any case.",
	}

	// ReceiverRestartDelay is the pause before a failed receiver is started again.
	ReceiverRestartDelay = Setting[time.Duration]{
		kind: times, name: "spark.streaming.receiverRestartDelay", unit: "ms", def: 2 * time.Second,
		check: atLeast[time.Duration](0),
		doc:   "How long a receiver that asked to be restarted, or failed, is left stopped.",
		why:   "Spark's own: time for a peer to come back, and no storm of connections if it does not.",
	}

	// ReceiverWriteAheadLog stores what receivers took before it is used.
	ReceiverWriteAheadLog = Setting[bool]{
		kind: bools, name: "spark.streaming.receiver.writeAheadLog.enable", def: false,
		doc: "Whether what a receiver takes is written to a log before it counts as received, so that " +
			"it survives the process. Needs a checkpoint.",
		why: "Spark's own: it costs a disk write per block.",
	}

	// CheckpointDirectory makes a job durable.
	CheckpointDirectory = Setting[string]{
		kind: texts, name: "spark.streaming.checkpoint.directory", defText: "none",
		doc: "The directory of the job's durable checkpoint, as if the program had asked for it.",
		why: "Where state may be kept is for the user to say.",
	}

	// Standby has a second process wait for the checkpoint.
	Standby = Setting[bool]{
		kind: bools, name: "weir.checkpoint.standby", def: false,
		doc: "Whether a program whose checkpoint is owned by another process that is alive waits and takes " +
			"over when that is gone; otherwise it ends at once (exit code 3).",
		why: "Two processes on one checkpoint are more often a mistake than a standby.",
	}

	// RetainedInCheckpoint is how many batches can be looked at.
	RetainedInCheckpoint = Setting[int]{
		kind: ints, name: "weir.checkpoint.retainedBatches", unit: "batches", def: 10, check: atLeast(1),
		doc: "How many committed batches a checkpoint holds beyond those that windows ask for: to be listed by weir " +
			"batches, run again by weir replay, and have their states read. Files and objects that they read must be " +
			"there as long.",
		why: "What went wrong is mostly in the last few.",
	}

	// CheckpointRename says what has another name now.
	CheckpointRename = Setting[string]{
		kind: texts, name: "weir.checkpoint.rename", defText: "none",
		doc: "Inputs, states and outputs of the checkpoint that have another name in this program: OLD => NEW, " +
			"separated by semicolons. A name that holds a semicolon, an equals sign or a quote stands in double " +
			"quotes, as Go writes it. A new name must be one of which the checkpoint has nothing, or what it has " +
			"must be given up by weir.checkpoint.drop.",
		why: "Whether a name that has gone and one that is new are the same thing only the user knows.",
	}

	// CheckpointSkip names an open batch that is given up.
	CheckpointSkip = Setting[int64]{
		kind: int64s, name: "weir.checkpoint.skip", unit: "sequence", defText: "none", def: -1,
		check: atLeast[int64](-1),
		doc: "The number of a batch that is planned and not committed, and is given up at the start instead of " +
			"being run again: what is in its sinks stays, nothing more of it is written, and states and windows " +
			"never see it. One that the checkpoint does not know yet is refused; one that is over is passed over " +
			"with a warning.",
		why: "A batch that can never succeed would stop the job for ever; to lose its records only the user may " +
			"decide.",
	}

	// CheckpointDrop says what is given up.
	CheckpointDrop = Setting[string]{
		kind: texts, name: "weir.checkpoint.drop", defText: "none",
		doc: "Inputs, states and outputs of the checkpoint that are given up, separated by semicolons; names as in " +
			"weir.checkpoint.rename. It is done once: at later starts with the same setting a warning says that it " +
			"can be left out.",
		why: "A state is not thrown away without being asked for.",
	}

	// StopGracefullyOnShutdown says how a signal stops the job.
	StopGracefullyOnShutdown = Setting[bool]{
		kind: bools, name: "spark.streaming.stopGracefullyOnShutdown", def: true,
		doc: "Whether SIGTERM and SIGINT let the job finish and commit what it has received before it " +
			"ends; otherwise the running batch is cut off.",
		why: "Spark's is false, so that a plain kill repeats or loses the last batch. Nobody wants " +
			"that by default, and the stop is bounded by spark.streaming.gracefulStopTimeout.",
	}

	// GracefulStopTimeout bounds a graceful stop.
	GracefulStopTimeout = Setting[time.Duration]{
		kind: times, name: "spark.streaming.gracefulStopTimeout", unit: "ms",
		defText: "0s (10 batch intervals, at least 10s)", check: atLeast[time.Duration](0),
		doc: "How long a graceful stop may take before what still runs is cut off; 0 means ten batch " +
			"intervals, and at least ten seconds.",
		why: "Spark's own: queued batches are bounded, so ten intervals are more than they need.",
	}

	// StopSparkContextByDefault says whether stopping the stream stops all.
	StopSparkContextByDefault = Setting[bool]{
		kind: bools, name: "spark.streaming.stopSparkContextByDefault", def: true,
		doc: "Whether stopping a streaming context stops the RDD context below it too, where the call " +
			"does not say.",
		why: "Spark's own: most programs have one of each.",
	}

	// ConcurrentJobs is how many jobs of outputs run at the same time.
	ConcurrentJobs = Setting[int]{
		kind: ints, name: "spark.streaming.concurrentJobs", unit: "jobs", def: 1, check: atLeast(1),
		doc: "How many outputs of a batch are computed at the same time. Batches follow one another.",
		why: "Spark's own: a batch has the whole machine, and memory holds one.",
	}

	// RetainedBatches is how many finished batches the page remembers.
	RetainedBatches = Setting[int]{
		kind: ints, name: "spark.streaming.ui.retainedBatches", unit: "batches", def: 1000,
		check: atLeast(1),
		doc:   "How many finished batches the page shows. Those that were given up it shows for ever.",
		why:   "Spark's own: a quarter of an hour at one second.",
	}
)

// Settings of streams of files.
var (
	// FileMinRememberDuration is how long a stream of files remembers what it has read.
	FileMinRememberDuration = Setting[time.Duration]{
		kind: times, name: "spark.streaming.fileStream.minRememberDuration", unit: "s", def: 60 * time.Second,
		check: above[time.Duration](0),
		derive: func(c *Conf, d time.Duration, set bool) time.Duration {
			if set {
				return d
			}
			old, oldSet, err := FileMinRememberDurationOld.Lookup(c)
			if err == nil && oldSet {
				return old
			}
			return d
		},
		doc: "How long a stream of files remembers the files that it has read, at least: rounded up to whole " +
			"batches. A file that appears later than that after its last change is not read, and a warning " +
			"names it.",
		why: "Spark's own: time for clocks that differ and for listings that are late.",
	}

	// FileMinRememberDurationOld is the name that Spark had for it before.
	FileMinRememberDurationOld = Setting[time.Duration]{
		kind: times, name: "spark.streaming.minRememberDuration", unit: "s", def: 60 * time.Second,
		check: above[time.Duration](0),
		doc:   "The old name of spark.streaming.fileStream.minRememberDuration, which goes before it.",
		why:   "Spark's own.",
	}
)

// A RateEstimator is a way to work out how many records a second a job can take.
type RateEstimator string

// PID is the only rate estimator, in weir as in Spark: a proportional-integral-derivative controller.
const PID RateEstimator = "pid"

// Settings of back-pressure, which adapts the rate of the sources to the speed of the batches.
var (
	// BackpressureEnabled turns the rate controller on.
	BackpressureEnabled = Setting[bool]{
		kind: bools, name: "spark.streaming.backpressure.enabled", def: false,
		doc: "Whether the rate of the sources follows the speed at which batches are processed, within " +
			"the fixed limits.",
		why: "Spark's own: a rate that moves by itself should be asked for.",
	}

	// BackpressureInitialRate is the rate before the controller knows one.
	BackpressureInitialRate = Setting[int64]{
		kind: rates, name: "spark.streaming.backpressure.initialRate", unit: "records/s",
		defText: "0 (the fixed limits alone)",
		doc: "The rate of a receiver, or of a whole Kafka stream, until the controller knows one; 0 or " +
			"less means the fixed limits and weir.streaming.firstBatchRecords alone.",
		why: "Spark's own for Kafka; for receivers Spark takes receiver.maxRate, which is the fixed limit.",
	}

	// BackpressureRateEstimator is the kind of controller.
	BackpressureRateEstimator = Setting[RateEstimator]{
		kind: oneOf(PID), name: "spark.streaming.backpressure.rateEstimator", def: PID,
		doc: "The kind of rate controller. There is one.",
		why: "Spark's own.",
	}

	// PIDProportional weighs the last error.
	PIDProportional = Setting[float64]{
		kind: floats, name: "spark.streaming.backpressure.pid.proportional", def: 1, check: atLeast(0.0),
		doc: "The weight of the difference between the last rate and the speed of the last batch.",
		why: "Spark's own.",
	}

	// PIDIntegral weighs what has piled up.
	PIDIntegral = Setting[float64]{
		kind: floats, name: "spark.streaming.backpressure.pid.integral", def: 0.2, check: atLeast(0.0),
		doc: "The weight of what has piled up, taken from the scheduling delay.",
		why: "Spark's own.",
	}

	// PIDDerived weighs the change of the error.
	PIDDerived = Setting[float64]{
		kind: floats, name: "spark.streaming.backpressure.pid.derived", def: 0, check: atLeast(0.0),
		doc: "The weight of the change of the difference; above 0 it reacts to trends, and to noise.",
		why: "Spark's own.",
	}

	// PIDMinRate is the lowest rate the controller gives.
	PIDMinRate = Setting[float64]{
		kind: floats, name: "spark.streaming.backpressure.pid.minRate", unit: "records/s", def: 100,
		check: above(0.0),
		doc:   "The lowest rate the controller gives to a whole stream.",
		why:   "Spark's own: without a floor a stream that was slow once might never learn that it is not.",
	}
)

// Settings of Kafka streams that Spark has too.
var (
	// KafkaMaxRatePerPartition limits each Kafka partition.
	KafkaMaxRatePerPartition = Setting[int64]{
		kind: rates, name: "spark.streaming.kafka.maxRatePerPartition", unit: "records/s",
		defText: "0 (no limit)",
		doc:     "The most records a second that are planned for each Kafka partition; 0 means no limit.",
		why:     "Spark's own. The first batch is bounded by weir.streaming.firstBatchRecords.",
	}

	// KafkaMinRatePerPartition keeps slow partitions moving.
	KafkaMinRatePerPartition = Setting[int64]{
		kind: int64s, name: "spark.streaming.kafka.minRatePerPartition", unit: "records/s", def: 1,
		check: atLeast[int64](0),
		doc: "The fewest records a second that a limit leaves to each Kafka partition that has any. " +
			"Fractions are carried over to later batches.",
		why: "Spark's own: no partition starves.",
	}

	// KafkaPollTimeout bounds a task's wait for records.
	KafkaPollTimeout = Setting[time.Duration]{
		kind: times, name: "spark.streaming.kafka.consumer.poll.ms", unit: "ms",
		defText: "spark.network.timeout", def: 120 * time.Second, check: above[time.Duration](0),
		derive: func(c *Conf, d time.Duration, set bool) time.Duration {
			if !set {
				d = NetworkTimeout.Get(c)
			}
			return d
		},
		doc: "How long a task waits, over all its requests, for the next record of its range before it " +
			"fails. One request waits at most request.timeout.ms of the Kafka parameters.",
		why: "Spark's own: long enough for a new leader to be elected.",
	}

	// KafkaMaxRetries is how often offsets are asked for again.
	KafkaMaxRetries = Setting[int]{
		kind: ints, name: "spark.streaming.kafka.maxRetries", unit: "times", def: 1, check: atLeast(0),
		doc: "How often the latest offsets are asked for again when a leader could not be reached while a " +
			"batch is planned.",
		why:  "Spark's own: leaders move, and the next batch asks again anyhow.",
		idle: "a leader is asked until spark.streaming.kafka.consumer.poll.ms is over",
	}
)
