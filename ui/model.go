package ui

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// A model is what the events of a program amount to. The listener copies into it under a mutex, and who answers copies
// out of it: neither waits for anything else.
type model struct {
	retained int // completed batches that are kept

	mu sync.Mutex
	known
	running, waiting []batch
	// completed are in order; what is in one of them is not changed any more, but replaced.
	completed []*batch
}

// known is the part of the model that is copied as it is.
type known struct {
	started   dstream.Time
	stopped   bool
	failure   error
	receivers map[int]dstream.ReceiverInfo
	rates     map[int]dstream.RateUpdated
	skipped   []dstream.SkippedBatch

	completions, failures, skips, commits int64
	received, processed, dead             int64
	missed, warnings, taskFailures        int64
	receiverErrors                        map[string]int64
	inputRecords                          map[string]int64
	last                                  *dstream.BatchInfo // the one that began last
	scheduling, processing, total, commit histogram
}

// The outcomes of a batch.
const (
	failed    = "failed"
	committed = "committed"
	skipped   = "skipped"
)

// A batch is what is shown of one.
type batch struct {
	dstream.BatchInfo
	ops []operation
	// outcome is what became of the batch when it had run, "" while that is open.
	outcome string
	// commit is how long it took from the batch's end until its commit was known to be written.
	commit time.Duration
}

// An operation is an output operation of a batch.
type operation struct {
	dstream.OutputInfo
	jobs []job
}

// A job is an action of an output operation, as far as its stages tell.
type job struct {
	id                            int
	start, end                    time.Time
	stages, stagesDone            int
	tasks, tasksDone, tasksFailed int
}

func newModel(retained int) *model {
	return &model{retained: retained, known: known{
		receivers: map[int]dstream.ReceiverInfo{}, rates: map[int]dstream.RateUpdated{},
		receiverErrors: map[string]int64{}, inputRecords: map[string]int64{},
		scheduling: newHistogram(), processing: newHistogram(), total: newHistogram(), commit: newHistogram(),
	}}
}

// event is the listener.
func (m *model) event(e dstream.Event) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := e.(type) {
	case dstream.StreamingStarted:
		m.started = e.Time
	case dstream.StreamingStopped:
		m.stopped, m.failure = true, e.Err
	case dstream.ReceiverStarted:
		m.receivers[e.StreamID] = e.ReceiverInfo
	case dstream.ReceiverError:
		m.receivers[e.StreamID] = e.ReceiverInfo
		m.receiverErrors[fmt.Sprintf("%s [%d]", e.Name, e.StreamID)]++
	case dstream.ReceiverStopped:
		m.receivers[e.StreamID] = e.ReceiverInfo
	case dstream.RateUpdated:
		m.rates[e.StreamID] = e
	case dstream.TimesMissed:
		m.missed += e.Count
	case dstream.Warning:
		m.warnings++
	default:
		m.ofBatch(e, now)
	}
}

// linesKept bounds the lines of an input that are kept of a completed batch: Kafka has one for each partition.
const linesKept = 50

// fewLines are inputs whose descriptions take little memory.
func fewLines(inputs []dstream.InputInfo) []dstream.InputInfo {
	inputs = slices.Clone(inputs)
	for i, in := range inputs {
		if more := len(in.Description) - linesKept; more > 0 {
			inputs[i].Description = append(slices.Clone(in.Description[:linesKept]), fmt.Sprintf("and %d more", more))
		}
	}
	return inputs
}

// ofBatch takes the events of batches; the mutex is held.
func (m *model) ofBatch(e dstream.Event, now time.Time) {
	switch e := e.(type) {
	case dstream.BatchSubmitted:
		m.waiting = append(m.waiting, batch{BatchInfo: e.BatchInfo})
	case dstream.BatchStarted:
		m.began(e.BatchInfo)
	case dstream.BatchCompleted:
		m.ended(e.BatchInfo)
	case dstream.BatchCommitted:
		m.commits++
		if b := m.decided(e.Sequence, committed); b != nil {
			b.commit = now.Sub(b.ProcessingEnd)
			m.commit.observe(b.commit)
		}
	case dstream.BatchSkipped:
		m.skips++
		m.decided(e.Sequence, skipped)
		m.skipped = append(m.skipped, dstream.SkippedBatch{Time: e.BatchTime, Sequence: e.Sequence, Reason: e.Reason,
			In: e.In, Burned: e.Burned, Unknown: e.Unknown})
	case dstream.OutputOperationStarted:
		m.operation(e.OutputInfo)
	case dstream.OutputOperationCompleted:
		m.operation(e.OutputInfo)
	case dstream.StageStarted:
		if j := m.job(e.TaskInfo, now); j != nil {
			j.stages++
			j.tasks += e.Tasks
		}
	case dstream.StageEnded:
		if j := m.job(e.TaskInfo, now); j != nil && e.Err == nil {
			j.stagesDone++
		}
	case dstream.TaskEnded:
		m.task(e, now)
	}
}

// began has a batch run, with all that were submitted before it and of which nothing more was heard gone: when the
// listener was far behind it has missed events.
func (m *model) began(info dstream.BatchInfo) {
	m.waiting = slices.DeleteFunc(m.waiting, func(b batch) bool { return b.Sequence <= info.Sequence })
	m.running = append(m.running, batch{BatchInfo: info})
	m.last = &info
	m.received += info.Records()
}

func (m *model) ended(info dstream.BatchInfo) {
	b := batch{BatchInfo: info}
	if r := m.runs(info.Sequence); r != nil {
		b.ops = r.ops
	}
	for _, o := range info.Outputs {
		b.note(o)
	}
	over := func(b batch) bool { return b.Sequence <= info.Sequence }
	m.running, m.waiting = slices.DeleteFunc(m.running, over), slices.DeleteFunc(m.waiting, over)
	if info.Err != nil {
		b.outcome = failed
		m.failures++
	}
	b.Inputs = fewLines(b.Inputs)
	if len(m.completed) >= m.retained {
		m.completed = slices.Delete(m.completed, 0, len(m.completed)-m.retained+1)
	}
	m.completed = append(m.completed, &b)
	m.completions++
	m.processed += info.Records()
	m.dead += int64(info.DeadLetters)
	for _, in := range info.Inputs {
		m.inputRecords[in.Name] += in.Records
	}
	for h, get := range map[*histogram]func(*batch) (time.Duration, bool){&m.processing: (*batch).processingTime,
		&m.scheduling: (*batch).schedulingDelay, &m.total: (*batch).totalDelay} {
		if d, known := get(&b); known {
			h.observe(d)
		}
	}
}

// decided notes what became of a batch that has run, in a copy of it that nobody else has yet.
func (m *model) decided(sequence int64, outcome string) *batch {
	for i := len(m.completed) - 1; i >= 0 && m.completed[i].Sequence >= sequence; i-- {
		if m.completed[i].Sequence == sequence {
			b := *m.completed[i]
			b.outcome = outcome
			m.completed[i] = &b
			return &b
		}
	}
	return nil
}

// runs finds a batch that runs.
func (m *model) runs(sequence int64) *batch {
	for i := range m.running {
		if m.running[i].Sequence == sequence {
			return &m.running[i]
		}
	}
	return nil
}

// operation notes how an output operation stands.
func (m *model) operation(info dstream.OutputInfo) {
	if b := m.runs(info.Sequence); b != nil {
		b.note(info)
	}
}

// note takes what is known of an output operation. One that begins again has its jobs anew.
func (b *batch) note(info dstream.OutputInfo) {
	i, found := slices.BinarySearchFunc(b.ops, info.ID, byID)
	switch {
	case !found:
		b.ops = slices.Insert(b.ops, i, operation{OutputInfo: info})
	case info.End.IsZero():
		b.ops[i] = operation{OutputInfo: info}
	default:
		b.ops[i].OutputInfo = info
	}
}

func byID(o operation, id int) int { return cmp.Compare(o.ID, id) }

// job finds the job that a task belongs to, and notes that it was seen at work.
func (m *model) job(t dstream.TaskInfo, now time.Time) *job {
	b := m.runs(t.Batch)
	if b == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(b.ops, t.Output, byID)
	if !found {
		return nil
	}
	o := &b.ops[i]
	n := slices.IndexFunc(o.jobs, func(j job) bool { return j.id == t.Job })
	if n < 0 {
		n = len(o.jobs)
		o.jobs = append(o.jobs, job{id: t.Job, start: now})
	}
	o.jobs[n].end = now
	return &o.jobs[n]
}

func (m *model) task(e dstream.TaskEnded, now time.Time) {
	if e.Lost {
		return
	}
	if e.Err != nil {
		m.taskFailures++
	}
	j := m.job(e.TaskInfo, now)
	switch {
	case j == nil:
	case e.Err == nil:
		j.tasksDone++
	default:
		j.tasksFailed++
	}
}

// A view is a copy of the model. Nothing in it changes any more.
type view struct {
	known
	running, waiting, completed []*batch // each in order
}

func (m *model) view() *view {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &view{known: m.known, completed: slices.Clone(m.completed), running: copies(m.running),
		waiting: copies(m.waiting)}
	v.receivers, v.rates = maps.Clone(m.receivers), maps.Clone(m.rates)
	v.receiverErrors, v.inputRecords = maps.Clone(m.receiverErrors), maps.Clone(m.inputRecords)
	v.skipped = slices.Clone(m.skipped)
	for _, h := range []*histogram{&v.scheduling, &v.processing, &v.total, &v.commit} {
		h.counts = slices.Clone(h.counts)
	}
	return v
}

func copies(list []batch) (all []*batch) {
	for _, b := range list {
		b.ops = slices.Clone(b.ops)
		for i := range b.ops {
			b.ops[i].jobs = slices.Clone(b.ops[i].jobs)
		}
		all = append(all, &b)
	}
	return all
}

// find gives a batch by its time, and its status, nil if it is not known, or not any more.
func (v *view) find(at dstream.Time) (*batch, string) {
	for status, list := range v.lists() {
		for _, b := range list {
			if b.BatchTime == at {
				return b, status
			}
		}
	}
	return nil, ""
}

// The statuses of a batch, as Spark names them.
const (
	completedStatus  = "COMPLETED"
	queuedStatus     = "QUEUED"
	processingStatus = "PROCESSING"
)

// lists yields the batches by status.
func (v *view) lists() iter.Seq2[string, []*batch] {
	return func(yield func(string, []*batch) bool) {
		_ = yield(completedStatus, v.completed) && yield(queuedStatus, v.waiting) &&
			yield(processingStatus, v.running)
	}
}

// all are the batches in the order of their times.
func (v *view) all() []*batch { return slices.Concat(v.completed, v.running, v.waiting) }

// schedulingDelay and the like are false where they are not known, or not yet.
func (b *batch) schedulingDelay() (time.Duration, bool) {
	return b.SchedulingDelay(), !b.SubmissionTime.IsZero() && !b.ProcessingStart.IsZero()
}

func (b *batch) processingTime() (time.Duration, bool) {
	return b.ProcessingDelay(), !b.ProcessingEnd.IsZero()
}

func (b *batch) totalDelay() (time.Duration, bool) {
	return b.TotalDelay(), !b.SubmissionTime.IsZero() && !b.ProcessingEnd.IsZero()
}

func (b *batch) commitTime() (time.Duration, bool) { return b.commit, b.outcome == committed }

// tally counts the output operations of a batch.
func (b *batch) tally() (active, done, failed int) {
	for _, o := range b.ops {
		switch {
		case o.End.IsZero():
			active++
		case o.Err != nil:
			failed++
		default:
			done++
		}
	}
	return active, done, failed
}

// firstFailure is why the batch failed, or the first operation of it that did, "" for neither.
func (b *batch) firstFailure() string {
	for _, o := range b.ops {
		if o.Err != nil {
			return o.Err.Error()
		}
	}
	if b.Err != nil {
		return b.Err.Error()
	}
	return ""
}

// average of what is known of the batches; false if nothing is.
func average(list []*batch, get func(*batch) (time.Duration, bool)) (time.Duration, bool) {
	var sum time.Duration
	n := 0
	for _, b := range list {
		if d, ok := get(b); ok {
			sum += d
			n++
		}
	}
	return sum / time.Duration(max(n, 1)), n > 0
}
