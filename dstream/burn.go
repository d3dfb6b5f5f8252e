package dstream

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
)

// settleEffect fences an effect, and adds to skip what its sink says of it. How many partitions the effect has is known
// if it was tried in this process, or has one identity; an earlier process may have had more than the log says of the
// batch in which it wrote last, so that none of the others is called burned unless the sink knows of all.
func (l *loop) settleEffect(kept identity, b *Batch, i int, skip *checkpoint.Skip) error {
	e := checkpoint.Effect{Output: l.outputIDs[i], Name: kept.last.Name}
	parts, sure := l.partitionsOf(kept, b, i)
	has, err := l.askEffect(kept, b, parts)
	if err != nil {
		return err
	}
	if has > 0 {
		there := e
		there.Wrote, there.Partitions = true, parts
		skip.In = append(skip.In, there)
	}
	switch {
	case kept.asked == nil && l.touched(b, i), !sure && (has > 0 || kept.back == nil):
		skip.Unknown = append(skip.Unknown, e)
	case has < parts:
		e.Partitions = parts - has
		skip.Burned = append(skip.Burned, e)
	}
	return nil
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
