package dstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// receivedDir is the folder of the write ahead logs in a checkpoint.
const receivedDir = "received"

// A wal holds what a receiver stored in its write ahead log, and in memory as much of it as the bound lets it. A frame
// is what one call stored; a block is the frames of a block interval, or one that is a block of its own. A sender never
// waits for memory: what does not fit is read from the log by the batch that takes it. It waits when too much of the
// log is in no batch.
type wal[T any] struct {
	ssc    *Context
	bound  int64
	size   func(T) int64
	own    owner[T]
	budget *block.Budget
	codec  *codec.Codec[T]
	covers func(last, position []byte) bool
	halted func(error)

	series  string
	journal *checkpoint.Journal
	cleaned string // the file of the last frame that was released

	mu    sync.Mutex
	list  []walFrame[T]
	first int64 // sequence of list[0]
	cutAt int64 // the frames before belong to blocks that nothing is added to
	kept  int64 // bytes in memory
	room  walRoom
	// evictable frames belong to committed batches. Windows may ask for them; they go first. evicted ones have gone.
	evictable, evicted int64
}

// A walFrame is in the log; vs is nil if it is only there.
type walFrame[T any] struct {
	vs       []T
	bytes    int64
	records  int64
	held     int64 // bytes that count as long as no batch has taken it
	at       checkpoint.File
	position []byte
	begins   bool // a block
}

// open implements storage: it takes the series over that the range from ends in, or begins one, at the position of the
// source that from is otherwise.
func (w *wal[T]) open(ctx context.Context, id string, from []byte) ([]byte, error) {
	d := &w.ssc.durable
	r := walRange{Version: walVersion, Codec: codec.Version, Schema: w.codec.Schema()}
	sum := sha256.Sum256([]byte(id))
	r.Series = vfs.Join(receivedDir, fmt.Sprintf("%x-%010d", sum[:8], w.ssc.epoch))
	if !isWalRange(from) {
		r.Position = from
	} else {
		last, err := parseWalRange(from)
		if err != nil {
			return nil, err
		}
		r.Series, r.From, r.Until, r.Position = last.Series, last.Until, last.Until, last.Position
	}
	w.series, w.first, w.cutAt, w.room.taken, w.evicted = r.Series, r.Until, r.Until, r.Until, r.Until
	if d.replays { // Nothing is received, and the log may be another process's.
		return r.encode(), nil
	}
	if err := w.lookBack(id); err != nil {
		return nil, err
	}
	about, err := json.Marshal(walAbout{Job: w.ssc.job, Epoch: w.ssc.epoch, ID: id, Codec: codec.Version,
		Schema: r.Schema, Payload: checkpoint.ReceivedVersion})
	if err != nil {
		return nil, err
	}
	o := checkpoint.JournalOptions{Covers: w.covers, Halted: w.halted, Segments: checkpoint.SegmentsOptions{
		Kind: checkpoint.Received, Epoch: w.ssc.epoch, About: about, Check: w.fits,
		Report: func(message string, err error) { w.ssc.warn(message, err, "receiver", id) }}}
	w.journal, err = checkpoint.OpenJournal(ctx, w.ssc.log, d.fs, d.path, r.Series, o, r.Until, r.Position, w.found)
	if err != nil {
		return nil, fmt.Errorf("write ahead log: %w", err)
	}
	w.cut()
	if n := len(w.list); n > 0 {
		w.ssc.logger.Info("records were received and not planned; the next batches take them", "receiver", id,
			"records", w.pending(r.encode()))
	}
	return r.encode(), nil
}

// A walAbout is what the head of a segment of received records says: docs/FORMAT.md, "What frames hold".
type walAbout struct {
	Job     string `json:"job"`
	Epoch   int64  `json:"epoch"`
	ID      string `json:"id"`
	Codec   int    `json:"codec"`
	Schema  string `json:"schema"`
	Payload int    `json:"payload"`
}

// fits refuses a segment that no batch has taken yet and whose records are not those of this program.
func (w *wal[T]) fits(file string, about json.RawMessage) error {
	var a walAbout
	if err := json.Unmarshal(about, &a); err != nil {
		return fmt.Errorf("%s: its head says %q: %w", file, about, err)
	}
	if a.Payload != checkpoint.ReceivedVersion {
		return fmt.Errorf("%w: %s holds records of version %d, and this release knows %d: use a later release",
			ErrUnfit, file, a.Payload, checkpoint.ReceivedVersion)
	}
	return w.sameSchema(file, a.Codec, a.Schema)
}

func (w *wal[T]) isSchema(version int, schema string) bool {
	return version == codec.Version && schema == w.codec.Schema()
}

func (w *wal[T]) sameSchema(file string, version int, schema string) error {
	if w.isSchema(version, schema) {
		return nil
	}
	return fmt.Errorf("%w: %s holds received records of schema %s (codec %d), and the program's are %s (codec %d): "+
		"let the old program process them (start that, and stop it gracefully), then start this one", ErrUnfit, file,
		schema, version, w.codec.Schema(), codec.Version)
}

// lookBack refuses a program whose windows look back to records that are not of its type. It is found before a batch is
// planned, which would stand in the way of the remedy.
func (w *wal[T]) lookBack(id string) error {
	for _, b := range w.ssc.rerun() {
		data := b.Plan.Ranges[id].Data
		if !isWalRange(data) {
			continue
		}
		r, err := parseWalRange(data)
		if err != nil {
			return err
		}
		if len(r.Blocks) > 0 && !w.isSchema(r.Codec, r.Schema) {
			return fmt.Errorf("%w: windows look back to batch %d, which has records of schema %s (codec %d), and the "+
				"program's are %s (codec %d): give what the receiver had up, by setting %s to %q once", ErrUnfit,
				b.Plan.Sequence, r.Schema, r.Codec, w.codec.Schema(), codec.Version, conf.CheckpointDrop.Name(), id)
		}
	}
	return nil
}

// frameCost counts, as bytes of the log, what is known in memory of a frame: without it as many small ones as the log
// may hold would take far more than they have.
const frameCost = 128

// recoveredBlock is how many bytes of frames that are found in the log become one block.
const recoveredBlock = 4 << 20

// found takes in a frame that was logged before this process began, and not planned.
func (w *wal[T]) found(f checkpoint.Frame, head checkpoint.ReceivedBlock) error {
	at := checkpoint.File{Name: f.File, Offset: f.Offset, Length: f.Length()}
	fr := walFrame[T]{records: int64(head.Count), held: at.Length + frameCost, at: at,
		position: slices.Clone(head.Position)}
	w.room.held += fr.held
	fr.begins = len(w.list) == 0
	if n := len(w.list); n > 0 {
		last := w.list[n-1].at
		fr.begins = last.Name != at.Name || at.Offset/recoveredBlock != last.Offset/recoveredBlock
	}
	w.list = append(w.list, fr)
	return nil
}

// resume implements storage.
func (w *wal[T]) resume(ctx context.Context) ([]byte, error) { return w.journal.Resume(ctx) }

func (w *wal[T]) addOne(run context.Context, v T) error { return w.add(run, []T{v}, nil, false) }

// add implements storage: it waits while too much of the log is in no batch, and returns when it has the records. Those
// that it cannot encode are left out, and named by the error, when the others are there: nobody can have them again.
// But where a position tells that the source can give them again they are as a log that cannot be written: none of the
// call is taken, and nothing behind it, for a later position would pass over them. A position without records is a
// frame, too.
func (w *wal[T]) add(run context.Context, vs []T, position []byte, own bool) error {
	if len(vs) == 0 && len(position) == 0 {
		return nil
	}
	f := walFrame[T]{position: slices.Clone(position)}
	vs, payload, refused, err := w.payload(&f, vs)
	if err != nil || refused != nil && len(position) > 0 {
		err = errors.Join(err, refused)
		w.journal.Halt(run, err)
		return err
	}
	if len(vs) == 0 && refused != nil {
		return refused
	}
	f.records = int64(len(vs))
	f.held = int64(len(payload)+len(position)) + frameCost
	if err := w.enter(run, f.held); err != nil {
		return err
	}
	in, vs := false, w.own.all(vs)
	err = w.journal.Store(run, checkpoint.JournalFrame{Payload: payload, Position: f.position,
		Logged: func(sequence int64, at checkpoint.File) {
			f.at, in = at, true
			w.logged(f, vs, own)
		}})
	if !in {
		w.leave(f.held)
	}
	if errors.Is(err, context.Canceled) {
		return errReceiverStopped
	}
	return cmp.Or(err, refused)
}

// ErrNotEncoded is wrapped by the error of a [Store] with a write ahead log that cannot encode a record: it is not
// stored. Of a call without a position all others are.
var ErrNotEncoded = errors.New("a record cannot be encoded for the write ahead log, and is not stored")

// payload encodes the records of a frame. Those of vs that it holds are stored; refused says which first one is not.
func (w *wal[T]) payload(f *walFrame[T], vs []T) (stored []T, payload []byte, refused, err error) {
	b := checkpoint.ReceivedBlock{Position: f.position}
	stored = vs
	for i := range vs {
		values, err := w.codec.Append(b.Values, &vs[i])
		if err == nil {
			if b.Values, f.bytes = values, f.bytes+w.size(vs[i]); refused != nil {
				stored = append(stored, vs[i])
			}
			continue
		}
		if refused == nil {
			refused = fmt.Errorf("%w: number %d of %d: %w", ErrNotEncoded, i+1, len(vs), err)
			stored = slices.Clone(vs[:i])
		}
	}
	b.Count = len(stored)
	payload, err = b.Append(nil)
	return stored, payload, refused, err
}

// logged takes in a frame that is in the log, as a block of its own or as part of one.
func (w *wal[T]) logged(f walFrame[T], vs []T, own bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.first + int64(len(w.list))
	f.begins = own || w.cutAt == next
	if w.makeRoom(f.bytes) {
		if f.vs = vs; w.own == nil { // Else the slice is a copy already.
			f.vs = slices.Clone(vs)
		}
		w.kept += f.bytes
		w.budget.Force(f.bytes)
	}
	w.list = append(w.list, f)
	if own {
		w.cutAt = next + 1 // What came before is a block, too.
	}
}

// makeRoom has frames of committed batches go from memory, and tells whether so many bytes fit then.
func (w *wal[T]) makeRoom(bytes int64) bool {
	for w.kept+bytes > w.bound && w.evicted < w.evictable {
		if i := w.evicted - w.first; i >= 0 {
			w.forget(&w.list[i])
		}
		w.evicted++
	}
	return w.kept+bytes <= w.bound
}

// forget has a frame go from memory.
func (w *wal[T]) forget(f *walFrame[T]) {
	if f.vs != nil {
		w.kept -= f.bytes
		w.budget.Release(f.bytes)
		f.vs = nil
	}
}

func (w *wal[T]) seal(endRun context.CancelFunc) { w.journal.Seal(endRun) }

// settle implements storage.
func (w *wal[T]) settle(ctx context.Context) error { return w.journal.Settle(ctx) }

// cut implements storage.
func (w *wal[T]) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cutAt = w.first + int64(len(w.list))
}

// plan implements storage.
func (w *wal[T]) plan(from []byte, l Limit) (rng []byte, records int64, full bool, err error) {
	last, err := parseWalRange(from)
	if err != nil {
		return nil, 0, false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := walRange{Version: walVersion, Series: w.series, From: last.Until, Position: last.Position,
		Codec: codec.Version, Schema: w.codec.Schema()}
	r.Until, full = w.within(r.From, l)
	w.planned(r.Until)
	begins := false
	for i := r.From; i < r.Until; i++ {
		f := &w.list[i-w.first]
		begins = begins || f.begins
		if len(f.position) > 0 {
			r.Position = f.position
		}
		if f.records == 0 {
			continue // A position alone makes no partition.
		}
		r.add(begins, i, f.records, f.at)
		records, begins = records+f.records, false
	}
	return r.encode(), records, full, nil
}

// pending implements storage.
func (w *wal[T]) pending(from []byte) (n int64) {
	r, err := parseWalRange(from)
	if err != nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := max(r.Until-w.first, 0); i < int64(len(w.list)); i++ {
		n += w.list[i].records
	}
	return n
}

// read implements storage.
func (w *wal[T]) read(rng []byte) (int, func(*rdd.TaskContext, int) iter.Seq[T]) {
	r, err := parseWalRange(rng)
	if err == nil && len(r.Blocks) > 0 {
		err = w.sameSchema(r.Series, r.Codec, r.Schema)
	}
	if err != nil {
		return 1, func(tc *rdd.TaskContext, _ int) iter.Seq[T] {
			return func(func(T) bool) { tc.Fail(err) }
		}
	}
	return len(r.Blocks), func(tc *rdd.TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			for _, part := range r.Blocks[p].Parts {
				if !w.readPart(tc, r.Series, part, yield) {
					return
				}
			}
		}
	}
}

// readPart yields the records of a part, from memory if all of them are there.
func (w *wal[T]) readPart(tc *rdd.TaskContext, series string, p walPart, yield func(T) bool) bool {
	if frames := w.inMemory(series, p); frames != nil {
		for _, vs := range frames {
			if !yieldAll(tc, vs, yield) {
				return false
			}
		}
		return true
	}
	more, err := w.readLog(tc, series, p, yield)
	if err != nil {
		tc.Fail(fmt.Errorf("write ahead log: %w", err))
	}
	return more
}

// inMemory gives the values of a part's frames, nil if one of them is in the log only, as all of an earlier series are.
func (w *wal[T]) inMemory(series string, p walPart) (frames [][]T) {
	if series != w.series {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := p.First; i < p.First+p.Frames; i++ {
		if i < w.first || i-w.first >= int64(len(w.list)) || w.list[i-w.first].vs == nil {
			return nil
		}
		frames = append(frames, w.list[i-w.first].vs)
	}
	return frames
}

func (w *wal[T]) readLog(tc *rdd.TaskContext, series string, p walPart, yield func(T) bool) (more bool, err error) {
	file := checkpoint.File{Name: vfs.Join(series, p.File), Offset: p.Offset, Length: p.Length}
	d := &w.ssc.durable
	r, err := checkpoint.OpenFrames(tc, d.fs, d.path, file, p.First, p.First+p.Frames)
	if err != nil {
		return false, err
	}
	defer r.Close()
	for {
		f, err := r.Read()
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		tc.Check()
		vs, err := w.decode(f.Payload)
		if err != nil {
			return false, fmt.Errorf("frame %d in %s, at offset %d: %w", f.Sequence, file.Name, f.Offset, err)
		}
		if !yieldAll(tc, vs, yield) {
			return false, nil
		}
	}
}

// decode gives the values of a frame, which share its memory.
func (w *wal[T]) decode(payload []byte) ([]T, error) {
	b, err := checkpoint.DecodeReceived(payload)
	if err != nil {
		return nil, err
	}
	var vs []T
	rest := b.Values
	for range b.Count {
		v, after, err := w.codec.DecodeAlias(rest)
		if err != nil {
			return nil, err
		}
		vs, rest = append(vs, v), after
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow its %d records", len(rest), b.Count)
	}
	return vs, nil
}

// committed implements storage.
func (w *wal[T]) committed(rng []byte) {
	r, err := parseWalRange(rng)
	if err != nil || r.Series != w.series {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.evictable = max(w.evictable, r.Until)
}

// released implements storage: what was released goes from memory, and segments that hold nothing else from the disk.
func (w *wal[T]) released(ctx context.Context, upTo []byte) error {
	r, err := parseWalRange(upTo)
	if err != nil || r.Series != w.series { // The next start sweeps an earlier one.
		return err
	}
	last := r.lastFile()
	w.mu.Lock()
	if n := min(r.Until-w.first, int64(len(w.list))); n > 0 {
		last = vfs.Base(w.list[n-1].at.Name) // Of a position alone, too.
		for i := range w.list[:n] {
			w.forget(&w.list[i])
		}
		w.list = slices.Delete(w.list, 0, int(n))
		w.first += n
		w.evicted = max(w.evicted, w.first)
	}
	w.mu.Unlock()
	if last == "" || last == w.cleaned {
		return nil
	}
	if err := w.journal.Clean(ctx, r.Until); err != nil {
		return fmt.Errorf("write ahead log: %w", err)
	}
	w.cleaned = last
	return nil
}

// close implements storage.
func (w *wal[T]) close(ctx context.Context) error {
	if w.journal == nil {
		return nil
	}
	w.mu.Lock()
	for i := range w.list {
		w.forget(&w.list[i])
	}
	w.mu.Unlock()
	return w.journal.Close(ctx)
}
