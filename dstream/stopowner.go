package dstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// heed does what a request in the checkpoint asks for.
func (ssc *Context) heed(r checkpoint.StopRequest) {
	within := time.Duration(r.Within) * time.Millisecond
	if within <= 0 {
		within = ssc.stopTimeout(!r.Now)
	}
	if left, draining := ssc.drainLeft(); draining && !r.Now {
		within = min(within, left) // The deadline of the drain stands.
	}
	ssc.logger.Info("asked in the checkpoint to stop", "by", r.By.String(), "gracefully", !r.Now, "within", within)
	ssc.log.Stopping(within)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		// AwaitTermination tells its error.
		_ = ssc.stop(ctx, stopping{graceful: !r.Now, keep: !conf.StopSparkContextByDefault.Get(ssc.conf)})
	}()
}

// drainLeft is how much time a drain has left that was begun already.
func (ssc *Context) drainLeft() (left time.Duration, draining bool) {
	ssc.mu.Lock()
	l := ssc.loop
	ssc.mu.Unlock()
	if l == nil {
		return 0, false
	}
	select {
	case <-l.drain:
		return max(time.Until(l.deadline), ownerSeen), true
	default:
		return 0, false
	}
}

// An OwnerStop says how [StopOwner] stops a program.
type OwnerStop struct {
	// Now stops it at once: the batch that runs is cut off, and stays planned. Otherwise it is drained, as by Graceful.
	Now bool
	// Within is how long the stop may take before it is cut off; 0 leaves that to the program's settings.
	Within time.Duration
	// Progress is told what is new, in a line each. It may be nil.
	Progress func(line string)
}

// ErrNoOwner is wrapped by the error of StopOwner if no process shows any sign of life.
var ErrNoOwner = errors.New("no process owns the checkpoint")

// ErrNotStopped is wrapped by the error of StopOwner if the owner is alive and has not stopped in time.
var ErrNotStopped = errors.New("the program has not stopped")

// Bounds of StopOwner: how often it looks, how long an owner may take to say that it is stopping, for it looks for
// requests every two seconds and perhaps not before its states are loaded, how much longer than it has said its stop
// may take, for inputs and sinks are closed at the end, how much later than it begins a stop may be seen, and how long
// it looks who takes over.
const (
	ownerPoll   = 100 * time.Millisecond
	ownerAnswer = time.Minute
	ownerClose  = 30 * time.Second
	ownerSeen   = time.Second
	ownerHeir   = time.Second
)

// StopOwner asks the process that owns the checkpoint in dir, on any machine, to stop, by a request in the checkpoint,
// and waits until it has. It returns nil if the stop was clean, or had been: nothing is open. The error wraps
// [ErrDrainCut] if its deadline has passed and planned batches were left uncommitted, [ErrNoOwner] if the owner is
// dead, [ErrNotStopped] if it lives on, and is a [*HeldError] if another process, a standby, has taken over meanwhile:
// that one is not stopped. dir may lie on any file system that sc was given.
func StopOwner(ctx context.Context, sc *rdd.Context, dir string, how OwnerStop) error {
	fsys, path, err := sc.FileSystem(dir)
	if err == nil {
		w := &ownerWatch{dir: dir, how: how, progress: how.Progress}
		if w.progress == nil {
			w.progress = func(string) {}
		}
		w.look = func(ctx context.Context) (*checkpoint.Standing, error) { return checkpoint.Look(ctx, fsys, path) }
		w.ask = func(ctx context.Context, r checkpoint.StopRequest) error {
			return checkpoint.AskToStop(ctx, fsys, path, r)
		}
		err = w.stop(ctx)
	}
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	return nil
}

// A takenOver is the error of who has stopped an owner, and finds another one in its place.
type takenOver struct {
	*HeldError
	was     checkpoint.Owner
	stopped bool // as was seen
}

func (e *takenOver) Error() string {
	how := "has stopped or died"
	if e.stopped {
		how = "has stopped"
	}
	return fmt.Sprintf("%s %s; the standby %s has taken over (epoch %d): stop it, too (weir stop %s)", e.was, how,
		e.Owner, e.Epoch, e.Dir)
}

func (e *takenOver) Unwrap() error { return e.HeldError }

// An ownerWatch waits for an owner's end.
type ownerWatch struct {
	dir      string
	how      OwnerStop
	look     func(ctx context.Context) (*checkpoint.Standing, error)
	ask      func(ctx context.Context, r checkpoint.StopRequest) error
	progress func(line string)

	owner    checkpoint.Takeover
	sign     string
	since    time.Time // when the sign of life changed last
	deadline time.Time // by when it must have answered, and then by when it must have ended
	heeded   bool
	cut      time.Time // from when on its drain may have been cut
	begun    bool      // it was stopping before it was asked, nobody knows since when
	stopped  time.Time
	told     string
}

func (w *ownerWatch) stop(ctx context.Context) error {
	s, err := w.look(ctx)
	switch {
	case err != nil:
		return err
	case s == nil:
		return noCheckpoint(w.dir)
	case s.State.Stopped:
		w.progress(fmt.Sprintf("%s has stopped cleanly already", s.State.Owner.Owner))
		return nil
	}
	w.owner, w.sign, w.since, w.begun = s.State.Owner, s.Sign, time.Now(), s.Stopping > 0
	if s.Released || s.Gone {
		return w.over(s)
	}
	if err := w.ask(ctx, checkpoint.StopRequest{Job: s.State.Job, Epoch: w.owner.Epoch,
		By: checkpoint.Here("weir stop"), At: time.Now().UnixMilli(), Now: w.how.Now,
		Within: w.how.Within.Milliseconds()}); err != nil {
		return fmt.Errorf("ask the program to stop: %w", err)
	}
	w.progress(fmt.Sprintf("asked %s (epoch %d) to stop", w.owner.Owner, w.owner.Epoch))
	w.deadline = time.Now().Add(ownerAnswer)
	err = w.await(ctx)
	if err != nil && ctx.Err() != nil {
		w.progress(fmt.Sprintf("%s goes on with its stop, though nobody waits for it now; weir stop does so again",
			w.owner.Owner))
	}
	return err
}

// await looks until the owner has stopped.
func (w *ownerWatch) await(ctx context.Context) error {
	for {
		s, err := w.look(ctx)
		if err != nil {
			return err
		}
		if done, err := w.seen(s); done || err != nil {
			return err
		}
		select {
		case <-time.After(ownerPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// seen takes in how it stands; done tells that the owner has stopped.
func (w *ownerWatch) seen(s *checkpoint.Standing) (done bool, err error) {
	now := time.Now()
	switch {
	case s == nil:
		return false, fmt.Errorf("it was removed while %s was stopping, and may run still: end it with SIGTERM: %w",
			w.owner.Owner, fs.ErrNotExist)
	case s.State.Owner.Epoch != w.owner.Epoch:
		held := &HeldError{Dir: w.dir, Epoch: s.State.Owner.Epoch, Owner: s.State.Owner.Owner}
		return false, &takenOver{held, w.owner.Owner, w.heeded || !w.stopped.IsZero()}
	}
	if s.Sign != w.sign {
		w.sign, w.since = s.Sign, now
	}
	if s.Stopping > 0 && !w.heeded && !s.State.Stopped {
		w.heeded, w.deadline = true, now.Add(s.Stopping+ownerClose)
		if !w.begun {
			w.cut = now.Add(s.Stopping - ownerSeen)
		}
		w.progress(fmt.Sprintf("it is stopping, within %v", s.Stopping))
	}
	if s.State.Stopped {
		// Who was waiting as a standby takes over now.
		if w.stopped.IsZero() {
			w.stopped = now
			w.progress(fmt.Sprintf("stopped cleanly, with batch %d committed", s.State.Committed.Sequence))
		}
		return now.Sub(w.stopped) >= ownerHeir, nil
	}
	if s.Released && w.heeded && w.how.Now {
		w.progress(fmt.Sprintf("%s has stopped; %s", w.owner.Owner, leftOpen(s)))
		return true, nil
	}
	if s.Released || s.Gone || now.Sub(w.since) >= checkpoint.Stale {
		return false, w.over(s)
	}
	if w.heeded && !w.how.Now { // What a stop at once leaves is said at its end.
		w.tell(s)
	}
	if now.Before(w.deadline) {
		return false, nil
	}
	if !w.heeded {
		return false, fmt.Errorf("%w: %s is alive and does not answer: it loads its states still, or its version of "+
			"weir knows of no such requests; end it with SIGTERM", ErrNotStopped, w.owner.Owner)
	}
	return false, fmt.Errorf("%w: %s is alive %v after the deadline that it gave itself; end it by force",
		ErrNotStopped, w.owner.Owner, ownerClose)
}

// tell says which batches are open, when that is new.
func (w *ownerWatch) tell(s *checkpoint.Standing) {
	text, _ := openText(s)
	if text == "" {
		text = "nothing is open any more"
	}
	if text != w.told {
		w.told = text
		w.progress(text)
	}
}

// over is the error of an owner that has ended without a clean stop, or gives no sign of life.
func (w *ownerWatch) over(s *checkpoint.Standing) error {
	left := leftOpen(s)
	switch {
	case s.Released && w.heeded && time.Now().Before(w.cut):
		return fmt.Errorf("%s has ended without a clean stop, before its deadline; %s; see its log", w.owner.Owner,
			left)
	case s.Released && w.heeded && len(s.State.Opened()) == 0:
		return fmt.Errorf("%s has ended without a clean stop; no batch is open, but what receivers had stored may be "+
			"left; see its log", w.owner.Owner)
	case s.Released && w.heeded:
		return fmt.Errorf("%w: %s has stopped; %s; more time gives --timeout or the program's %s", ErrDrainCut,
			w.owner.Owner, left, conf.GracefulStopTimeout.Name())
	case s.Released:
		return fmt.Errorf("%w: %s has stopped before; %s", ErrNoOwner, w.owner.Owner, left)
	case s.Gone:
		return fmt.Errorf("%w: %s has died; %s", ErrNoOwner, w.owner.Owner, left)
	}
	return fmt.Errorf("%w: %s has given no sign of life for %v; %s", ErrNoOwner, w.owner.Owner, checkpoint.Stale, left)
}

func leftOpen(s *checkpoint.Standing) string {
	text, runs := openText(s)
	if text == "" {
		return "nothing is open"
	}
	return text + againBy(runs)
}

func againBy(runs string) string {
	return ", and " + runs + " again at the next start or by weir finish"
}

// openText names the batches that are open, "" if there are none, and gives the verb that goes on.
func openText(s *checkpoint.Standing) (text, runs string) {
	open := s.State.Opened()
	if len(open) == 0 {
		return "", ""
	}
	return openBatches(len(open), open[0].Plan.Sequence, open[len(open)-1].Plan.Sequence)
}

func openBatches(n int, first, last int64) (text, runs string) {
	switch {
	case n <= 0:
		return "", ""
	case n == 1:
		return fmt.Sprintf("batch %d is planned and not committed", first), "runs"
	}
	return fmt.Sprintf("batches %d to %d are planned and not committed", first, last), "run"
}
