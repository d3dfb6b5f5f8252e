package exec

import (
	"context"
	"sync/atomic"
)

// A Scope says which batch and output operation the actions of a context.Context belong to, and numbers
// them in the order in which they are called, so that a task is described alike at each re-run.
type Scope struct {
	Batch     int64
	BatchTime int64
	Output    int
	Seed      uint64
	Epoch     int64
	jobs      atomic.Int64
}

type scopeKey struct{}

// In gives a context whose actions belong to the scope.
func (s *Scope) In(ctx context.Context) context.Context { return context.WithValue(ctx, scopeKey{}, s) }

// ScopeOf finds the scope that ctx was made in, nil outside of a stream.
func ScopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}

// Desc describes the tasks of the scope's next job; outside of a stream jobs are numbered by others.
func (s *Scope) Desc(others *atomic.Int64) TaskDesc {
	if s == nil {
		return TaskDesc{Batch: -1, Output: -1, Job: int(others.Add(1)) - 1}
	}
	return TaskDesc{Batch: s.Batch, BatchTime: s.BatchTime, Output: s.Output, Seed: s.Seed, Epoch: s.Epoch,
		Job: int(s.jobs.Add(1)) - 1}
}
