package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A Journal is the write ahead log of a receiver: a series of segments whose frames are acknowledged only when they are
// durable and the log of the job is known to have had no other owner by then, so that the next owner finds them.
type Journal struct {
	log    *Log
	opts   JournalOptions
	writes *group[*journalled]

	mu       sync.Mutex
	segments *Segments
	position []byte // of the last frame that has one
	halted   error  // nothing is taken before Resume
}

// JournalOptions are how a journal is kept.
type JournalOptions struct {
	Segments SegmentsOptions
	// Covers tells whether a source that stands at the position last has given all up to position already. nil compares
	// for equality.
	Covers func(last, position []byte) bool
	// Halted is told of an error after which nothing is taken before Resume.
	Halted func(err error)
}

// A JournalFrame is a payload for a journal.
type JournalFrame struct {
	Payload []byte
	// Position is where the source stands behind it, nil if it has none.
	Position []byte
	// Logged is called when the frame is in the journal, in the order of the sequences, and not for one that is dropped
	// because an earlier position covers its own.
	Logged func(sequence int64, at File)
}

// journalled is a frame of a run of the receiver.
type journalled struct {
	JournalFrame
	run context.Context
}

// OpenJournal opens a journal whose frames before the sequence before are in plans, and gives visit the others.
// position is that of the last of those in plans.
func OpenJournal(ctx context.Context, log *Log, fsys vfs.FS, dir, series string, o JournalOptions, before int64,
	position []byte, visit func(f Frame, head ReceivedBlock) error) (*Journal, error) {
	if o.Covers == nil {
		o.Covers = func(last, position []byte) bool { return slices.Equal(last, position) }
	}
	j := &Journal{log: log, opts: o, position: position}
	j.writes = newGroup(j.write)
	var err error
	j.segments, err = TakeSegments(ctx, fsys, dir, series, o.Segments, before, func(f Frame) error {
		head, _, err := ReceivedHead(f.Payload)
		if err != nil {
			return &DamageError{File: vfs.Join(dir, f.File), Offset: f.Offset, What: err.Error(), Remedy: fromCopy}
		}
		if head.Position != nil {
			j.position = slices.Clone(head.Position)
		}
		return visit(f, head)
	})
	if err == nil {
		err = j.segments.removeVoid(ctx, j.check)
	}
	if err != nil {
		return nil, err
	}
	return j, nil
}

// Store writes a frame and returns when it is acknowledged. Frames of calls that come together share a sync. After an
// error it may be in the journal nevertheless; then nothing is taken before Resume, lest a later position be there
// while an earlier frame is not. The frames of a run that has ended are refused.
func (j *Journal) Store(run context.Context, f JournalFrame) error {
	j.mu.Lock()
	err := j.halted
	if run.Err() != nil {
		err = context.Cause(run)
	}
	var t *ticket[*journalled]
	if err == nil {
		t = j.writes.add(&journalled{f, run})
	}
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.writes.settle(context.WithoutCancel(run), t) // A write has a time of its own.
}

// Seal ends a run: what it has handed in before is written, what comes later is refused.
func (j *Journal) Seal(endRun context.CancelFunc) {
	j.mu.Lock()
	defer j.mu.Unlock()
	endRun()
}

// Resume has frames taken again, those of another run, when all of the run before are settled, and gives the position
// behind which the source is to go on: that of the last frame that has one. That frame may never have been
// acknowledged, and when it comes again it is, for its position is there: so Resume first asks, as a write does,
// whether the log has another owner, for whom the frame does not count.
func (j *Journal) Resume(ctx context.Context) ([]byte, error) {
	leave, err := j.settle(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := j.check(ctx); err != nil {
		return nil, fmt.Errorf("write ahead log: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.halted = nil
	return slices.Clone(j.position), nil
}

// Settle waits until all that was handed in before is written, or could not be.
func (j *Journal) Settle(ctx context.Context) error {
	leave, err := j.settle(ctx)
	if err != nil {
		return err
	}
	leave()
	return nil
}

// settle is Settle, and keeps others from writing until leave is called.
func (j *Journal) settle(ctx context.Context) (leave func(), err error) {
	select {
	case j.writes.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("write ahead log: %w", context.Cause(ctx))
	}
	j.writes.writeAll()
	return func() { <-j.writes.turn }, nil
}

// write writes frames together. The group calls it.
func (j *Journal) write(batch []*ticket[*journalled]) {
	err := j.tryWrite(batch)
	for _, t := range batch {
		t.err = err
	}
	if err == nil {
		return
	}
	j.mu.Lock()
	first := j.halted == nil
	if first {
		j.halted = err
	}
	j.mu.Unlock()
	if first && j.opts.Halted != nil {
		j.opts.Halted(err)
	}
}

// Halt has nothing taken before Resume, as after an error of Store: for who has something of a run that no frame can be
// made of, lest a later position pass over it. A run that has ended halts nothing.
func (j *Journal) Halt(run context.Context, err error) {
	j.mu.Lock()
	first := j.halted == nil && run.Err() == nil
	if first {
		j.halted = err
	}
	j.mu.Unlock()
	if first && j.opts.Halted != nil {
		j.opts.Halted(err)
	}
}

func (j *Journal) tryWrite(batch []*ticket[*journalled]) error {
	j.mu.Lock()
	err, last := j.halted, j.position
	j.mu.Unlock()
	if err != nil {
		return err
	}
	frames, last, err := j.fresh(batch, last)
	if err != nil || len(frames) == 0 {
		return err
	}
	payloads := make([][]byte, len(frames))
	for i, f := range frames {
		payloads[i] = f.Payload
	}
	ctx := context.Background() // Segments have a time of their own.
	first, at, err := j.segments.AppendAll(ctx, payloads)
	if err != nil {
		return fmt.Errorf("write ahead log: %w", err)
	}
	err = j.check(ctx)
	for i, f := range frames { // Also after an error: it says nothing of the frames, which are there.
		f.Logged(first+int64(i), at[i])
	}
	j.mu.Lock()
	j.position = last
	j.mu.Unlock()
	return err
}

// checkTimeout bounds the question whether the log has another owner.
const checkTimeout = 10 * time.Second

func (j *Journal) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("the checkpoint's log did not answer"))
	defer cancel()
	return j.log.Check(ctx)
}

// fresh leaves out the frames whose position an earlier one covers.
func (j *Journal) fresh(batch []*ticket[*journalled], last []byte) (frames []*journalled, at []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("comparing positions panicked: %v\n%s", v, debug.Stack())
		}
	}()
	for _, t := range batch {
		f := t.value
		if len(f.Position) > 0 && last != nil && j.opts.Covers(last, f.Position) {
			continue
		}
		if len(f.Position) > 0 {
			last = f.Position
		}
		frames = append(frames, f)
	}
	return frames, last, nil
}

// Clean removes the files all of whose frames come before a sequence.
func (j *Journal) Clean(ctx context.Context, before int64) error {
	return j.segments.Clean(ctx, before)
}

// Close gives the file back. Nothing is taken any more.
func (j *Journal) Close(ctx context.Context) error { return j.segments.Close(ctx) }
