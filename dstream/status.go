package dstream

import (
	"fmt"
	"math"

	"github.com/weirstream/weir/conf"
)

// A Status is how a program stands that has been started, as far as no event tells it: for pages and the like.
type Status struct {
	// Job names the effects of the program, and Epoch is that of this owner of its checkpoint, 0 without one.
	Job   string
	Epoch int64
	// Checkpoint is its directory, "" for none.
	Checkpoint string
	// Inputs and Outputs are in order of definition.
	Inputs  []InputStatus
	Outputs []OutputStatus
	// States are the names of the operators that keep a state by key; see [RawStateOf].
	States []string
	// Skipped are the batches that were given up before this start. Of later ones [BatchSkipped] tells.
	Skipped []SkippedBatch
}

// An InputStatus is how an input stands.
type InputStatus struct {
	StreamID   int
	Name, Site string
	// Kind is the operator, such as kafka.DirectStream; Receiver tells that the input receives.
	Kind     string
	Receiver bool
	// Rate is how many records per second the next batch may take, as far as the engine limits it: 0 for no limit.
	// Reason says what it follows from. The source may have limits of its own.
	Rate   float64
	Reason string
	// Behind is how many records the source has beyond what is planned, -1 if that is not known.
	Behind int64
}

// An OutputStatus is what an output promises.
type OutputStatus struct {
	ID         int
	Name, Site string
	// Kind is the operator, such as writeTo.
	Kind string
	// Guarantee is what the output promises of each record, such as "exactly-once: ...", and Why what it rests on.
	Guarantee, Why string
}

// Status tells how the program stands; ok is false until it has been started. It waits for nothing and does no I/O.
func (ssc *Context) Status() (s Status, ok bool) {
	select {
	case <-ssc.begun:
	default:
		return s, false
	}
	if ssc.said == nil {
		return s, false // The start has failed.
	}
	s = Status{Job: ssc.job, Epoch: ssc.epoch, Checkpoint: ssc.durable.dir, Outputs: ssc.said}
	for _, in := range ssc.inputs {
		i := InputStatus{StreamID: in.number, Name: in.label(), Site: in.node.site.String(), Kind: in.node.op,
			Receiver: is[receiving](in.source), Behind: in.behind()}
		i.Rate, i.Reason = in.rate.inForce()
		s.Inputs = append(s.Inputs, i)
	}
	ids := ssc.stateIDs()
	for n, k := range ssc.states {
		if k.keyed() {
			s.States = append(s.States, ids[n])
		}
	}
	if ssc.durable.found != nil {
		s.Skipped = skippedIn(ssc.durable.found)
	}
	return s, true
}

// outputStatuses asks the outputs what they promise.
func (ssc *Context) outputStatuses() (list []OutputStatus) {
	why := "without a checkpoint no state survives a restart"
	if ssc.durable.opened {
		why = "plans, commits and state are in the checkpoint " + ssc.durable.dir
	}
	if ssc.failurePolicy().skip {
		why += "; but a batch that fails again and again is given up with its records, as " + conf.Failed.Name() +
			" says"
	}
	for _, o := range ssc.outputs {
		list = append(list, OutputStatus{ID: o.number, Name: o.label(), Site: o.node.site.String(), Kind: o.node.op,
			Guarantee: o.guarantee(), Why: why})
	}
	return list
}

// behind asks a source how far it is behind; one that panics does not know.
func (in *input) behind() (n int64) {
	n = -1
	if s, ok := in.source.(SourceBehind); ok {
		defer func() { _ = recover() }()
		if records, known := s.Behind(); known {
			n = records
		}
	}
	return n
}

// inForce gives the limit that the next batch will have, per second, and what it follows from.
func (c *rateControl) inForce() (perSecond float64, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	secs := c.interval.Seconds()
	switch {
	case c.rate > 0:
		return c.rate, "back-pressure: it follows how fast batches are processed"
	case c.initial > 0 && c.backpressure:
		return c.initial, conf.BackpressureInitialRate.Name() + ", until there is an estimate"
	case c.first <= 0:
		return 0, "no limit"
	case 2*c.speed*secs > float64(c.first):
		return math.Floor(2*c.speed*secs) / secs, fmt.Sprintf("twice as fast as a batch was ever processed, which is "+
			"%.0f records/s", c.speed)
	}
	return float64(c.first) / secs, conf.FirstBatchRecords.Name() + ", until batches were seen to be processed faster"
}
