package exec

import (
	"cmp"
	"sync"
)

// A Pool shares the slots with other pools, as Spark's fair scheduler has it.
type Pool struct {
	Name string
	// Fair has the jobs of the pool share its slots; otherwise the first of them goes first.
	Fair bool
	// Weight is the pool's share of the slots, against the weights of the others.
	Weight int
	// MinShare is how many slots it is given before the others get their shares by weight.
	MinShare int
}

// DefaultPool is the pool of jobs that name none.
const DefaultPool = "default"

// slots are handed to the tasks that wait, whose order follows from their jobs and pools. A slot that is free is never
// left to whoever comes first: each stage says at once how many tasks it has.
type slots struct {
	total   int
	fair    bool
	workers *workers

	mu    sync.Mutex
	free  int
	pools map[string]*pool
	sets  []*taskSet // with tasks that wait
}

// pool counts the slots that a pool has.
type pool struct {
	Pool
	running int
}

// A taskSet is what waits of a stage.
type taskSet struct {
	job, stage int
	pool       *pool
	start      func(w *worker, l launch) (next launch, ok bool)

	// first are the tasks that have not been tried, in their order, again those that are to be tried a second time
	// beside the attempt that runs. The lock of slots guards what follows.
	first, again []int
	running      int
}

func newSlots(n int, ws *workers) *slots {
	return &slots{total: n, free: n, workers: ws, pools: map[string]*pool{}}
}

// share has the slots shared among pools.
func (q *slots) share(pools []Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fair = true
	for _, p := range pools {
		q.pools[p.Name] = &pool{Pool: p}
	}
}

// poolOf gives the pool of that name, a new one of weight 1 if nobody has set it up. known tells whether somebody has.
func (q *slots) poolOf(name string) (p *pool, known bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.fair || name == "" {
		name = DefaultPool
	}
	p, known = q.pools[name]
	if !known {
		p = &pool{Pool: Pool{Name: name, Weight: 1}}
		q.pools[name] = p
	}
	return p, known || name == DefaultPool
}

// submit has the tasks of a set started, in their order, as slots become free.
func (q *slots) submit(ts *taskSet) {
	q.mu.Lock()
	q.sets = append(q.sets, ts)
	q.mu.Unlock()
	q.begin()
}

// tryAgain has a task tried a second time when a slot is free that no first attempt waits for.
func (q *slots) tryAgain(ts *taskSet, i int) {
	q.mu.Lock()
	if len(ts.first)+len(ts.again) == 0 {
		q.sets = append(q.sets, ts)
	}
	ts.again = append(ts.again, i)
	q.mu.Unlock()
	q.begin()
}

// withdraw starts no more tasks of the set, and tells how many have never been tried.
func (q *slots) withdraw(ts *taskSet) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(ts.first)
	ts.first, ts.again = nil, nil
	q.prune()
	return n
}

// release gives back the slot of a task, and gives the task that has it next: the same worker runs it.
func (q *slots) release(ts *taskSet) (next launch, ok bool) {
	q.mu.Lock()
	q.free++
	ts.running--
	ts.pool.running--
	q.mu.Unlock()
	return q.next()
}

// begin starts tasks as long as there are slots and tasks that wait.
func (q *slots) begin() {
	for l, ok := q.next(); ok; l, ok = q.next() {
		q.workers.run(l)
	}
}

// next gives a slot to the task that is next; false if there are no slots or no tasks.
func (q *slots) next() (l launch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == 0 {
		return launch{}, false
	}
	ts, again := q.best()
	if ts == nil {
		return launch{}, false
	}
	q.free--
	ts.running++
	ts.pool.running++
	l = launch{set: ts, beside: again}
	if again {
		l.i, ts.again = ts.again[0], ts.again[1:]
	} else {
		l.i, ts.first = ts.first[0], ts.first[1:]
	}
	q.prune()
	return l, true
}

// prune drops the sets of which nothing waits; mu is held.
func (q *slots) prune() {
	kept := q.sets[:0]
	for _, ts := range q.sets {
		if len(ts.first)+len(ts.again) > 0 {
			kept = append(kept, ts)
		}
	}
	clear(q.sets[len(kept):])
	q.sets = kept
}

// best is the set whose task is next: a first attempt if any waits, however low its job stands.
func (q *slots) best() (best *taskSet, again bool) {
	for _, ts := range q.sets {
		if len(ts.first) > 0 && (best == nil || q.before(ts, best)) {
			best = ts
		}
	}
	if best != nil {
		return best, false
	}
	for _, ts := range q.sets {
		if best == nil || q.before(ts, best) {
			best = ts
		}
	}
	return best, true
}

// before orders sets: by job and stage, or if the slots are shared, by pool first and then as the pool says.
func (q *slots) before(a, b *taskSet) bool {
	order := 0
	if q.fair {
		if a.pool != b.pool {
			return cmp.Or(fairly(a.pool.share(), b.pool.share()), cmp.Compare(a.pool.Name, b.pool.Name)) < 0
		}
		if a.pool.Fair {
			order = fairly(a.share(), b.share())
		}
	}
	return cmp.Or(order, cmp.Compare(a.job, b.job), cmp.Compare(a.stage, b.stage)) < 0
}

// A share is what a pool or a set has, and what it is due.
type share struct{ running, minShare, weight int }

func (p *pool) share() share     { return share{p.running, p.MinShare, p.Weight} }
func (ts *taskSet) share() share { return share{ts.running, 0, 1} }

// fairly is Spark's FairSchedulingAlgorithm: who has less than his minimum share comes first, the one that lacks the
// greater part of it before the others; then who has least for his weight.
func fairly(a, b share) int {
	needyA, needyB := a.running < a.minShare, b.running < b.minShare
	switch {
	case needyA && !needyB:
		return -1
	case needyB && !needyA:
		return 1
	case needyA:
		return cmp.Compare(a.running*max(b.minShare, 1), b.running*max(a.minShare, 1))
	}
	return cmp.Compare(a.running*max(b.weight, 1), b.running*max(a.weight, 1))
}
