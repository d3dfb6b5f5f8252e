package dstream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
)

// A giving is a batch that is being given up.
type giving struct {
	checkpoint.Skip
	open []opened // effects whose sinks are to burn them
}

// An opened effect may come in until its sink has burned it.
type opened struct {
	kept  identity
	of    checkpoint.Effect
	parts int
	sure  bool
}

// settleEffect fences an effect, and adds to skip what its sink says of it. How many partitions the effect has is known
// if it was tried in this process, or has one identity; an earlier process may have had more than the log says of the
// batch in which it wrote last, so that none of the others is called burned unless the sink knows of all.
func (l *loop) settleEffect(kept identity, b *Batch, i int, skip *giving) error {
	e := checkpoint.Effect{Output: l.outputIDs[i], Name: kept.last.Name}
	parts, sure := l.partitionsOf(kept, b, i)
	has, err := l.askEffect(kept, b, parts)
	if err != nil {
		return err
	}
	skip.add(e, has, parts)
	switch {
	case sure && has >= parts:
	case kept.asked == nil && l.touched(b, i):
		skip.Unknown = append(skip.Unknown, e)
	case kept.asked == nil || kept.sink != nil || sure && !l.mayCome(b, i, e.Name):
		skip.burned(e, parts-has)
	default:
		skip.Unknown = append(skip.Unknown, e)
		if kept.burns != nil {
			skip.open = append(skip.open, opened{kept, e, parts, sure})
		}
	}
	return nil
}

func (g *giving) add(e checkpoint.Effect, has, parts int) {
	if has > 0 {
		e.Wrote, e.Partitions = true, max(has, parts)
		g.In = append(g.In, e)
	}
}

func (g *giving) burned(e checkpoint.Effect, parts int) {
	e.Partitions = parts
	g.Burned = append(g.Burned, e)
}

// mayCome tells that a write of an effect without transactions may be on its way: one that has failed here, or one of
// an earlier process.
func (l *loop) mayCome(b *Batch, i int, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.doubt[effectName{i, name}] > 0 || l.begunBefore(b)
}

// burnAll has sinks burn what may still come in of a batch, now that the log says that it never runs again: before that
// a process that dies, or fails at another sink, would leave a batch that runs and stores nothing. What cannot be
// burned stays unknown.
func (l *loop) burnAll(b *Batch, g *giving) error {
	if len(g.open) == 0 {
		return nil
	}
	g.In, g.Burned, g.Unknown = slices.Clone(g.In), slices.Clone(g.Burned), slices.Clone(g.Unknown) // The log has them.
	for _, o := range g.open {
		in, err := l.burnEffect(o, b)
		if err != nil {
			l.ssc.warn("a sink could not burn what may still come in of a batch that is given up", err, "batch",
				b.Sequence, "effect", effectTexts([]checkpoint.Effect{o.of})[0])
			continue
		}
		this := func(e checkpoint.Effect) bool { return e.Output == o.of.Output && e.Name == o.of.Name }
		g.In, g.Unknown = slices.DeleteFunc(g.In, this), slices.DeleteFunc(g.Unknown, this)
		g.add(o.of, in, o.parts)
		switch {
		case in == 0 || o.sure && in < o.parts:
			g.burned(o.of, o.parts-in)
		case !o.sure:
			g.Unknown = append(g.Unknown, o.of)
		}
	}
	e := checkpoint.Burn{Sequence: b.Sequence, In: g.In, Burned: g.Burned, Unknown: g.Unknown}
	return l.within(slotTimeout, func(ctx context.Context) error { return l.ssc.log.Append(ctx, e) })
}

// burnEffect has a sink burn an effect of a batch, and gives how many partitions are in.
func (l *loop) burnEffect(o opened, b *Batch) (in int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.life), 2*commitTimeout)
	defer cancel()
	id, parts := o.kept.last, 0
	if id.Sequence = b.Sequence; o.sure {
		parts = o.parts
	}
	err = l.ssc.insist(ctx, func() (err error) {
		in, err = call(ctx, func(ctx context.Context) (int, error) { return o.kept.burns.Burn(ctx, id, parts) })
		return err
	})
	if err == nil {
		l.ssc.sinks.wrote(id, time.Now()) // Its identity is there, with records or without.
	}
	return in, err
}

// partitionsOf is how many identities an effect of a batch has, sure telling whether that is known.
func (l *loop) partitionsOf(kept identity, b *Batch, i int) (parts int, sure bool) {
	if kept.sink != nil || kept.whole {
		return 1, true
	}
	e := checkpoint.Effect{Output: l.outputIDs[i], Name: kept.last.Name}
	if tried := b.partitionsOf(i, e.Name); tried > 0 {
		return max(tried, l.ssc.sinks.log.partitionsOf(e)), true
	}
	return max(l.ssc.sinks.log.partitionsOf(e), 1), !l.touched(b, i)
}

// askEffect fences an effect and counts the identities of the batch that are in, as far as the sink can be asked.
func (l *loop) askEffect(kept identity, b *Batch, parts int) (has int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.life), 2*commitTimeout)
	defer cancel()
	id := kept.last
	if kept.sink != nil {
		names := []string{kept.sink.Transaction(id)}
		err := l.ssc.insist(ctx, func() error {
			return tell(ctx, func(ctx context.Context) error { return kept.sink.Fence(ctx, names) })
		})
		if err != nil {
			return 0, fmt.Errorf("fence what may still be written: %w", err)
		}
	}
	if kept.asked == nil {
		return 0, nil
	}
	has, newest, err := countIn(ctx, kept, parts, b.Sequence)
	if err != nil {
		return 0, fmt.Errorf("ask the sink what it holds: %w", err)
	}
	if err := l.builtOnIn(b, newest); err != nil {
		return 0, err
	}
	if has > 0 {
		id.Sequence = b.Sequence
		l.ssc.sinks.wrote(id, time.Now())
	}
	return has, nil
}

// countIn counts the partitions of a batch that a sink holds, at least one if it holds any, and gives the newest batch
// that it holds.
func countIn(ctx context.Context, kept identity, parts int, sequence int64) (has int, newest int64, err error) {
	newest = -1
	for p := range parts {
		last, err := lastIn(ctx, kept.asked, kept.last, p)
		if err != nil {
			return 0, 0, err
		}
		if newest = max(newest, last); last >= sequence {
			has++
		}
	}
	if kept.back != nil {
		if newest, err = lastOf(ctx, kept.asked, kept.last, parts); err != nil {
			return 0, 0, err
		}
		if newest >= sequence {
			has = max(has, 1)
		}
	}
	return has, newest, nil
}
