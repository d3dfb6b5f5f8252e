// Package checkpoint is the log of a streaming program: where its inputs begin, what each batch takes
// (plan records) and which batches are done (commit records). A batch is fixed for ever once its plan is in
// the log; the last commit record is where the program is.
package checkpoint

import (
	"context"
	"fmt"
	"sync"
)

// A Start is the resolved first position of an input, by the input's operator id.
type Start struct {
	Positions map[string][]byte
}

// A Plan is the record that fixes a batch.
type Plan struct {
	// Sequence is dense, Time strictly increasing, in milliseconds.
	Sequence int64
	Time     int64
	// Ranges holds what the batch takes from each input, by the input's operator id.
	Ranges map[string][]byte
	// Seed is where the random operators of the batch begin.
	Seed uint64
	// Fingerprint is that of the graph that the batch was planned for.
	Fingerprint uint64
}

// A Commit is the record that all effects of a batch are in.
type Commit struct {
	Sequence int64
	Time     int64
	// Wrote tells for each effect, by its name, whether it wrote.
	Wrote map[string]bool
}

// A Log keeps the records. Each call returns when its record is as durable as the log makes it; an error
// means that it is not known to be in the log.
type Log interface {
	Start(ctx context.Context, s Start) error
	Plan(ctx context.Context, p Plan) error
	Commit(ctx context.Context, c Commit) error
	// Last gives the last plan and the last commit; a sequence of -1 says that there is none.
	Last() (Plan, Commit)
}

// Memory is a log that lasts as long as its process: no state survives a restart.
type Memory struct {
	mu     sync.Mutex
	start  Start
	plan   Plan
	commit Commit
	begun  bool
}

// Start implements Log.
func (m *Memory) Start(_ context.Context, s Start) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start = s
	m.init()
	return nil
}

func (m *Memory) init() {
	if !m.begun {
		m.begun, m.plan.Sequence, m.commit.Sequence = true, -1, -1
	}
}

// Plan implements Log. A plan that does not follow the last one is refused.
func (m *Memory) Plan(_ context.Context, p Plan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.init()
	if p.Sequence != m.plan.Sequence+1 || m.plan.Sequence >= 0 && p.Time <= m.plan.Time {
		return fmt.Errorf("plan of batch %d at %d ms does not follow batch %d at %d ms",
			p.Sequence, p.Time, m.plan.Sequence, m.plan.Time)
	}
	m.plan = p
	return nil
}

// Commit implements Log. A commit that does not follow the last one, or was not planned, is refused.
func (m *Memory) Commit(_ context.Context, c Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.init()
	if c.Sequence != m.commit.Sequence+1 || c.Sequence > m.plan.Sequence {
		return fmt.Errorf("commit of batch %d does not follow batch %d (the last plan is %d)",
			c.Sequence, m.commit.Sequence, m.plan.Sequence)
	}
	m.commit = c
	return nil
}

// Last implements Log.
func (m *Memory) Last() (Plan, Commit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.init()
	return m.plan, m.commit
}
