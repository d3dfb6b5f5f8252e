package conf

import "time"

// A MissedBatches policy says what becomes of batch times that passed while no batch could start.
type MissedBatches string

// The policies for missed batch times.
const (
	// AutoMissed merges them where no operator depends on batch times, and runs each otherwise.
	AutoMissed MissedBatches = "auto"
	// MergeMissed merges them into few batches.
	MergeMissed MissedBatches = "merge"
	// EachMissed runs a batch for each, as Spark does.
	EachMissed MissedBatches = "each"
)

// A FailedBatch policy says what follows when a batch has failed after the retries of its tasks.
type FailedBatch string

// The policies for failed batches.
const (
	// AutoFailed is RetryFailed with a checkpoint, and StopFailed without one.
	AutoFailed FailedBatch = "auto"
	// StopFailed stops the job with the batch's error.
	StopFailed FailedBatch = "stop"
	// RetryFailed runs the same batch again, with a growing pause, and stops the job if that does
	// not help.
	RetryFailed FailedBatch = "retry"
	// SkipFailed retries, and then gives the batch up, writes that down and goes on. It needs a checkpoint, and a
	// program without states and windows.
	SkipFailed FailedBatch = "skip"
	// SkipWithStateFailed is SkipFailed for programs with states and windows, too, which miss the batch for ever.
	SkipWithStateFailed FailedBatch = "skipWithState"
)

// Skips tells whether a batch that fails for good is given up.
func (f FailedBatch) Skips() bool { return f == SkipFailed || f == SkipWithStateFailed }

// Settings of streams that only weir has.
var (
	// Interval is the batch interval.
	Interval = Setting[time.Duration]{
		kind: times, name: "weir.streaming.interval", unit: "ms", def: time.Second,
		check: wholeMilliseconds(time.Millisecond),
		doc: "The batch interval of a program that does not fix one itself; the flag --interval sets it. " +
			"In Spark it can be given in the program only.",
		why: "Short enough to watch, long enough that the cost of a batch does not show.",
	}

	// MaxQueuedBatches bounds the batches that wait.
	MaxQueuedBatches = Setting[int]{
		kind: ints, name: "weir.streaming.maxQueuedBatches", unit: "batches", def: 2, check: atLeast(1),
		doc: "How many planned batches may wait behind the running one. While as many wait no batch is " +
			"planned, and times pass as missed.",
		why: "One to go on with at once and one in reserve. Spark's queue has no bound, and its ranges " +
			"are fixed too early for the rate to matter.",
	}

	// MaxUncommittedBatches bounds how far batches run ahead of transactions.
	MaxUncommittedBatches = Setting[int]{
		kind: ints, name: "weir.streaming.maxUncommittedBatches", unit: "batches", def: 8, check: atLeast(1),
		doc: "How many batches may have been computed and not be committed, where outputs write in transactions: the " +
			"next batches run while a transaction is on its way, and those that wait for it share the next one. " +
			"With 1 each batch is committed before the next one runs, as it is where failed batches are skipped.",
		why: "Transactions may take eight intervals before batches have to wait for them. What is not committed runs " +
			"again after a crash.",
	}

	// SinkAccept accepts what would otherwise keep a job from starting.
	SinkAccept = Setting[string]{
		kind: texts, name: "weir.sink.accept", defText: "none",
		doc: "Outputs whose sinks may hold something else than the checkpoint says, each as NAME=loss or " +
			"NAME=duplicates, with semicolons between them and names as in weir.checkpoint.rename. " +
			"The error of the start, or of a batch that is given up, says which it is about and what follows.",
		why: "Going on loses or doubles records, and only the user can say which of them is harmless.",
	}

	// Missed is the policy for missed batch times.
	Missed = Setting[MissedBatches]{
		kind: oneOf(AutoMissed, MergeMissed, EachMissed), name: "weir.streaming.missedBatches",
		def: AutoMissed,
		doc: "What becomes of batch times that passed while the job was down or its queue was full: " +
			"merged into few batches (merge), one batch for each (each), or merged where no window, " +
			"state or other operator depends on batch times (auto).",
		why: "Merging is faster and gives the same answers wherever auto does it.",
	}

	// FirstBatchRecords bounds a batch that nothing else bounds.
	FirstBatchRecords = Setting[int64]{
		kind: int64s, name: "weir.streaming.firstBatchRecords", unit: "records", def: 1_000_000,
		check: atLeast[int64](0),
		doc: "The most records of one batch as long as no limit bounds it and no speed is known, which " +
			"is so for the first one; 0 means no bound.",
		why: "A backlog of days should not become one batch. A million records take a second or so.",
	}

	// MaxDeadLetters bounds the dead letters of a batch.
	MaxDeadLetters = Setting[int]{
		kind: ints, name: "weir.streaming.maxDeadLetters", unit: "records", def: 10_000, check: atLeast(1),
		doc: "The most records of one batch that may become dead letters; a batch with more fails.",
		why: "So many speak against the program, and they are held in memory.",
	}

	// Failed is the policy for failed batches.
	Failed = Setting[FailedBatch]{
		kind: oneOf(AutoFailed, StopFailed, RetryFailed, SkipFailed, SkipWithStateFailed),
		name: "weir.streaming.failedBatch",
		def:  AutoFailed,
		doc: "What follows when a batch has failed after the retries of its tasks: the job stops with " +
			"its error (stop), the same batch runs again (retry; of one that waits for its transaction while " +
			"others run, that is tried again with what was computed), or that and, if it does not help, the batch is " +
			"given up and written down as skipped (skip, which needs a checkpoint; skipWithState where states " +
			"and windows would miss its records; never for a sink that does not open, that cannot be written " +
			"at all, as a folder of files whose disk is full, or whose past asks for weir.sink.accept, nor for a " +
			"store of states or a disk of spark.local.dir that fails); auto is retry with a checkpoint and stop " +
			"without one. What is written down of a skipped batch says which outputs have its records; of one " +
			"without a sink that is unknown if another process had begun the batch, and has not logged that the " +
			"output had finished, which at intervals up to 50 ms none does.",
		why: "Without a checkpoint a supervisor that starts the job again is the better retry. Spark " +
			"goes on as if nothing had happened, and the batch's data are lost.",
	}

	// FailedBatchMaxRetries bounds the retries of a batch.
	FailedBatchMaxRetries = Setting[int]{
		kind: ints, name: "weir.streaming.failedBatch.maxRetries", unit: "times", def: 3,
		check: atLeast(1),
		doc:   "How often weir.streaming.failedBatch=retry runs a batch again before the job stops.",
		why:   "With the pauses between them: long enough for a restart of what the batch writes to.",
	}

	// FailedBatchBackoff is the pause before a batch is retried.
	FailedBatchBackoff = Setting[time.Duration]{
		kind: times, name: "weir.streaming.failedBatch.backoff", unit: "ms", def: 5 * time.Second,
		check: atLeast[time.Duration](0),
		doc:   "The pause before a failed batch runs again; it doubles each time.",
		why:   "5, 10 and 20 seconds make half a minute together, the time of a fail-over.",
	}

	// ShutdownTimeout bounds what a stop waits for at its end.
	ShutdownTimeout = Setting[time.Duration]{
		kind: times, name: "weir.streaming.shutdownTimeout", unit: "ms", def: 10 * time.Second,
		check: above[time.Duration](0),
		doc: "How long a stop, after its graceful part, and a program that ends by an error wait for " +
			"receivers and functions that have been cancelled. One that still runs then is named in the " +
			"log and abandoned.",
		why: "What Spark gives its receivers. With a context that is obeyed it takes milliseconds.",
	}

	// Honest is a mode for tests.
	Honest = Setting[bool]{
		kind: bools, name: "weir.honest", def: false,
		doc: "Sends every shuffled and cached record through its encoding, as a cluster would, and " +
			"overwrites what records of Kafka pointed to once their batch is done. For tests: it finds " +
			"what works on one machine by luck.",
		why: "It costs most of the speed.",
	}
)

// Settings of states.
var (
	// StateStore is where states lie.
	StateStore = Setting[string]{
		kind: texts, name: "weir.state.store", def: "memory",
		doc: "Where the states of UpdateStateByKey and MapWithState lie while the program runs: memory, or a store " +
			"that was handed in, such as pebble (state/pebble), which keeps them on the disk of spark.local.dir and " +
			"may hold more than memory does. What it holds is a cache: the state is in the checkpoint.",
		why: "Memory is ten times as fast, and most states fit.",
	}

	// StateMemory bounds the memory of a store of states.
	StateMemory = Setting[Bytes]{
		kind: sizes, name: "weir.state.memory", unit: "b", def: 128 << 20, check: atLeast(Bytes(8 << 20)),
		doc: "Memory that the store of weir.state.store may use, about, for all states of the program together: what " +
			"it reads again and what it has not written yet. States in memory are not bounded by it.",
		why: "The keys that are touched often fit, and it leaves most of a small container to the program.",
	}
)

// Settings of memory.
var (
	// MemoryBudget bounds shuffle, cache, prefetched and received data together.
	MemoryBudget = Setting[Bytes]{
		kind:    sizes,
		name:    "weir.memory.budget",
		unit:    "b",
		defText: "0b (half of GOMEMLIMIT, or of the memory the process may use)",
		doc: "Memory for shuffles, cached RDDs, prefetched and received records together. RDDs that are " +
			"persisted with a level that has the disk are written to spark.local.dir when they do not fit. " +
			"0 means half of GOMEMLIMIT if that is set, else half of what the container or machine has.",
		why: "The other half is for the program's own data and for garbage not yet collected.",
	}

	// ReceiverMemory bounds what each receiver has stored.
	ReceiverMemory = Setting[Bytes]{
		kind: sizes, name: "weir.receiver.memory", unit: "b", def: 64 << 20, check: atLeast(Bytes(64 << 10)),
		doc: "Memory for the records that one receiver has taken and no batch has begun to hold. When it is " +
			"used up the receiver's sender has to wait, unless it is logged (weir.receiver.logBytes). Each " +
			"batch in the queue may hold as much again.",
		why: "Several batches of an ordinary sender, and little enough for many receivers.",
	}

	// ReceiverLogBytes bounds what each receiver has logged and no batch has taken.
	ReceiverLogBytes = Setting[Bytes]{
		kind: sizes, name: "weir.receiver.logBytes", unit: "b", def: 1 << 30, check: atLeast(Bytes(64 << 10)),
		doc: "Bytes in the write ahead log of one receiver that are in no batch yet, and 128 for each call that " +
			"stored some. When there are more its sender has to wait until a batch is planned, and no batch takes " +
			"more of them.",
		why: "Minutes of an ordinary sender, and a batch that a transaction can still hold.",
	}
)

// Settings of Kafka that only weir has.
var (
	// KafkaMaxBytesPerSecond limits the traffic with Kafka.
	KafkaMaxBytesPerSecond = Setting[Bytes]{
		kind: sizes, name: "weir.kafka.maxBytesPerSecond", unit: "b", defText: "0b (no limit)",
		doc: "The most bytes a second that a stream fetches from Kafka, and the most of keys and values that " +
			"a sink of a job sends to it; 0 means no limit.",
		why: "Brokers that must be spared have quotas, and those are honoured.",
	}

	// KafkaFailOnDataLoss says what follows when records to be read are gone.
	KafkaFailOnDataLoss = Setting[bool]{
		kind: bools, name: "weir.kafka.failOnDataLoss", def: true,
		doc: "Whether the job stops, naming the exact range, when records that were still to be read " +
			"are gone from Kafka; otherwise it goes on behind them and counts what was lost.",
		why: "Data must not be lost unnoticed.",
	}

	// KafkaRequestTimeout bounds every request to a broker.
	KafkaRequestTimeout = Setting[time.Duration]{
		kind: times, name: "weir.kafka.requestTimeout", unit: "ms", def: 15 * time.Second,
		check: atLeast(time.Millisecond),
		doc:   "How long any one request to Kafka, with the connection it needs, may take.",
		why:   "Longer than a broker that lives needs; a wrong address or password shows soon.",
		idle:  "default.api.timeout.ms and request.timeout.ms of the Kafka parameters say it",
	}

	// KafkaFetchBytes is the size of a fetch.
	KafkaFetchBytes = Setting[Bytes]{
		kind: sizes, name: "weir.kafka.fetchBytes", unit: "b", def: 8 << 20,
		check: between(Bytes(1<<10), Bytes(1<<31-1)),
		doc: "The bytes asked of a broker in one fetch. A broker sends at least one record batch, " +
			"however large.",
		why: "Large enough that the round trip does not show, small enough that two fit beside a batch.",
	}

	// KafkaMaxDecompressedBatch bounds what a record batch may grow to.
	KafkaMaxDecompressedBatch = Setting[Bytes]{
		kind: sizes, name: "weir.kafka.maxDecompressedBatch", unit: "b", def: 128 << 20,
		check: between(Bytes(1<<10), Bytes(1<<31-1)),
		doc: "The most bytes that one compressed record batch may hold. A larger one fails the task that " +
			"reads it, for a forged batch of a few bytes could take all memory.",
		why: "Hosted Kafka takes batches of 12 MB, and text shrinks to a tenth.",
	}

	// KafkaPrefetch fetches the next range early.
	KafkaPrefetch = Setting[bool]{
		kind: bools, name: "weir.kafka.prefetch", def: true,
		doc: "Whether the next range is fetched while a batch runs, as far as memory allows.",
		why: "The network and the processors then work at the same time.",
	}
)
