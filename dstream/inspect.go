package dstream

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A CheckpointInfo is what a checkpoint holds, for who looks at it from outside.
type CheckpointInfo struct {
	// Job names the effects of the program; it was made with the checkpoint.
	Job     string
	Created time.Time
	// Owner is the process that has taken the checkpoint over last, Epoch its number. StoppedCleanly tells that it has
	// stopped and left nothing open.
	Owner          string
	Epoch          int64
	StoppedCleanly bool
	// Ended tells that this process is known to have ended. Of one on another machine that has died it is not known.
	Ended bool
	// Batches are those that are still kept, the oldest first.
	Batches []BatchRecord
	// Positions are, by input, the last range that was planned, else where the input begins, in the words of its
	// source.
	Positions map[string][]byte
	// Skipped are all batches that were ever given up, kept or not.
	Skipped []SkippedBatch
	// States are the operators that keep a state by key, Windows those that keep panes.
	States, Windows []string
}

// A BatchRecord is what a checkpoint holds of a batch.
type BatchRecord struct {
	Time     Time
	Sequence int64
	// Status is planned, committed or skipped, or imported where states were changed by hand.
	Status string
	// Idle counts the batches before this one that had nothing to do, of which nothing else is kept.
	Idle   int64
	Inputs []InputRecord
	// Wrote are the outputs that have written something.
	Wrote []string
}

// A SkippedBatch is one that was given up: its records are in none of the outputs Burned, and in those of In. Of the
// Unknown ones, whose sinks could not be asked or may be written to still, that is not known.
type SkippedBatch struct {
	Time                Time
	Sequence            int64
	Reason              string
	In, Burned, Unknown []string
}

// An InputRecord is what a batch takes from an input: Range is in the words of its source.
type InputRecord struct {
	Input   string
	Range   []byte
	Records int64
}

// ErrNoCheckpoint is wrapped by the error of who looks for a checkpoint where there is none.
var ErrNoCheckpoint = fmt.Errorf("there is none: %w", fs.ErrNotExist)

// noCheckpoint is the error of who has looked for a checkpoint at a path, and what may help.
func noCheckpoint(path string) error {
	return fmt.Errorf("%w: looked for the folder %s; check the folder that is given: a program makes the checkpoint "+
		"at its first start with --checkpoint (Context.Checkpoint)", ErrNoCheckpoint, vfs.Join(path, "log"))
}

// ReadCheckpoint reads the checkpoint in dir, which may be in use, and changes nothing. dir may lie on any file system
// that sc was given.
func ReadCheckpoint(ctx context.Context, sc *rdd.Context, dir string) (*CheckpointInfo, error) {
	fsys, path, err := sc.FileSystem(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	s, err := checkpoint.Look(ctx, fsys, path)
	if err == nil && s == nil {
		err = noCheckpoint(path)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	return infoOf(s), nil
}

// Standing says in a few words how it stands with the owner.
func (c *CheckpointInfo) Standing() string {
	planned := func(b BatchRecord) bool { return b.Status == "planned" }
	switch {
	case c.StoppedCleanly:
		return "stopped cleanly"
	case c.Ended && slices.ContainsFunc(c.Batches, planned):
		return "ended, with batches that are planned and not committed"
	case c.Ended:
		return "ended, and nothing is open"
	}
	return "in use, or its owner died"
}

func infoOf(standing *checkpoint.Standing) *CheckpointInfo {
	s := standing.State
	info := &CheckpointInfo{Job: s.Job, Created: time.UnixMilli(s.Created), Owner: s.Owner.Owner.String(),
		Epoch: s.Owner.Epoch, StoppedCleanly: s.Stopped, Ended: s.Stopped || standing.Released || standing.Gone,
		Positions: map[string][]byte{}, States: s.Keyed(), Windows: s.Windows()}
	for id, p := range s.Positions {
		info.Positions[id] = p.Data
	}
	info.Skipped = skippedIn(s)
	for _, b := range s.Batches {
		info.Batches = append(info.Batches, recordOf(b))
	}
	return info
}

func skippedIn(s *checkpoint.State) (list []SkippedBatch) {
	for _, b := range s.Skipped {
		list = append(list, SkippedBatch{Time: Time(b.Time), Sequence: b.Sequence, Reason: b.Reason,
			In: effectTexts(b.In), Burned: effectTexts(b.Burned), Unknown: effectTexts(b.Unknown)})
	}
	return list
}

func recordOf(b *checkpoint.Batch) BatchRecord {
	r := BatchRecord{Time: Time(b.Plan.Time), Sequence: b.Plan.Sequence, Idle: b.Plan.Idle, Status: "planned"}
	for _, id := range names(b.Plan.Ranges) {
		rng := b.Plan.Ranges[id]
		r.Inputs = append(r.Inputs, InputRecord{Input: id, Range: rng.Data, Records: rng.Records})
	}
	switch {
	case b.Commit != nil:
		r.Status = "committed"
		for _, e := range b.Commit.Effects {
			if e.Wrote {
				r.Wrote = append(r.Wrote, e.Output)
			}
		}
	case b.Skip != nil:
		r.Status = "skipped"
	case b.Import != nil:
		r.Status = "imported"
	}
	return r
}
