package conf

import (
	"fmt"
	"io"
	"iter"
	"strings"
)

// A Class says what becomes of a setting that is given.
type Class int

// The three classes.
const (
	// Acts: it does what its Doc says.
	Acts Class = iota
	// NoMeaning: it is accepted and does nothing.
	NoMeaning
	// Refused: it is an error.
	Refused
)

// String returns "acts", "no meaning here" or "refused".
func (c Class) String() string {
	return [...]string{"acts", "no meaning here", "refused"}[min(max(c, 0), 2)]
}

// A Description is a setting for people to read.
type Description struct {
	Name  string
	Class Class
	// Type, Unit, Values and Default are those of a setting that acts. Values are the words of an
	// enumeration.
	Type    string
	Unit    string
	Values  []string
	Default string
	// Doc says what the setting does, and for the other classes why it does nothing or is refused.
	Doc string
	// Why is the reason for the default.
	Why string
}

// definitions lists every Setting variable, in the order of the documentation.
func definitions() []definition {
	return []definition{
		MasterURL, AppName, Parallelism, TaskMaxFailures, NetworkTimeout, LimitScaleUpFactor, LocalDirs,
		Scheduling, AllocationFile, CheckpointCompress, CleanCheckpoints, ShowConsoleProgress, RedactionRegex,
		Speculation, SpeculationInterval, SpeculationMultiplier, SpeculationQuantile,
		SpeculationMinTaskRuntime, SpeculationTaskThreshold,
		Interval, MaxQueuedBatches, MaxUncommittedBatches, SinkAccept, Missed, FirstBatchRecords, MaxDeadLetters,
		Failed, FailedBatchMaxRetries,
		FailedBatchBackoff, ShutdownTimeout,
		CheckpointDirectory, Standby, RetainedInCheckpoint, CheckpointRename, CheckpointDrop, CheckpointSkip,
		StopGracefullyOnShutdown, GracefulStopTimeout, StopSparkContextByDefault,
		ConcurrentJobs,
		UIEnabled, UIPort, PortMaxRetries, BindAddress, UIAddress, RetainedBatches,
		BlockInterval, BlockQueueSize, ReceiverMaxRate, ReceiverRestartDelay, ReceiverWriteAheadLog,
		FileMinRememberDuration, FileMinRememberDurationOld,
		BackpressureEnabled, BackpressureInitialRate, BackpressureRateEstimator,
		PIDProportional, PIDIntegral, PIDDerived, PIDMinRate,
		KafkaMaxRatePerPartition, KafkaMinRatePerPartition, KafkaPollTimeout, KafkaMaxRetries,
		KafkaMaxBytesPerSecond, KafkaFailOnDataLoss, KafkaRequestTimeout, KafkaFetchBytes,
		KafkaMaxDecompressedBatch, KafkaPrefetch,
		StateStore, StateMemory, MemoryBudget, ReceiverMemory, ReceiverLogBytes,
		Honest,
	}
}

// Settings yields every setting that is known by its full name: those that act, in the order of the
// documentation, then those without a meaning, then those that are refused.
func Settings() iter.Seq[Description] {
	return func(yield func(Description) bool) {
		for _, d := range definitions() {
			if !yield(d.describe()) {
				return
			}
		}
		for _, k := range knownNames() {
			if !yield(Description{Name: k.name, Class: NoMeaning, Doc: k.reason}) {
				return
			}
		}
		for _, r := range refusedNames() {
			doc := r.reason
			if r.onlyTrue {
				doc = "if true: " + doc
			}
			if !yield(Description{Name: r.name, Class: Refused, Doc: doc}) {
				return
			}
		}
	}
}

// Families yields every family of names that is accepted without a meaning, in the order of the
// documentation.
func Families() iter.Seq[Family] {
	return func(yield func(Family) bool) {
		for _, f := range families() {
			if !yield(f) {
				return
			}
		}
	}
}

// WriteMarkdown writes all settings and families as tables in Markdown. The text depends on nothing
// but the version of this package.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings\n\nA number without a suffix is in the unit given. Durations take us, ms, " +
		"s, m or min, h, d;\nsizes take b, k, m, g, t, p, in steps of 1024.\n\n" +
		"| setting | type | unit | default | meaning | reason for the default |\n" +
		"| --- | --- | --- | --- | --- | --- |\n")
	for d := range Settings() {
		if d.Class == Acts {
			row(&b, "`"+d.Name+"`", typeText(d), d.Unit, d.Default, d.Doc, d.Why)
		}
	}
	b.WriteString("\n## Accepted, without a meaning here\n\n| setting | why |\n| --- | --- |\n")
	for d := range Settings() {
		if d.Class == NoMeaning {
			row(&b, "`"+d.Name+"`", d.Doc)
		}
	}
	b.WriteString("\n## Families accepted, without a meaning here\n\n| names | why |\n| --- | --- |\n")
	for _, group := range familyReasons {
		var names []string
		for p := range strings.FieldsSeq(group.prefixes) {
			names = append(names, "`spark."+p+".*`")
		}
		row(&b, strings.Join(names, " "), group.reason)
	}
	b.WriteString("\n## Refused\n\n| setting | why |\n| --- | --- |\n")
	for d := range Settings() {
		if d.Class == Refused {
			row(&b, "`"+d.Name+"`", d.Doc)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the table of settings: %w", err)
	}
	return nil
}

func typeText(d Description) string {
	if len(d.Values) > 0 {
		return strings.Join(d.Values, " / ")
	}
	return d.Type
}

// row writes one row of a table; a bar in a cell would end it.
func row(b *strings.Builder, cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
	}
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
