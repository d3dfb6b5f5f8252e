package dstream

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstream/weir/rdd"
)

// Slice gives the RDDs that the stream has had in the batches of an interval, both ends included and moved back to the
// stream's slide, the oldest first: those that are still kept, by [Context.Remember] or for a window. Batches that are
// not kept any more are an error, which names the remedy; times without a batch are passed over. The RDDs are computed
// when an action asks for them, and can be for as long as Remember keeps them. Slice waits while a batch makes its
// RDDs; the body of an output may call it. It is an error before Start.
func Slice[T any](ctx context.Context, d *DStream[T], i Interval) ([]*rdd.RDD[T], error) {
	ssc := d.node.ssc
	ssc.mu.Lock()
	l := ssc.loop
	ssc.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("slice of %s (%s): the context has not been started", d.node.op, d.node.site)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.life, func() { cancel(ErrStopped) })()
	select {
	case <-l.loaded: // What earlier batches left is there.
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	leave, err := l.generate(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var rs []*rdd.RDD[T]
	from, to := i.Begin.Floor(d.node.slide), i.End.Floor(d.node.slide)
	kept := l.newest.Add(ssc.interval - ssc.keep)
	if first := max(from, l.oldest); l.oldest != 0 && first < kept && first <= to {
		return nil, d.node.notKept(first, kept)
	}
	// What is kept is looked through, and not the interval, which may be all of time.
	for _, t := range slices.Sorted(maps.Keys(l.past)) {
		if t < from || t > to || !d.node.due(t) {
			continue
		}
		if l.past[t].bare && !d.node.fromPanes(t) {
			return nil, d.node.notKept(t, l.whole())
		}
		if r := d.at(l.past[t]); r != nil {
			rs = append(rs, r.Handed())
		}
	}
	return rs, nil
}

// whole is the first batch that is kept of which more is known than its panes.
func (l *loop) whole() Time {
	whole := l.newest
	for t, g := range l.past {
		if !g.bare {
			whole = min(whole, t)
		}
	}
	return whole
}

func (n *node) notKept(t, since Time) error {
	return fmt.Errorf("slice of %s (%s): the RDDs of %v are not kept any more, those from %v on are: call Remember "+
		"with a longer time before Start", n.op, n.site, t, since)
}

// generate gives the right to make RDDs, which one goroutine has at a time. It waits until ctx ends.
func (l *loop) generate(ctx context.Context) (leave func(), err error) {
	select {
	case l.generating <- struct{}{}:
		return func() { <-l.generating }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
