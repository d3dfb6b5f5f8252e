package rdd

import (
	"slices"
	"time"

	"github.com/weirstream/weir/internal/exec"
)

// A Job is one that runs: what an action, or a part of it such as a step of Take, asked for.
type Job struct {
	// ID numbers the jobs of a context in the order in which they were asked for.
	ID int
	// Action is the action's name, Site its place in the program.
	Action, Site string
	// Group, Description and Pool are what WithJobGroup and WithPool said, "" if nothing.
	Group, Description, Pool string
	// Batch is the sequence of the batch that the job belongs to, -1 outside of a stream.
	Batch   int64
	Started time.Time
	// Stages are those that run or have run, and those that are known to come.
	Stages []Stage
}

// A Stage counts the tasks of a job between two shuffles.
type Stage struct {
	// Number is the stage's within its job, the parents first.
	Number int
	// Op is the operator that ends the stage, Site its place.
	Op, Site string
	// Tasks is how many there are, Done how many have ended well, Running how many attempts run, and Failed how many
	// attempts have failed. All are 0 before the stage begins, and where another job has run it.
	Tasks, Done, Running, Failed int
}

// Status lists the jobs that run, the oldest first.
func (sc *Context) Status() []Job {
	var jobs []Job
	for _, j := range sc.runner.Jobs() {
		job := Job{ID: j.ID, Action: j.Action, Site: j.Site.String(), Batch: j.Desc.Batch, Started: j.Started,
			Group: j.Properties[exec.JobGroup], Description: j.Properties[exec.JobDescription],
			Pool: j.Properties[exec.SchedulerPool]}
		for _, s := range j.Stages {
			job.Stages = append(job.Stages, Stage{Number: s.Number, Op: s.Op, Site: s.Site.String(), Tasks: s.Tasks,
				Done: s.Done, Running: s.Running, Failed: s.Failed})
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// A MemoryStatus is how weir.memory.budget is used: by shuffles, persisted partitions and received records.
type MemoryStatus struct {
	// Total is the budget, Used what is taken of it, Peak the most that ever was, in bytes.
	Total, Used, Peak int64
}

// MemoryStatus tells how the memory budget is used.
func (sc *Context) MemoryStatus() MemoryStatus {
	return MemoryStatus{Total: sc.budget.Total(), Used: sc.budget.Used(), Peak: sc.budget.Peak()}
}

// A PersistentRDD is what is kept of an RDD that was persisted.
type PersistentRDD struct {
	// ID is the RDD's, Name what the user called it, Op and Site what made it.
	ID             int
	Name, Op, Site string
	Level          StorageLevel
	// Partitions is how many the RDD has, Cached how many of them are kept.
	Partitions, Cached int
	// Memory and Disk are the bytes that they take.
	Memory, Disk int64
}

// PersistentRDDs lists the RDDs that are persisted, in the order of their numbers.
func (sc *Context) PersistentRDDs() []PersistentRDD {
	sc.mu.Lock()
	var of []func() (PersistentRDD, bool)
	for _, f := range sc.persisted {
		of = append(of, f)
	}
	sc.mu.Unlock()
	var all []PersistentRDD
	for _, f := range of {
		if p, there := f(); there {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b PersistentRDD) int { return a.ID - b.ID })
	return all
}
