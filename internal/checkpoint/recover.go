package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A tail is what is found in a log: where it ends, and what it amounts to.
type tail struct {
	state *State
	// base is the last slot that begins with a state, baseWriter who wrote it.
	base       int64
	baseWriter string
	every      int64
	// next is the first slot that is absent; last is the head of the one before.
	next int64
	last slotHead
}

// errMoved says that the slots that were being read have gone meanwhile: the log has moved on.
var errMoved = errors.New("the log moved on while it was read")

// Read gives the state of a log without taking it over. It is nil where there is none.
func Read(ctx context.Context, fsys vfs.FS, dir string) (*State, error) {
	t, err := folder{fsys, dir}.tail(ctx)
	if err != nil || t == nil {
		return nil, err
	}
	return t.state, nil
}

// A log that moves on while it is read is read again, so often and after such a pause.
const (
	tailTries = 9
	tailPause = 20 * time.Millisecond
)

// tail reads the log, or gives nil if there is none.
func (f folder) tail(ctx context.Context) (*tail, error) {
	for try := 0; ; try++ {
		t, err := f.tryTail(ctx)
		if err == nil || !errors.Is(err, errMoved) {
			return t, err
		}
		if damage, ok := errors.AsType[*DamageError](err); ok && try == tailTries {
			return nil, damage
		}
		if try == tailTries {
			return nil, err
		}
		select {
		case <-time.After(tailPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tryTail reads the log once. The listing comes first and is a hint, as the lease is: whatever it does not show is
// found by asking for slots by their numbers.
func (f folder) tryTail(ctx context.Context) (*tail, error) {
	listed, err := f.list(ctx)
	if err != nil {
		return nil, err
	}
	first, err := f.read(ctx, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.without(ctx, listed)
	}
	if err != nil {
		return nil, err
	}
	t := &tail{every: first.Every}
	if t.every < 1 {
		return nil, &DamageError{File: f.slotName(0), What: "it says no distance of bases", Remedy: fromCopy}
	}
	if l, err := f.readLease(ctx); err == nil && l.Next > 0 && l.Job == first.Job {
		listed = append(listed, l.Next-1)
	}
	slices.Sort(listed)
	if err := f.findBase(ctx, t, first, listed); err != nil {
		return nil, err
	}
	if err := f.follow(ctx, t); err != nil {
		return nil, err
	}
	return t, f.nothingBehind(ctx, t, listed)
}

// without explains a log that has no slot 0: nil if there is no log at all.
func (f folder) without(ctx context.Context, listed []int64) error {
	if len(listed) == 0 {
		return nil
	}
	if _, err := f.read(ctx, 0); !errors.Is(err, fs.ErrNotExist) {
		return errMoved // It has just begun.
	}
	return &DamageError{File: f.slotName(0), What: fmt.Sprintf("the file is missing, and slot %d is there", listed[0]),
		Remedy: fromCopy}
}

// list gives the numbers of the slots that the listing shows.
func (f folder) list(ctx context.Context) ([]int64, error) {
	infos, err := f.fs.List(ctx, f.logDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var listed []int64
	for _, i := range infos {
		if n, ok := slotNumber(i.Name); ok {
			listed = append(listed, n)
		}
	}
	return listed, nil
}

// findBase finds the newest slot that holds a state. Those that are kept lie at each multiple of every, without a gap,
// for they go in the order of their numbers: from any one of them the newest is found by asking.
func (f folder) findBase(ctx context.Context, t *tail, first *slot, listed []int64) error {
	var newest *slot
	asked := int64(-1)
	for _, n := range slices.Backward(listed) {
		n -= n % t.every
		if n == asked {
			continue
		}
		asked = n
		s, err := f.read(ctx, n)
		if err == nil && s.base != nil {
			newest = s
			break
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if newest == nil && first.base != nil {
		newest = first
	}
	if newest == nil {
		return fmt.Errorf("%w: %w", errMoved, &DamageError{File: f.slotName(0), Remedy: fromCopy,
			What: "only the grave of this slot is there, and no slot that holds the state of the log"})
	}
	for {
		s, err := f.read(ctx, newest.Number+t.every)
		if errors.Is(err, fs.ErrNotExist) || err == nil && s.base == nil {
			break
		}
		if err != nil {
			return err
		}
		newest = s
	}
	if newest.Job != first.Job {
		return f.foreign(newest, first.Job)
	}
	t.base, t.baseWriter, t.last = newest.Number, newest.Writer, newest.slotHead
	t.state, t.next = newest.base, newest.Number+1
	t.last.Epoch, t.last.Writer = t.state.Owner.Epoch, newest.Writer
	return f.take(t, newest)
}

func (f folder) foreign(s *slot, job string) error {
	return &DamageError{File: f.slotName(s.Number), What: fmt.Sprintf("it belongs to the job %s, not %s", s.Job, job),
		Remedy: notBoth}
}

// follow reads the slots behind the base.
func (f folder) follow(ctx context.Context, t *tail) error {
	for {
		s, err := f.read(ctx, t.next)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.Job != t.state.Job {
			return f.foreign(s, t.state.Job)
		}
		if s.Grave {
			return errMoved
		}
		if err := f.take(t, s); err != nil {
			return err
		}
		if s.base != nil {
			t.base, t.baseWriter = s.Number, s.Writer
		}
		t.next++
	}
}

// take takes a slot's entries in. A slot is written by the owner of its epoch, and no other way.
func (f folder) take(t *tail, s *slot) error {
	bad := func(what string) error {
		return &DamageError{File: f.slotName(s.Number), What: what, Remedy: notBoth}
	}
	takeover, begins := s.takeover()
	switch {
	case begins && (takeover.Epoch != s.Epoch || s.Epoch != t.last.Epoch+1):
		return bad(fmt.Sprintf("epoch %d of a slot of epoch %d follows epoch %d", takeover.Epoch, s.Epoch,
			t.last.Epoch))
	case !begins && (s.Epoch != t.last.Epoch || s.Writer != t.last.Writer):
		return bad(fmt.Sprintf("its writer of epoch %d is not the owner of epoch %d", s.Epoch, t.last.Epoch))
	}
	c := t.state.cursor()
	for _, e := range s.entries {
		if err := c.check([]Entry{e}); err != nil {
			return bad(err.Error())
		}
		t.state.apply(e)
	}
	t.last = s.slotHead
	return nil
}

// nothingBehind makes sure that the first slot that is absent is the end of the log: that nothing lies behind it, and
// that it has not been there.
func (f folder) nothingBehind(ctx context.Context, t *tail, listed []int64) error {
	behind := int64(-1)
	if len(listed) > 0 && listed[len(listed)-1] >= t.next {
		behind = listed[len(listed)-1]
	} else if _, err := f.read(ctx, t.next+1); err == nil {
		behind = t.next + 1
	}
	if behind < 0 {
		return nil
	}
	if ok, err := f.stillBase(ctx, t); err != nil || !ok {
		return errors.Join(errMoved, err)
	}
	if _, err := f.read(ctx, t.next); !errors.Is(err, fs.ErrNotExist) {
		return errMoved
	}
	missing := &DamageError{File: f.slotName(t.next), Remedy: fromCopy,
		What: fmt.Sprintf("the file is missing, and slot %d is there", behind)}
	if _, err := f.read(ctx, behind); errors.Is(err, fs.ErrNotExist) {
		missing.What = fmt.Sprintf("the file is missing, and the lease %s tells of slot %d", f.lease(), behind)
		missing.Remedy = "if an older copy of the checkpoint was put back on purpose, remove the lease; or " + fromCopy
	}
	return missing
}

// stillBase tells whether the base from which the log was read is there. While it is, no slot behind it has gone: slots
// go in the order of their numbers.
func (f folder) stillBase(ctx context.Context, t *tail) (bool, error) {
	s, err := f.read(ctx, t.base)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !s.Grave && s.Writer == t.baseWriter, err
}
