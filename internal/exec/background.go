package exec

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Background is an action that goes on when its call has returned. What its jobs could not find out on the goroutine
// on which they run was found out by the call: its place, and the numbers of the first job, so that actions are
// numbered, and take their turns, in the order in which they were called.
type Background struct {
	site Site
	desc TaskDesc
	id   int

	mu   sync.Mutex
	used bool // desc and id are
	ids  []int
}

type backgroundKey struct{}

// NewBackground describes an action that is being called. id is the number that the runner has reserved for it.
func NewBackground(ctx context.Context, others *atomic.Int64, id int) *Background {
	return &Background{site: Caller(), desc: ScopeOf(ctx).Desc(others), id: id, ids: []int{id}}
}

// In gives a context whose jobs belong to the action.
func (b *Background) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, b)
}

// IDs lists the numbers of the action's jobs that have begun; that of the first is known before.
func (b *Background) IDs() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ids)
}

func backgroundOf(ctx context.Context) *Background {
	b, _ := ctx.Value(backgroundKey{}).(*Background)
	return b
}

// PlaceOf is the user's call of the action whose context it is.
func PlaceOf(ctx context.Context) Site {
	if b := backgroundOf(ctx); b != nil {
		return b.site
	}
	return Caller()
}

// Describe gives the place and the description of a job that is being made; others numbers jobs outside of a stream.
func Describe(ctx context.Context, others *atomic.Int64) (Site, TaskDesc) {
	b := backgroundOf(ctx)
	if b == nil {
		return Caller(), ScopeOf(ctx).Desc(others)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.used {
		return b.site, b.desc
	}
	return b.site, ScopeOf(ctx).Desc(others)
}

// number gives the reserved number to the action's first job, and keeps that of each further one.
func (b *Background) number(next func() int) int {
	if b == nil {
		return next()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.used {
		b.used = true
		return b.id
	}
	id := next()
	b.ids = append(b.ids, id)
	return id
}
