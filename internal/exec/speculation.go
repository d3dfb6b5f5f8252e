package exec

import (
	"slices"
	"time"
)

// Speculation says when a task that runs long is tried a second time beside its first attempt.
type Speculation struct {
	// Interval is how often slow tasks are looked for; 0 for never.
	Interval time.Duration
	// Quantile is the part of a stage's tasks that must have ended; Multiplier how many times their median a task must
	// have run, and MinRuntime how long in any case.
	Quantile   float64
	Multiplier float64
	MinRuntime time.Duration
	// Threshold is how long a task must have run in a stage of no more tasks than slots, whatever the others did; 0 for
	// none.
	Threshold time.Duration
}

// watches tells whether slow tasks are looked for in the stage: alone, without a threshold, no task is slow.
func (s Speculation) watches(tasks int) bool {
	return s.Interval > 0 && (tasks > 1 || s.Threshold > 0)
}

// bound is how long a task may run before it counts as slow; false if no such time is known yet. took are the run
// times of those that have ended.
func (s Speculation) bound(tasks, slots int, took []time.Duration) (time.Duration, bool) {
	least := max(int(s.Quantile*float64(tasks)), 1)
	switch {
	case tasks > 1 && len(took) >= least:
		return max(time.Duration(s.Multiplier*float64(median(took))), s.MinRuntime), true
	case s.Threshold > 0 && tasks <= slots:
		return s.Threshold, true
	}
	return 0, false
}

func median(ds []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(ds))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// speculate has the stage's slow tasks tried a second time. Two attempts at a task give the same, so that it does not
// matter which of them ends first.
func (st *stage) speculate() {
	for _, i := range st.slow(time.Now()) {
		st.slots.tryAgain(st.set, i)
	}
}

// slow lists the tasks that run alone for longer than the others did; each is listed once as long as it runs.
func (st *stage) slow(now time.Time) (slow []int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	bound, ok := st.speculation.bound(len(st.parts), st.slots.total, st.took)
	if !ok {
		return nil
	}
	for i := range st.parts {
		p := &st.parts[i]
		if p.settled || p.doubled || len(p.tries) != 1 || now.Sub(p.since) <= bound {
			continue
		}
		p.doubled = true
		slow = append(slow, i)
	}
	return slow
}
