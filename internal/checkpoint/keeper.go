package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// keep gives signs of life, and has what is not needed any more removed beside that, until the log is over or closed.
func (l *Log) keep() {
	defer close(l.rested)
	var pruning sync.WaitGroup
	pruning.Go(l.pruner)
	defer pruning.Wait()
	ticker := time.NewTicker(l.opts.Beat)
	defer ticker.Stop()
	var last StopRequest
	for beat := int64(1); ; {
		select {
		case <-l.stop:
			return
		case <-l.over:
			return
		case <-ticker.C:
			if !l.signOfLife(beat) {
				return
			}
			err := l.within(l.opts.Stale, func(ctx context.Context) error { return l.heed(ctx, &last) })
			if err != nil {
				l.opts.Report("it cannot be seen whether the program is asked to stop", err)
			}
			beat++
		case <-l.poke:
			if !l.signOfLife(beat) {
				return
			}
			beat++
		}
	}
}

// pruneTimeout bounds one round of removing: a store that is slow must not fall behind for want of time.
const pruneTimeout = 10 * time.Minute

// pruner removes what is not needed any more. It may take long, and no sign of life waits for it.
func (l *Log) pruner() {
	graves := map[int64]bool{}
	for {
		select {
		case <-l.stop:
			return
		case <-l.over:
			return
		case <-l.prune:
			err := l.within(pruneTimeout, func(ctx context.Context) error {
				return errors.Join(l.removeSlots(ctx, graves), l.removeFiles(ctx))
			})
			if err != nil && !l.closing() {
				l.opts.Report("old files of the checkpoint cannot be removed; trying again later", err)
			}
		}
	}
}

// signOfLife gives one; false says that the log is over.
func (l *Log) signOfLife(beat int64) bool {
	err := l.within(l.opts.Stale, func(ctx context.Context) error { return l.beat(ctx, beat) })
	if _, fenced := errors.AsType[*FencedError](err); fenced {
		l.fail(err)
		return false
	}
	if err != nil && !l.closing() {
		l.opts.Report("the lease of the checkpoint cannot be written", err)
	}
	return true
}

// within bounds what is done beside the log, and ends it when the log is closed.
func (l *Log) within(bound time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	go func() {
		select {
		case <-l.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return f(ctx)
}

// closing tells that the log is being closed, which cuts off what is done beside it: that is no fault.
func (l *Log) closing() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// beat writes the lease, unless another owner is there. The slot says so, where leases may take turns in hiding each
// other.
func (l *Log) beat(ctx context.Context, beat int64) error {
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	if s, err := l.folder.read(ctx, next); err == nil && s.Writer != l.writer {
		return l.fencedBy(ctx, next)
	}
	return l.sign(ctx, lease{Beat: beat})
}

// release writes the lease for the last time.
func (l *Log) release(ctx context.Context) error {
	return l.sign(ctx, lease{Released: true})
}

func (l *Log) sign(ctx context.Context, sign lease) error {
	l.mu.Lock()
	sign.Next, sign.Stopping = l.next, l.stopping
	l.mu.Unlock()
	sign.Job, sign.Epoch, sign.Owner, sign.At = l.state.Job, l.epoch, l.owner, time.Now().UnixMilli()
	there, err := l.folder.readLease(ctx)
	if err == nil && there.Job == sign.Job && there.Epoch > l.epoch {
		return &FencedError{Dir: l.folder.dir, Slot: sign.Next, Epoch: l.epoch, By: there.Owner, ByEpoch: there.Epoch}
	}
	return l.folder.writeLease(ctx, sign)
}

// tempAge is how old a file must be that was begun and never published before it is taken for a leftover.
const tempAge = time.Hour

func leftover(i vfs.Info) bool {
	return strings.HasPrefix(vfs.Base(i.Name), ".") && time.Since(i.ModTime) > tempAge
}

// removeSlots removes the slots before the last base but one, in the order of their numbers: so the slots that are
// there never have a gap, and who has read from a base can tell whether what it read was still the log. The slot of
// a takeover is what a process that wakes up late would write next: a grave takes its place, for ever.
func (l *Log) removeSlots(ctx context.Context, graves map[int64]bool) error {
	l.mu.Lock()
	bound := l.base - l.every
	l.mu.Unlock()
	infos, err := l.folder.fs.List(ctx, l.folder.logDir())
	if err != nil {
		return err
	}
	for _, i := range infos {
		n, ok := slotNumber(i.Name)
		switch {
		case ok && n < bound && !graves[n]:
			buried, err := l.removeSlot(ctx, n, i.Length)
			if err != nil {
				return err
			}
			if buried {
				graves[n] = true
			}
		case !ok && leftover(i) && !l.spares.has(i.Name):
			if err := missingIsFine(l.folder.fs.Remove(ctx, i.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeSlot removes a slot, or buries it. What a damaged one held is not known: it is its own grave.
func (l *Log) removeSlot(ctx context.Context, n, bytes int64) (buried bool, err error) {
	name := l.folder.slotName(n)
	if n > l.taken { // This process wrote it.
		return false, missingIsFine(l.spares.remove(ctx, l.folder.fs, name, bytes))
	}
	s, err := l.folder.read(ctx, n)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if _, damaged := errors.AsType[*DamageError](err); damaged { // Nobody needs it, and it may be a takeover's.
		l.opts.Report("an old slot of the log is damaged; it is not needed any more, and stays as it is", err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if _, ok := s.takeover(); !ok {
		return false, missingIsFine(l.folder.fs.Remove(ctx, name))
	}
	if s.Grave {
		return true, nil
	}
	grave := &slot{slotHead: s.slotHead, entries: s.entries[:1], lines: s.lines[:1]}
	grave.Grave = true
	data, err := grave.encode()
	if err != nil {
		return false, err
	}
	return true, vfs.WriteFile(ctx, l.folder.fs, name, data)
}

// Hold keeps the files of states, as the log names them now, until release is called, also when batches are released
// meanwhile: for who reads a version while batches run. release may be called again.
func (l *Log) Hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.holds.take()
	return sync.OnceFunc(func() {
		l.mu.Lock()
		delete(l.holds.open, id)
		l.mu.Unlock()
		l.wake()
	})
}

// holds are numbered as they come. One needs the files that were dropped since it came, and no others, so that readers
// that overlap for ever do not keep all.
type holds struct {
	newest int64
	open   map[int64]bool
}

func (h *holds) take() int64 {
	if h.open == nil {
		h.open = map[int64]bool{}
	}
	h.newest++
	h.open[h.newest] = true
	return h.newest
}

// oldest is the first that is open, or the next to come.
func (h *holds) oldest() int64 {
	first := h.newest + 1
	for id := range h.open {
		first = min(first, id)
	}
	return first
}

// A drop is a file that nothing needs any more but holds up to one.
type drop struct {
	File
	hold int64
}

// removeFiles removes the files that no state refers to any more, by entries that are durable.
func (l *Log) removeFiles(ctx context.Context) error {
	l.mu.Lock()
	oldest := l.holds.oldest()
	var dropped, held []drop
	for _, d := range l.dropped {
		if d.hold < oldest {
			dropped = append(dropped, d)
		} else {
			held = append(held, d)
		}
	}
	l.dropped = held
	l.mu.Unlock()
	for i, f := range dropped {
		if err := missingIsFine(l.folder.fs.Remove(ctx, vfs.Join(l.folder.dir, f.Name))); err != nil {
			l.mu.Lock()
			l.dropped = append(l.dropped, dropped[i:]...)
			l.mu.Unlock()
			return err
		}
	}
	return nil
}

// Sweep removes the files of a folder in the checkpoint that no state refers to: what an owner left that did not come
// to commit it. It must be called before anything is written there. An owner that was taken over from removes nothing,
// and gets a *FencedError: to what it knows, the files of the next owner are strays.
func (l *Log) Sweep(ctx context.Context, dir string) error {
	infos, err := l.folder.fs.List(ctx, vfs.Join(l.folder.dir, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	needed := l.state.Files()
	l.mu.Unlock()
	var strays []string
	for _, i := range slices.Backward(infos) {
		if !i.Dir && !needed[vfs.Join(dir, vfs.Base(i.Name))] {
			strays = append(strays, i.Name)
		}
	}
	if len(strays) == 0 {
		return nil
	}
	if err := l.Check(ctx); err != nil { // After the listing, which else may show what the next owner writes.
		return fmt.Errorf("sweep %s: %w", dir, err)
	}
	for _, name := range strays {
		if err := missingIsFine(l.folder.fs.Remove(ctx, name)); err != nil {
			return fmt.Errorf("sweep %s: %w", dir, err)
		}
	}
	return nil
}

func missingIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
