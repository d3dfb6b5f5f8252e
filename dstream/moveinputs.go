package dstream

import (
	"bytes"
	"context"
	"fmt"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A MoveOption says how [MoveInputs] goes about it.
type MoveOption func(*moving)

type moving struct {
	dry  bool
	from map[string][]byte
}

// MoveDryRun has a move do nothing. If it would be refused now, such as with a [*HeldError], its error says so.
func MoveDryRun() MoveOption { return func(m *moving) { m.dry = true } }

// MoveFrom has a move be refused unless inputs are still where positions say, as [CheckpointInfo] has them: for who
// makes a new position from the one that he has read. nil stands for an input that the checkpoint does not have.
func MoveFrom(positions map[string][]byte) MoveOption { return func(m *moving) { m.from = positions } }

// MoveInputs has inputs of the checkpoint in dir begin, or go on, at other positions, in the words of their sources,
// while no program runs on it. Where there is no checkpoint it makes one, for the first start of a program to find.
// Inputs are known by the names that Named gave their streams.
//
// What lies between where an input was and its new position is not read, or read again: the outputs, exactly-once ones
// too, get it not at all or twice. A checkpoint that is in use is refused with a [*HeldError], and one in which a batch
// is planned that is not committed.
func MoveInputs(ctx context.Context, sc *rdd.Context, dir string, positions map[string][]byte,
	opts ...MoveOption) error {
	var m moving
	for _, opt := range opts {
		opt(&m)
	}
	c, err := readForChange(ctx, sc, dir)
	if err != nil {
		return err
	}
	start := checkpoint.Start{Positions: map[string]checkpoint.Range{}}
	for id, pos := range positions {
		start.Positions[id] = checkpoint.Range{Data: pos}
	}
	if m.dry {
		return c.rehearse(ctx, m.stillThere)
	}
	return c.change(ctx, "offsets import", func(log *checkpoint.Recovered) ([]checkpoint.Entry, error) {
		return []checkpoint.Entry{start}, m.stillThere(log.State)
	})
}

// stillThere refuses to move inputs that are not where they were when their new positions were made.
func (m *moving) stillThere(log *checkpoint.State) error {
	for _, id := range names(m.from) {
		if !bytes.Equal(log.Positions[id].Data, m.from[id]) {
			return fmt.Errorf("the input %q has gone on meanwhile from where it was to be moved: try again", id)
		}
	}
	return nil
}
