package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A JobStatus is a job that runs.
type JobStatus struct {
	// ID numbers the jobs of a scheduler in the order of their start.
	ID     int
	Action string
	Site   Site
	Desc   TaskDesc
	// Properties are the job's local properties, which must not be changed.
	Properties map[string]string
	Started    time.Time
	// Stages are those that run or have run, and those that are known to come.
	Stages []StageStatus
}

// A StageStatus counts the tasks of a stage.
type StageStatus struct {
	// Number is the stage's within its job, the parents first.
	Number int
	Op     string
	Site   Site
	// Tasks is how many there are, Done how many have ended well, Running how many attempts run, and Failed how many
	// attempts have failed. All are 0 before the stage begins, and where another job has run it.
	Tasks, Done, Running, Failed int
}

// ErrCancelled is wrapped by the error of a job that was cancelled by its number or group, and not by its context.
var ErrCancelled = errors.New("cancelled")

// A CancelledError says who cancelled a job.
type CancelledError struct {
	Job    int
	Action string
	Site   Site
	// By is the call that cancelled it, At its place.
	By string
	At Site
}

// Error implements error.
func (e *CancelledError) Error() string {
	return fmt.Sprintf("%s at %s (job %d) was cancelled by %s at %s", e.Action, e.Site, e.Job, e.By, e.At)
}

// Is tells that it is ErrCancelled.
func (e *CancelledError) Is(target error) bool { return target == ErrCancelled }

// A runningJob is a job in the list of those that run.
type runningJob struct {
	*Job
	id         int
	properties map[string]string
	started    time.Time
	cancel     context.CancelCauseFunc

	mu     sync.Mutex
	stages []StageStatus
}

// count changes what is known of a stage.
func (r *runningJob) count(number int, f func(*StageStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stages[number])
}

func (r *runningJob) status() JobStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return JobStatus{ID: r.id, Action: r.Action, Site: r.Site, Desc: r.Desc, Properties: r.properties,
		Started: r.started, Stages: slices.Clone(r.stages)}
}

// plan lists the stages of the job: those of the shuffles, then the result's.
func (r *runningJob) plan(shuffles []*Shuffle) {
	stages := make([]StageStatus, 0, len(shuffles)+1)
	for i, sh := range shuffles {
		stages = append(stages, StageStatus{Number: i, Op: sh.Parent.Op, Site: sh.Parent.Site})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stages = append(stages, StageStatus{Number: len(shuffles), Op: r.Target.Op, Site: r.Target.Site})
}

// A registry lists the jobs that run.
type registry struct {
	mu   sync.Mutex
	next int
	jobs map[int]*runningJob
}

// Reserve takes the number of a job that is to run in the background.
func (g *registry) Reserve() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.take()
}

func (g *registry) take() int {
	g.next++
	return g.next - 1
}

// add lists a job; over takes it from the list.
func (g *registry) add(ctx context.Context, job *Job, cancel context.CancelCauseFunc) (r *runningJob, over func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := backgroundOf(ctx).number(g.take)
	r = &runningJob{Job: job, id: id, properties: PropertiesOf(ctx), started: time.Now(), cancel: cancel}
	if g.jobs == nil {
		g.jobs = map[int]*runningJob{}
	}
	g.jobs[r.id] = r
	return r, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.jobs, r.id)
	}
}

// Jobs lists the jobs that run, the oldest first.
func (g *registry) Jobs() []JobStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]JobStatus, 0, len(g.jobs))
	for _, r := range g.jobs {
		out = append(out, r.status())
	}
	slices.SortFunc(out, func(a, b JobStatus) int { return a.ID - b.ID })
	return out
}

// Cancel ends the jobs that match, and tells how many there are; by and at say who does. It does not wait for their
// end.
func (g *registry) Cancel(by string, at Site, match func(id int, properties map[string]string) bool) int {
	g.mu.Lock()
	var out []*runningJob
	for id, r := range g.jobs {
		if match(id, r.properties) {
			out = append(out, r)
		}
	}
	g.mu.Unlock()
	for _, r := range out {
		r.cancel(&CancelledError{Job: r.id, Action: r.Action, Site: r.Site, By: by, At: at})
	}
	return len(out)
}
