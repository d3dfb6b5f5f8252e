package exec

import "sync"

// An Accumulator takes what the attempts of tasks have collected for it, once for each task that counts.
type Accumulator interface {
	// ID numbers the accumulators of a context; Name is "" for one that is not shown.
	ID() int
	Name() string
	// Merge adds what an attempt collected, and gives that and the new total as values to show.
	Merge(collected any) (update, total any, err error)
}

// An AccumulatorUpdate is what a task added to a named accumulator.
type AccumulatorUpdate struct {
	ID   int
	Name string
	// Update is what the task added, Value the total after it.
	Update, Value any
}

// updates are what an attempt collects for accumulators.
type updates struct {
	mu   sync.Mutex
	list []collected
}

type collected struct {
	acc  Accumulator
	into any
}

// Collect gives what the attempt collects for an accumulator, made by fresh when it is first asked for. It counts if
// the attempt is the one that publishes.
func (t *Task) Collect(acc Accumulator, fresh func() any) any {
	t.updates.mu.Lock()
	defer t.updates.mu.Unlock()
	for _, c := range t.updates.list {
		if c.acc == acc {
			return c.into
		}
	}
	into := fresh()
	t.updates.list = append(t.updates.list, collected{acc, into})
	return into
}

// publish has the accumulators take what the attempt collected, and lists those that have a name.
func (t *Task) publish() (shown []AccumulatorUpdate, err error) {
	t.updates.mu.Lock()
	list := t.updates.list
	t.updates.mu.Unlock()
	for _, c := range list {
		update, total, err := c.acc.Merge(c.into)
		if err != nil {
			return shown, err
		}
		if name := c.acc.Name(); name != "" {
			shown = append(shown, AccumulatorUpdate{c.acc.ID(), name, update, total})
		}
	}
	return shown, nil
}
