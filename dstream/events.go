package dstream

import (
	"time"

	"github.com/weirstream/weir/internal/exec"
)

// An Event is something that happened to a streaming program. One stream of events feeds logs, pages,
// metrics, listeners and tests alike. Its types are those of this file; more may come.
type Event interface{ event() }

// StreamingStarted says that all inputs are resolved and the first batch is awaited.
type StreamingStarted struct{ Time Time }

// StreamingStopped says that the context has stopped; Err is why, nil after a clean stop.
type StreamingStopped struct{ Err error }

// ReceiverInfo is the state of a receiver.
type ReceiverInfo struct {
	StreamID  int
	Name      string
	Active    bool
	LastError error
	// LastErrorTime is 0 if there was none.
	LastErrorTime Time
}

// ReceiverStarted says that a receiver is being started, or started again. It comes before whatever that run of the
// receiver reports; a Start that fails is told by the ReceiverError and the ReceiverStopped that follow.
type ReceiverStarted struct{ ReceiverInfo }

// ReceiverError says that a receiver reported an error and goes on.
type ReceiverError struct{ ReceiverInfo }

// ReceiverStopped says that a receiver has stopped, for good or until it is restarted.
type ReceiverStopped struct{ ReceiverInfo }

// BatchInfo is what is known of a batch. Times that are not reached yet are 0.
type BatchInfo struct {
	BatchTime Time
	Sequence  int64
	// Inputs holds what each input gave, by the input's number in order of definition.
	Inputs          []InputInfo
	SubmissionTime  time.Time
	ProcessingStart time.Time
	ProcessingEnd   time.Time
	// DeadLetters is how many records were given up; it is known if an output reads them.
	DeadLetters int
	// Outputs are the output operations that have run, in the order of their numbers, when the batch has completed;
	// the last run of each, if it was run again.
	Outputs []OutputInfo
	// Err is why the batch failed, nil if it did not.
	Err error
}

// InputInfo is what an input gave to a batch.
type InputInfo struct {
	StreamID int
	Name     string
	Records  int64
	// Description says what the range holds: offset ranges, file names.
	Description []string
	// Limit is the most that the batch could take, math.MaxInt64 for no limit.
	Limit int64
}

// OutputInfo is an output operation of a batch.
type OutputInfo struct {
	BatchTime  Time
	Sequence   int64
	ID         int
	Name       string
	Site       string
	Start, End time.Time
	Err        error
}

// Duration is how long the output operation ran.
func (o OutputInfo) Duration() time.Duration { return o.End.Sub(o.Start) }

// Records is the number of records of all inputs.
func (b BatchInfo) Records() (n int64) {
	for _, in := range b.Inputs {
		n += in.Records
	}
	return n
}

// SchedulingDelay is how long the batch waited from its submission to its start.
func (b BatchInfo) SchedulingDelay() time.Duration { return b.ProcessingStart.Sub(b.SubmissionTime) }

// ProcessingDelay is how long the batch ran.
func (b BatchInfo) ProcessingDelay() time.Duration { return b.ProcessingEnd.Sub(b.ProcessingStart) }

// TotalDelay is from submission to end.
func (b BatchInfo) TotalDelay() time.Duration { return b.SchedulingDelay() + b.ProcessingDelay() }

// BatchSubmitted says that a batch is planned and queued.
type BatchSubmitted struct{ BatchInfo }

// BatchStarted says that the first output operation of a batch is about to run.
type BatchStarted struct{ BatchInfo }

// BatchCompleted says that all output operations of a batch are over; Err tells whether one failed.
type BatchCompleted struct{ BatchInfo }

// BatchCommitted says that the commit record of a batch is written.
type BatchCommitted struct {
	BatchTime Time
	Sequence  int64
}

// BatchSkipped says that a batch was given up for ever, and that this is written down.
type BatchSkipped struct {
	BatchTime Time
	Sequence  int64
	Reason    string
	// In, Burned and Unknown are those of [SkippedBatch].
	In, Burned, Unknown []string
}

// OutputOperationStarted says that an output operation of a batch runs.
type OutputOperationStarted struct{ OutputInfo }

// OutputOperationCompleted says that an output operation is over.
type OutputOperationCompleted struct{ OutputInfo }

// RateUpdated says that the estimator gave an input a new rate, in records per second.
type RateUpdated struct {
	StreamID int
	Name     string
	Rate     float64
	// Reason is what slowed the input down from outside since the rate before, "" if nothing is known of that: then it
	// is how fast its batches are processed.
	Reason string
}

// TimesMissed says that batch times passed without a batch of their own; their data are in the next one.
type TimesMissed struct {
	From, To Time
	Count    int64
}

// Warning is trouble that does not fail the batch.
type Warning struct {
	Message string
	Err     error
}

// TaskInfo says which task an event is about.
type TaskInfo struct {
	// Batch is the sequence of the batch, -1 for a job outside of a batch.
	Batch int64
	// Output is the output operation of the batch that the task works for, less than 0 if it works for none: what a
	// batch does once, whichever outputs fire.
	Output                         int
	Job, Stage, Partition, Attempt int
	// Speculative tells that the attempt was made beside one that ran (spark.speculation), not after one that failed.
	Speculative bool
	// Op is the operator that ends the task's stage, Site its place in the program.
	Op, Site string
}

// StageStarted says that the tasks of a stage were handed out.
type StageStarted struct {
	TaskInfo
	Action string
	Tasks  int
}

// StageEnded says that a stage is over; Err is why it failed, if it did.
type StageEnded struct {
	TaskInfo
	Err error
}

// TaskStarted says that an attempt at a task began.
type TaskStarted struct{ TaskInfo }

// TaskEnded says that an attempt at a task is over; Err is why it failed, if it did, and Retry that another
// attempt follows. Lost tells that another attempt was first, so that this one was cancelled, or its result dropped:
// that is no failure, and may be told after the end of the stage.
type TaskEnded struct {
	TaskInfo
	Duration    time.Duration
	Err         error
	Retry, Lost bool
	// Accumulators are what the attempt added to accumulators that have a name, if its result was taken.
	Accumulators []AccumulatorUpdate
}

// An AccumulatorUpdate is what a task added to an accumulator.
type AccumulatorUpdate struct {
	ID   int
	Name string
	// Update is what the task added, Value the total after it.
	Update, Value any
}

// fromExec turns an event of the scheduler into one of the stream.
func fromExec(e exec.Event) Event {
	info := func(d exec.TaskDesc, op string, site exec.Site) TaskInfo {
		return TaskInfo{Batch: d.Batch, Output: d.Output, Job: d.Job, Stage: d.Stage, Partition: d.Partition,
			Attempt: d.Attempt, Speculative: d.Speculative, Op: op, Site: site.String()}
	}
	switch e := e.(type) {
	case exec.StageStarted:
		return StageStarted{TaskInfo: info(e.Desc, e.Op, e.Site), Action: e.Action, Tasks: e.Tasks}
	case exec.StageEnded:
		return StageEnded{TaskInfo: info(e.Desc, "", exec.Site{}), Err: e.Err}
	case exec.TaskStarted:
		return TaskStarted{info(e.Desc, "", exec.Site{})}
	case exec.TaskEnded:
		ended := TaskEnded{TaskInfo: info(e.Desc, e.Op, e.Site), Duration: e.Duration, Err: e.Err, Retry: e.Retry,
			Lost: e.Lost}
		for _, u := range e.Accumulators {
			ended.Accumulators = append(ended.Accumulators, AccumulatorUpdate(u))
		}
		return ended
	}
	return nil
}

func (StreamingStarted) event()         {}
func (StreamingStopped) event()         {}
func (ReceiverStarted) event()          {}
func (ReceiverError) event()            {}
func (ReceiverStopped) event()          {}
func (BatchSubmitted) event()           {}
func (BatchStarted) event()             {}
func (BatchCompleted) event()           {}
func (BatchCommitted) event()           {}
func (BatchSkipped) event()             {}
func (OutputOperationStarted) event()   {}
func (OutputOperationCompleted) event() {}
func (RateUpdated) event()              {}
func (TimesMissed) event()              {}
func (Warning) event()                  {}
func (StageStarted) event()             {}
func (StageEnded) event()               {}
func (TaskStarted) event()              {}
func (TaskEnded) event()                {}
