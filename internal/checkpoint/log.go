package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// packed are entries that go into one slot, and their lines.
type packed struct {
	entries []Entry
	lines   []json.RawMessage
}

// Options are how a log is kept. Fields that are zero have the values that are named.
type Options struct {
	// Settings and Fingerprint go into the takeover, for who reads the log.
	Settings    map[string]string
	Fingerprint uint64
	// GivenUp are the ids that the settings ask to be dropped; see [State].
	GivenUp []string
	// Wait makes Open wait, as a standby, while another owner is alive, instead of giving a *HeldError.
	Wait bool
	// Every is how many slots there are from one that holds the whole state to the next (100). It is fixed when the
	// log is made.
	Every int64
	// Beat is how often the owner gives a sign of life (2s), Stale after what time without one it is taken for dead
	// (8s), and Poll how often that is looked at (250ms).
	Beat, Stale, Poll time.Duration
	// PutTimeout is how long a slot is tried to be written before the log is given up (30s).
	PutTimeout time.Duration
	// Report is told of trouble that does not stop the log. It may be nil.
	Report func(message string, err error)
	// Waiting is told, once, that Open waits, and for whom. It may be nil.
	Waiting func(epoch int64, owner Owner)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&o.Beat, 2*time.Second)
	set(&o.Stale, 4*o.Beat)
	set(&o.Poll, 250*time.Millisecond)
	set(&o.PutTimeout, 30*time.Second)
	if o.Every <= 0 {
		o.Every = 100
	}
	if o.Report == nil {
		o.Report = func(string, error) {}
	}
	if o.Waiting == nil {
		o.Waiting = func(int64, Owner) {}
	}
	return o
}

// Recovered is what Open found in a log, before its own takeover: the owner that its state names is the one before.
type Recovered struct {
	*State
	// First tells that there was no log.
	First bool
	// Epoch is that of this owner.
	Epoch int64
}

// A Log is open for its owner to write. Its methods may be called from several goroutines.
type Log struct {
	folder folder
	opts   Options
	owner  Owner
	epoch  int64
	writer string
	every  int64
	taken  int64 // the slot of the takeover
	writes *group[packed]
	spares *spares

	mu      sync.Mutex
	state   *State // it is changed by who writes a slot, under mu
	next    int64
	base    int64
	dropped []drop // files that no state refers to, by what is durable
	holds   holds  // who reads what may be dropped meanwhile
	err     error  // why nothing more can be written
	trouble error  // why the slot that is on its way is not there yet
	closed  bool

	stopping int64 // what the lease says of that

	asked  chan StopRequest
	poke   chan struct{} // the next sign of life is due at once
	over   chan struct{} // closed when err is set
	prune  chan struct{} // slots may have become old
	stop   chan struct{} // closed by Close
	rested chan struct{} // closed when the keeper has ended
}

// Open takes a log over, or makes one. While another owner is alive it waits or gives a *HeldError. The log must be
// closed.
func Open(ctx context.Context, fsys vfs.FS, dir string, owner Owner, opts Options) (*Log, *Recovered, error) {
	opts = opts.withDefaults()
	f := folder{fsys, dir}
	if err := fsys.MkdirAll(ctx, f.logDir()); err != nil {
		return nil, nil, err
	}
	w := &watch{folder: f, opts: opts}
	for {
		l, r, err := open(ctx, f, w, owner, opts)
		if !errors.Is(err, errMoved) {
			return l, r, err
		}
		// Who writes the log is alive, whatever its lease says.
		w.alive(w.seen)
		select {
		case <-time.After(opts.Poll):
		case <-ctx.Done():
			return nil, nil, w.ended(ctx)
		}
	}
}

// open tries once: it reads the log, waits for its owner to be gone, reads it again if it did wait, and takes the next
// slot. Slots that others take, or that go, meanwhile are errMoved.
func open(ctx context.Context, f folder, w *watch, owner Owner, opts Options) (*Log, *Recovered, error) {
	t, err := f.tail(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := &Recovered{First: t == nil}
	if t == nil {
		t = &tail{state: newState(newUUID(), time.Now().UnixMilli()), every: opts.Every, base: -1}
	} else {
		if err := w.gone(ctx, t); err != nil {
			return nil, nil, err
		}
		if t, err = f.again(ctx, w, t); err != nil {
			return nil, nil, err
		}
	}
	if r.State, err = t.state.clone(); err != nil {
		return nil, nil, err
	}
	l := &Log{folder: f, opts: opts, owner: owner, epoch: t.last.Epoch + 1, writer: newNonce(), every: t.every,
		taken: t.next, state: t.state, next: t.next, base: t.base, spares: newSpares(f.fs), over: make(chan struct{}),
		asked: make(chan StopRequest, 1), poke: make(chan struct{}, 1),
		prune: make(chan struct{}, 1), stop: make(chan struct{}), rested: make(chan struct{})}
	l.writes = newGroup(l.write)
	r.Epoch = l.epoch
	if !r.First {
		// The slots that were read must outlive a power failure before anything is put behind them.
		if err := vfs.MakeSure(ctx, f.fs, f.logDir()); err != nil {
			return nil, nil, err
		}
	}
	if err := l.takeOver(ctx, t); err != nil {
		return nil, nil, err
	}
	if err := l.beat(ctx, 0); err != nil { // Who has taken over meanwhile is met at the next slot.
		opts.Report("the lease of the checkpoint cannot be written", err)
	}
	go l.keep()
	return l, r, nil
}

// again reads the log again if the owner was waited for.
func (f folder) again(ctx context.Context, w *watch, before *tail) (*tail, error) {
	if !w.waited {
		return before, nil
	}
	t, err := f.tail(ctx)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, fmt.Errorf("the checkpoint %s was removed while its owner, %s (epoch %d), was waited for: start "+
			"again to begin a new one, or put it back", f.dir, before.state.Owner.Owner, before.last.Epoch)
	case t.last.Epoch != before.last.Epoch:
		return nil, errMoved // Another one was faster, and is alive.
	}
	return t, nil
}

// takeOver writes the first slot of an epoch.
func (l *Log) takeOver(ctx context.Context, t *tail) error {
	p, err := l.pack([]Entry{Takeover{Epoch: l.epoch, Owner: l.owner, At: time.Now().UnixMilli(),
		Settings: l.opts.Settings, Fingerprint: l.opts.Fingerprint, GivenUp: l.opts.GivenUp}})
	if err == nil {
		err = l.writes.settle(ctx, l.writes.add(p))
	}
	var fenced *FencedError
	if errors.As(err, &fenced) {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	if err != nil || t.base < 0 {
		return err
	}
	// The slot was absent. If it is one that had been there, and had gone with those before it, the log has moved on
	// while this process slept, and the slot means nothing. It stays, to become a grave: this process may also have
	// slept since it took the slot, which then is the one that its predecessor would write next.
	if ok, err := l.folder.stillBase(ctx, t); err != nil || ok {
		return err
	}
	return errMoved
}

// NewMemory makes a log that lasts as long as its process: no state survives a restart. It needs no Close.
func NewMemory() *Log {
	l := &Log{state: newState(newUUID(), time.Now().UnixMilli()), over: make(chan struct{})}
	l.state.forgetful = true
	l.writes = newGroup(l.write)
	return l
}

// Epoch is that of this owner, 0 for a log in memory.
func (l *Log) Epoch() int64 { return l.epoch }

// Job is the UUID that was made with the log.
func (l *Log) Job() string { return l.state.Job }

// Last gives the last plan and the last commit; a sequence of -1 says that there is none.
func (l *Log) Last() (planned, committed Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Planned, l.state.Committed
}

// State gives a copy of what the log amounts to.
func (l *Log) State() (*State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.clone()
}

// Over is closed when nothing can be written any more; Err says why: the log was taken over (*FencedError), closed, or
// a slot could not be written.
func (l *Log) Over() <-chan struct{} { return l.over }

// Err says why nothing can be written any more, nil while it can.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Check asks whether the log is still this owner's: nil says that nobody had taken it over when Check was called, so
// that whoever takes it over finds what was durable before.
func (l *Log) Check(ctx context.Context) error {
	if l.folder.fs == nil {
		return nil
	}
	select { // While a slot of ours is on its way, it is not known which one the next owner would take.
	case l.writes.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.writes.turn }()
	l.mu.Lock()
	next, err := l.next, l.err
	l.mu.Unlock()
	if err != nil {
		return err
	}
	switch s, err := l.folder.read(ctx, next); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case s.Writer == l.writer: // A put whose answer was lost; whether another one followed is not known.
		return fmt.Errorf("slot %d of %s is there and was not acknowledged", next, l.folder.dir)
	}
	err = l.fencedBy(ctx, next)
	l.fail(err)
	return err
}

// Append writes entries, all or none of them, and returns when they are durable. Entries of calls that come while a
// slot is being written share the next one. An error that wraps [ErrOrder], and one of the context, say that nothing
// was written. After any other the log is over; a *FencedError says that nothing was written, and of what else failed
// only who opens the log again knows what became.
func (l *Log) Append(ctx context.Context, entries ...Entry) error {
	p, err := l.ours(entries)
	if err != nil {
		return err
	}
	return l.settle(ctx, l.writes.add(p))
}

// settle waits for entries. Who has waited long enough for those before them is told what these wait for.
func (l *Log) settle(ctx context.Context, t *ticket[packed]) error {
	err := l.writes.settle(ctx, t)
	if err == nil || ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble == nil {
		return fmt.Errorf("the log %s was not written in time: %w", l.folder.dir, err)
	}
	return fmt.Errorf("the log %s was not written in time: %w: %w", l.folder.dir, err, l.trouble)
}

// ours packs what others than the log itself want to write.
func (l *Log) ours(entries []Entry) (packed, error) {
	for _, e := range entries {
		if _, ok := e.(Takeover); ok {
			return packed{}, disorder("a takeover is written by Open")
		}
	}
	return l.pack(entries)
}

func (l *Log) pack(entries []Entry) (packed, error) {
	p := packed{entries: entries}
	if l.folder.fs == nil {
		return p, nil
	}
	for _, e := range entries {
		line, err := encodeEntry(e)
		if err != nil {
			return packed{}, err
		}
		p.lines = append(p.lines, line)
	}
	return p, nil
}

// Defer queues entries, which go into the slot of the next Append, before what that brings: so the commit of one batch
// and the plan of the next one cost one slot.
func (l *Log) Defer(entries ...Entry) *Deferred {
	p, err := l.ours(entries)
	if err != nil {
		t := &ticket[packed]{done: make(chan struct{}), err: err}
		close(t.done)
		return &Deferred{l: l, t: t}
	}
	return &Deferred{l: l, t: l.writes.add(p)}
}

// Deferred are entries that are queued.
type Deferred struct {
	l *Log
	t *ticket[packed]
}

// Done is closed when the entries are durable, or Err says why they are not.
func (d *Deferred) Done() <-chan struct{} { return d.t.done }

// Err is for who has seen Done closed; its errors are those of Append.
func (d *Deferred) Err() error { return d.t.err }

// Flush writes the entries now, as Append does.
func (d *Deferred) Flush(ctx context.Context) error { return d.l.settle(ctx, d.t) }

// write makes a slot of what is queued. The group calls it, one at a time.
func (l *Log) write(batch []*ticket[packed]) {
	s, good := l.slotOf(batch)
	if len(s.entries) == 0 {
		return
	}
	err := l.put(s)
	if err == nil {
		l.written(s)
	}
	for _, t := range good {
		t.err = err
	}
	if err != nil {
		l.fail(err)
	}
}

// slotOf makes the next slot of the entries that follow what is in the log, and sets the error of all others.
func (l *Log) slotOf(batch []*ticket[packed]) (s *slot, good []*ticket[packed]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s = &slot{slotHead: slotHead{Job: l.state.Job, Number: l.next, Epoch: l.epoch, Writer: l.writer,
		At: time.Now().UnixMilli(), Every: l.every}}
	c := l.state.cursor()
	for _, t := range batch {
		if t.err = l.err; t.err == nil {
			t.err = c.check(t.value.entries)
		}
		if t.err == nil {
			good = append(good, t)
			s.entries = append(s.entries, t.value.entries...)
			s.lines = append(s.lines, t.value.lines...)
		}
	}
	if l.folder.fs != nil && l.next%l.every == 0 {
		s.base = l.state
	}
	return s, good
}

// put writes a slot, again and again for a while if it is not known to be there.
func (l *Log) put(s *slot) error {
	if l.folder.fs == nil {
		return nil
	}
	data, err := s.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.opts.PutTimeout,
		fmt.Errorf("no slot could be written for %v", l.opts.PutTimeout))
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		answer, err := l.putOnce(ctx, s.Number, data)
		switch answer {
		case vfs.Ours:
			l.troubled(nil)
			return nil
		case vfs.Theirs:
			return l.fencedBy(ctx, s.Number)
		}
		l.troubled(err)
		l.opts.Report("a slot of the log cannot be written; trying again", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("the log %s ends before slot %d, which may be there: %w: %w", l.folder.dir, s.Number,
				context.Cause(ctx), err)
		}
	}
}

// putOnce tries to write a slot, in the file of an old one if there is one.
func (l *Log) putOnce(ctx context.Context, n int64, data []byte) (answer vfs.Answer, err error) {
	token, end := l.spares.begin()
	defer func() { end(answer == vfs.Ours) }()
	if token != "" {
		return vfs.PutOnceRecycled(ctx, l.spares.fs, token, l.folder.slotName(n), data)
	}
	return vfs.PutOnce(ctx, l.folder.fs, l.folder.slotName(n), data)
}

// troubled notes why a slot is not there yet.
func (l *Log) troubled(err error) {
	l.mu.Lock()
	l.trouble = err
	l.mu.Unlock()
}

// fencedBy is the error of a slot that another one has taken.
func (l *Log) fencedBy(ctx context.Context, n int64) error {
	e := &FencedError{Dir: l.folder.dir, Slot: n, Epoch: l.epoch}
	if s, err := l.folder.read(ctx, n); err == nil {
		e.ByEpoch = s.Epoch
		if t, ok := s.takeover(); ok {
			e.By = t.Owner
		}
	}
	return e
}

// written takes in a slot that is durable.
func (l *Log) written(s *slot) {
	l.mu.Lock()
	for _, e := range s.entries {
		l.state.apply(e)
	}
	l.next++
	if s.base != nil {
		l.base = s.Number
	}
	for _, f := range l.state.dropped {
		l.dropped = append(l.dropped, drop{f, l.holds.newest})
	}
	l.state.dropped = nil
	pruning := s.base != nil || len(l.dropped) > 0
	l.mu.Unlock()
	if pruning {
		l.wake()
	}
}

// wake tells the keeper that there may be something to remove.
func (l *Log) wake() {
	if l.prune == nil {
		return
	}
	select {
	case l.prune <- struct{}{}:
	default:
	}
}

// fail ends the writing; the first error stays.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.over)
	}
}

// Close writes what is queued, gives the log back, and ends what runs beside it. It is the owner that says before, by
// a [Stop], that the stop was clean.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	err := l.unlessStopped(l.Append(ctx))
	if l.folder.fs == nil {
		l.fail(ErrClosed)
		return err
	}
	close(l.stop)
	select {
	case <-l.rested:
	case <-ctx.Done():
		l.fail(ErrClosed)
		return errors.Join(err, context.Cause(ctx))
	}
	l.spares.drop(ctx)
	if l.Err() == nil {
		err = errors.Join(err, l.unlessStopped(l.release(ctx)))
	}
	l.fail(ErrClosed)
	return err
}

// unlessStopped leaves out that the log was taken over after a clean stop: then it was taken from nobody.
func (l *Log) unlessStopped(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, fenced := errors.AsType[*FencedError](err); fenced && l.state.Stopped {
		return nil
	}
	return err
}

func newNonce() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return hex.EncodeToString(random[:])
}

// newUUID makes a random UUID.
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
