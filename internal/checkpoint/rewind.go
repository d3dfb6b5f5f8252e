package checkpoint

import (
	"fmt"
	"slices"
)

// Rewound gives the state as if a batch, which must not be released, had just been planned: those before it are as they
// are, those after it are gone, and it is open. Positions, and what is known of effects, stay those of the log's end.
func (s *State) Rewound(sequence int64) (*State, error) {
	switch b := s.Batch(sequence); {
	case b == nil:
		return nil, s.notKept(sequence)
	case b.Import != nil:
		return nil, fmt.Errorf("batch %d is one by which states were changed by hand (%s): nothing was planned that "+
			"could run", sequence, b.Import.Reason)
	}
	c, err := s.clone()
	if err != nil {
		return nil, err
	}
	for i, b := range c.Batches {
		if b.Plan.Sequence != sequence {
			continue
		}
		*b = Batch{Plan: b.Plan}
		c.Planned = Mark{sequence, b.Plan.Time}
		c.Committed = Mark{Sequence: sequence - 1 - b.Plan.Idle}
		if i > 0 {
			before := c.Batches[i-1].Plan
			c.Committed = Mark{before.Sequence, before.Time}
		}
		c.Batches, c.Split, c.Stopped = c.Batches[:i+1], b.Plan.Split, false
		break
	}
	return c, nil
}

// notKept is the error of a batch that is not there.
func (s *State) notKept(sequence int64) error {
	switch n := len(s.Batches); {
	case n == 0:
		return fmt.Errorf("batch %d is not kept: none is", sequence)
	case sequence > s.Planned.Sequence:
		return fmt.Errorf("batch %d has not been planned: the last one is %d", sequence, s.Planned.Sequence)
	case slices.ContainsFunc(s.Batches, func(b *Batch) bool {
		return sequence < b.Plan.Sequence && sequence >= b.Plan.Sequence-b.Plan.Idle
	}):
		return fmt.Errorf("batch %d had nothing to do, and nothing of it is kept", sequence)
	default:
		return fmt.Errorf("batch %d is not kept: those from %d to %d are", sequence, s.Batches[0].Plan.Sequence,
			s.Batches[n-1].Plan.Sequence)
	}
}
