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

// TaskEnded says that an attempt succeeded (Err is nil) or failed. Retry tells that another follows.
type TaskEnded struct {
	Desc     TaskDesc
	Op       string
	Site     Site
	Duration time.Duration
	Err      error
	Retry    bool
}

func (StageStarted) execEvent() {}
func (StageEnded) execEvent()   {}
func (TaskStarted) execEvent()  {}
func (TaskEnded) execEvent()    {}
