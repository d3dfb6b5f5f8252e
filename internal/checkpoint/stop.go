package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A StopRequest asks an owner to stop. It is a file beside the lease, at which the owner looks when it gives its sign
// of life, so that it reaches a process on any machine. It names the epoch: a later owner takes it for nobody's.
type StopRequest struct {
	Job   string `json:"job"`
	Epoch int64  `json:"epoch"`
	By    Owner  `json:"by"`
	// At is the clock of who asks, in milliseconds; it tells requests apart.
	At int64 `json:"at"`
	// Now asks for an immediate stop, which leaves the running batch uncommitted.
	Now bool `json:"now,omitempty"`
	// Within is how long the stop may take, in milliseconds; 0 leaves that to the owner.
	Within int64 `json:"within,omitempty"`
}

func (f folder) stopFile() string { return vfs.Join(f.dir, "stop") }

// AskToStop puts a request where its owner looks for it, in place of an earlier one.
func AskToStop(ctx context.Context, fsys vfs.FS, dir string, r StopRequest) error {
	data, err := EncodeRecord("stop", r)
	if err != nil {
		return err
	}
	return vfs.Replace(ctx, fsys, folder{fsys, dir}.stopFile(), data)
}

func (f folder) readStop(ctx context.Context) (r StopRequest, err error) {
	data, err := vfs.ReadFile(ctx, f.fs, f.stopFile(), leaseMax)
	if err != nil {
		return r, err
	}
	err = DecodeOne("stop", f.stopFile(), data, &r)
	return r, err
}

// Asked gives the requests to stop that name this owner, each of them once.
func (l *Log) Asked() <-chan StopRequest { return l.asked }

// Stopping has the next sign of life, which comes at once, say that the owner is stopping, and how long that may take.
func (l *Log) Stopping(within time.Duration) {
	l.mu.Lock()
	l.stopping = max(within.Milliseconds(), 1)
	l.mu.Unlock()
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// heed looks for a request to stop, and removes one that names an earlier owner. last is the one that was told last.
func (l *Log) heed(ctx context.Context, last *StopRequest) error {
	r, err := l.folder.readStop(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case r.Job != l.state.Job || r.Epoch > l.epoch || r == *last:
		return nil
	case r.Epoch < l.epoch:
		return missingIsFine(l.folder.fs.Remove(ctx, l.folder.stopFile()))
	}
	select {
	case l.asked <- r:
		*last = r
	default: // The one before has not been taken yet.
	}
	return nil
}

// A Standing is how it stands with an owner, as far as that shows from outside.
type Standing struct {
	State *State
	// Sign changes as long as the owner is alive; it is "" if there is no lease of it.
	Sign string
	// Released tells that the owner has let the log go, Gone that its process is known not to be there any more. Not
	// to know is false.
	Released, Gone bool
	// Stopping is how long the owner means to take for its stop; 0 if it is not stopping.
	Stopping time.Duration
}

// Stale is after what time without a sign of life an owner with the usual options is taken for dead.
var Stale = Options{}.withDefaults().Stale

// Look tells how it stands with the owner of a log, which is not taken over. It is nil where there is no log.
func Look(ctx context.Context, fsys vfs.FS, dir string) (*Standing, error) {
	f := folder{fsys, dir}
	// What an owner writes last is in the log that is read after it was seen to have gone. A lease that cannot be read
	// does not change, and so becomes stale.
	l, unread := f.readLease(ctx)
	t, err := f.tail(ctx)
	if err != nil || t == nil {
		return nil, err
	}
	s := &Standing{State: t.state, Gone: t.state.Owner.Owner.Gone()}
	if s.Gone {
		again, err := f.tail(ctx)
		if err != nil || again == nil {
			return nil, err
		}
		s.Gone, s.State, t = again.state.Owner.Owner == t.state.Owner.Owner, again.state, again
	}
	if unread == nil && l.Job == t.state.Job && l.Epoch == t.state.Owner.Epoch {
		s.Sign, s.Released = fmt.Sprint(l.Beat, l.Next, l.At, l.Stopping), l.Released
		s.Stopping = time.Duration(l.Stopping) * time.Millisecond
	}
	return s, nil
}
