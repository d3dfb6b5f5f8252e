package conf

import (
	"os"
	"runtime"
	"time"
)

// A SchedulingMode says how jobs that run at the same time share the threads.
type SchedulingMode string

// The scheduling modes, as Spark names them.
const (
	// FIFO gives the threads to the job that was submitted first.
	FIFO SchedulingMode = "FIFO"
	// FAIR shares them among pools, and among the jobs of a pool.
	FAIR SchedulingMode = "FAIR"
)

const redactionRegex = "spark.redaction.regex"

// The settings that concern every program, with or without streams.
var (
	// MasterURL says where tasks run.
	MasterURL = Setting[Master]{
		kind: masters, name: "spark.master", defText: "local[*]",
		def: Master{Threads: runtime.GOMAXPROCS(0)},
		derive: func(_ *Conf, m Master, set bool) Master {
			if !set {
				// Asked anew, for the number of processors may change while a process runs.
				m.Threads = runtime.GOMAXPROCS(0)
			}
			return m
		},
		ignore: foreignFileMaster,
		doc: "Where tasks run: local (one thread), local[N], local[*] (a thread per processor), " +
			"local[N,F] (F is spark.task.maxFailures), or sc://host:port, a Spark Connect server, " +
			"which this version refuses.",
		why: "A program should use the machine it is started on. Spark has no default here.",
	}

	// AppName is the program's name.
	AppName = Setting[string]{
		kind: texts, name: "spark.app.name", def: "weir",
		doc: "The program's name in the log, in metrics and on the page.",
		why: "weir.Main sets it to the name it is given; this stands only for programs without one.",
	}

	// Parallelism is the number of partitions where nothing else says one.
	Parallelism = Setting[int]{
		kind: ints, name: "spark.default.parallelism", unit: "partitions",
		defText: "the threads of the master",
		check:   atLeast(1),
		derive: func(c *Conf, n int, set bool) int {
			if !set {
				n = max(MasterURL.Get(c).Threads, 1)
			}
			return n
		},
		def: runtime.GOMAXPROCS(0),
		doc: "Partitions of parallelize, and of a stream's shuffle, that does not say how many. A shuffle of " +
			"RDDs outside of a stream keeps its input's partitioning, or has as many as its widest input, " +
			"unless this is set. With a Spark " +
			"Connect master and no value it is 1.",
		why: "Fewer partitions leave threads idle, more of them cost without using another thread.",
	}

	// TaskMaxFailures is how often one task may fail.
	TaskMaxFailures = Setting[int]{
		kind: ints, name: "spark.task.maxFailures", unit: "times", def: 4, check: atLeast(1),
		derive: func(c *Conf, n int, _ bool) int {
			if f := MasterURL.Get(c).MaxFailures; f > 0 {
				return f
			}
			return n
		},
		doc: "How often a task may fail before its job fails; 1 means it is never tried again. " +
			"The F of a master local[N,F] overrides it. Spark's local mode does not try again " +
			"unless told so by F; weir does, as a Spark cluster does.",
		why: "Spark's own: a broken connection passes, a broken record does not take long to show.",
	}

	// NetworkTimeout is how long a silent peer is waited for.
	NetworkTimeout = Setting[time.Duration]{
		kind: times, name: "spark.network.timeout", unit: "s", def: 120 * time.Second,
		check: above[time.Duration](0),
		doc: "How long a peer may be silent before it counts as gone, where no narrower setting says " +
			"otherwise.",
		why: "Spark's own.",
	}

	// LimitScaleUpFactor is by how much take widens its search.
	LimitScaleUpFactor = Setting[int]{
		kind: ints, name: "spark.rdd.limit.scaleUpFactor", unit: "times", def: 4, check: atLeast(2),
		doc: "take looks at one partition first, then at this many times as many at each further try.",
		why: "Spark's own: few tries even when most partitions are empty.",
	}

	// LocalDirs are the directories for spilled data.
	LocalDirs = Setting[[]string]{
		kind: lists, name: "spark.local.dir", defText: "the system's directory for temporary files",
		def: []string{os.TempDir()},
		derive: func(_ *Conf, dirs []string, set bool) []string {
			if !set {
				// A new slice each time: the caller owns what he is given.
				dirs = []string{os.TempDir()}
			}
			return dirs
		},
		doc: "Directories, separated by commas, for what does not fit into memory and for RDDs that are " +
			"persisted on disk. Several should be on different disks; they are used in turn.",
		why: "It exists everywhere and is cleaned by the system. A large job wants a fast disk here.",
	}

	// Scheduling is how concurrent jobs share the threads.
	Scheduling = Setting[SchedulingMode]{
		kind: oneOf(FIFO, FAIR), name: "spark.scheduler.mode", def: FIFO,
		doc: "How jobs that run at the same time share the threads: the first one first, or fairly " +
			"among pools.",
		why: "Spark's own: the oldest batch is finished first, which is what delay is counted from.",
	}

	// AllocationFile says what the pools of the fair scheduler are due.
	AllocationFile = Setting[string]{
		kind: texts, name: "spark.scheduler.allocation.file", defText: "none",
		doc: "A file in the form of Spark's fairscheduler.xml, which gives pools a weight, a minimum share and a " +
			"scheduling mode. It is read where spark.scheduler.mode is FAIR. A pool that it does not name has " +
			"weight 1, no minimum, and runs its first job first.",
		why: "Pools need no file to share the threads evenly. Spark looks for fairscheduler.xml on its class path, " +
			"and there is none here.",
	}

	// CheckpointCompress has the files of checkpointed RDDs compressed.
	CheckpointCompress = Setting[bool]{
		kind: bools, name: "spark.checkpoint.compress", def: false,
		doc: "Whether the files of RDDs that are checkpointed are compressed, by lz4.",
		why: "Spark's own.",
	}

	// CleanCheckpoints has the files of checkpointed RDDs removed.
	CleanCheckpoints = Setting[bool]{
		kind: bools, name: "spark.cleaner.referenceTracking.cleanCheckpoints", def: false,
		doc: "Whether the files of a checkpointed RDD are removed when the program has let go of it, some time " +
			"after. Otherwise they stay until somebody removes them.",
		why: "Spark's own: who writes a checkpoint may want to look at it.",
	}

	// ShowConsoleProgress shows a line of progress on a terminal.
	ShowConsoleProgress = Setting[bool]{
		kind: bools, name: "spark.ui.showConsoleProgress", def: true,
		doc: "Whether a job that takes long shows its progress on standard error, where that is a " +
			"terminal. Nothing is shown when it is piped.",
		why: "Somebody who sits before a terminal wants to know. Spark's is false, and its shells set it.",
	}

	// RedactionRegex finds further secrets among names and values.
	RedactionRegex = Setting[string]{
		kind: texts, name: redactionRegex, defText: "none beyond the built-in rule", check: validRegexp,
		doc: "A regular expression. A value is not shown if the expression is found in its name or in " +
			"itself; names that speak of passwords, secrets, tokens, keys or credentials never are.",
		why: "The built-in rule covers Spark's default, (?i)secret|password|token|access[.]?key.",
	}
)

// The settings of speculative execution: a second attempt of a task that is slower than its fellows.
var (
	// Speculation turns second attempts on.
	Speculation = Setting[bool]{
		kind: bools, name: "spark.speculation", def: false,
		doc: "Whether a task that is much slower than the others of its stage is started a second time. " +
			"The first attempt to end wins, and the other is cancelled; what a function does besides giving its " +
			"result may happen twice.",
		why: "On one machine a slow task is mostly one with more to do, and a copy only takes a thread.",
	}

	// SpeculationInterval is how often slow tasks are looked for.
	SpeculationInterval = Setting[time.Duration]{
		kind: times, name: "spark.speculation.interval", unit: "ms", def: 100 * time.Millisecond,
		check: above[time.Duration](0),
		doc:   "How often slow tasks are looked for.",
		why:   "Spark's own.",
	}

	// SpeculationMultiplier is how much slower than the median is slow.
	SpeculationMultiplier = Setting[float64]{
		kind: floats, name: "spark.speculation.multiplier", unit: "times", def: 1.5, check: atLeast(1.0),
		doc: "How many times the median run time a task must have taken to count as slow.",
		why: "Spark's own up to 3.5.",
	}

	// SpeculationQuantile is the part of a stage that must have ended.
	SpeculationQuantile = Setting[float64]{
		kind: floats, name: "spark.speculation.quantile", def: 0.75, check: between(0.0, 1.0),
		doc: "The part of a stage's tasks that must have ended before any other counts as slow.",
		why: "Spark's own up to 3.5.",
	}

	// SpeculationMinTaskRuntime protects short tasks.
	SpeculationMinTaskRuntime = Setting[time.Duration]{
		kind: times, name: "spark.speculation.minTaskRuntime", unit: "ms", def: 100 * time.Millisecond,
		check: atLeast[time.Duration](0),
		doc:   "How long a task must have run to count as slow at all.",
		why:   "Spark's own: a second attempt of a short task costs more than it can save.",
	}

	// SpeculationTaskThreshold finds slow tasks in stages that are too small for a median.
	SpeculationTaskThreshold = Setting[time.Duration]{
		kind: times, name: "spark.speculation.task.duration.threshold", unit: "ms",
		defText: "0s (none)", check: atLeast[time.Duration](0),
		doc: "In a stage with no more tasks than threads, a task that has run longer than this is slow; " +
			"0 means none is. Receivers are never started twice.",
		why: "Spark's own: nobody but the user knows how long such a task may take.",
	}
)
