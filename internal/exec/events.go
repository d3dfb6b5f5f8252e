package exec

import "time"

// An Event is something that happened to a job; the engine's one stream of events carries them on.
type Event interface{ execEvent() }

// StageStarted says that the tasks of a stage were handed out.
type StageStarted struct {
	Desc   TaskDesc
	Action string
	Op     string
	Site   Site
	Tasks  int
}

// StageEnded says that a stage is over; Err is nil if all tasks succeeded.
type StageEnded struct {
	Desc TaskDesc
	Err  error
}

// TaskStarted says that an attempt began.
type TaskStarted struct{ Desc TaskDesc }

// TaskEnded says that an attempt succeeded (Err is nil) or failed. That of an attempt that has lost may come after the
// end of its stage, which does not wait for it.
type TaskEnded struct {
	Desc     TaskDesc
	Op       string
	Site     Site
	Duration time.Duration
	Err      error
	// Retry tells that another attempt follows; Lost that another one has published, so that this one was cancelled, or
	// its result dropped: no failure.
	Retry, Lost bool
	// Accumulators are what the attempt added to accumulators that have a name, if it has published.
	Accumulators []AccumulatorUpdate
}

// PoolMade says that a job names a pool that nobody has set up, which was made with the defaults.
type PoolMade struct{ Name string }

func (StageStarted) execEvent() {}
func (StageEnded) execEvent()   {}
func (TaskStarted) execEvent()  {}
func (TaskEnded) execEvent()    {}
func (PoolMade) execEvent()     {}
