package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A lease is the sign of life of an owner: a file that it writes again and again. It decides only when another process
// tries to take the log over; which of them has it is decided by the slot. Clocks are not compared: whoever waits looks
// whether the file changes.
type lease struct {
	Job   string `json:"job"`
	Epoch int64  `json:"epoch"`
	Owner Owner  `json:"owner"`
	// Beat counts, so that each writing is another one.
	Beat int64 `json:"beat"`
	// Next is the slot that the owner would write next, or an earlier one.
	Next int64 `json:"next"`
	At   int64 `json:"at"`
	// Stopping is how many milliseconds the owner means to take for its stop; 0 if it is not stopping.
	Stopping int64 `json:"stopping,omitempty"`
	// Released tells that the owner has let the log go.
	Released bool `json:"released,omitempty"`
}

// leaseMax bounds the file of a lease.
const leaseMax = 64 << 10

func (f folder) readLease(ctx context.Context) (lease, error) {
	var l lease
	data, err := vfs.ReadFile(ctx, f.fs, f.lease(), leaseMax)
	if err != nil {
		return l, err
	}
	err = DecodeOne("lease", f.lease(), data, &l)
	return l, err
}

func (f folder) writeLease(ctx context.Context, l lease) error {
	data, err := EncodeRecord("lease", l)
	if err != nil {
		return err
	}
	return vfs.Replace(ctx, f.fs, f.lease(), data)
}

// A watch waits for an owner to be gone.
type watch struct {
	folder folder
	opts   Options
	seen   lease
	since  time.Time
	waited bool
	told   bool
}

// Held gives a *HeldError if another owner is alive, as Open would that does not wait, and nil if Open would take the
// log over. It takes as long as Open to find out, and writes nothing. Where there is no log there is no owner.
func Held(ctx context.Context, fsys vfs.FS, dir string) error {
	f, opts := folder{fsys, dir}, Options{}.withDefaults()
	w := &watch{folder: f, opts: opts}
	for {
		t, err := f.tail(ctx)
		if err != nil || t == nil {
			return err
		}
		if err = w.gone(ctx, t); !errors.Is(err, errMoved) {
			return err
		}
		select { // Who has taken over meanwhile has not written his slot yet, or it was read before.
		case <-time.After(opts.Poll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// gone waits until the owner of the last epoch has let the log go, or gives no sign of life, and is nil then. While it
// does, and nobody is to wait, it is a *HeldError.
func (w *watch) gone(ctx context.Context, t *tail) error {
	if t.state.Stopped {
		return nil // That is the last that an owner writes.
	}
	owner := t.state.Owner
	if w.since.IsZero() {
		w.since = time.Now()
		w.seen, _ = w.folder.readLease(ctx)
	}
	for !owner.Owner.Gone() { // One on this machine may die while it is waited for.
		// A lease that is not there, or not readable, does not change and so becomes stale.
		l, err := w.folder.readLease(ctx)
		switch {
		case ctx.Err() != nil:
			return w.ended(ctx)
		case err == nil && l.Epoch > owner.Epoch:
			return errMoved // Another one was faster.
		case err == nil && l.Epoch == owner.Epoch && l.Released:
			return nil
		case err == nil && l.Epoch == owner.Epoch && l != w.seen:
			// One of an earlier epoch is a sign of one who has not noticed yet.
			w.alive(l)
			if !w.opts.Wait {
				return &HeldError{Dir: w.folder.dir, Epoch: owner.Epoch, Owner: owner.Owner}
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			w.opts.Report("the lease of the checkpoint cannot be read", err)
		}
		if time.Since(w.since) >= w.opts.Stale {
			return nil
		}
		w.tell(owner)
		w.waited = true
		select {
		case <-ctx.Done():
		case <-time.After(w.opts.Poll):
		}
	}
	return nil
}

// tell says for whom it waits.
func (w *watch) tell(owner Takeover) {
	if !w.told {
		w.told = true
		w.opts.Waiting(owner.Epoch, owner.Owner)
	}
}

// ended is the error of a context that has ended meanwhile.
func (w *watch) ended(ctx context.Context) error {
	if w.opts.Wait && w.waited {
		return fmt.Errorf("%w: %w", ErrWaited, context.Cause(ctx))
	}
	return context.Cause(ctx)
}

// alive begins the waiting anew.
func (w *watch) alive(l lease) { w.seen, w.since = l, time.Now() }
