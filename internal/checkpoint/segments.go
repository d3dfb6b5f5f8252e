package checkpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// SegmentsOptions are how a series of segments is kept.
type SegmentsOptions struct {
	Kind uint32
	// Epoch is that of the log: each owner writes files of its own, so that a late one changes nothing that counts.
	Epoch int64
	// About is what each head says.
	About json.RawMessage
	// Bytes and Age are after what a segment is followed by another one (64 MiB, one minute).
	Bytes int64
	Age   time.Duration
	// Timeout is how long a write is tried (10s).
	Timeout time.Duration
	// Check is asked what the head of a file says before the first frame of it is visited. It may be nil.
	Check func(file string, about json.RawMessage) error
	// Report is told of trouble that is got over. It may be nil.
	Report func(message string, err error)
}

// Segments is a series of segments that is read once and then written: the frames of all its files, in order, have the
// sequences 0, 1, 2 ... A frame counts unless a later file begins at or before its sequence: so what was never said to
// be written, or was written by an owner that is none any more, is void as soon as something is written in its place.
type Segments struct {
	fs     vfs.FS
	dir    string // of the checkpoint
	series string // the folder in it
	opts   SegmentsOptions
	writes *group[*frameWrite]

	// What follows belongs to who writes.
	next    int64       // sequence
	number  int64       // of the next segment
	last    segmentFile // of those that were read
	void    []string    // files of earlier owners that no frame is read of, and what was never published
	current vfs.Segment
	name    string // of the current segment, in dir
	length  int64
	begun   time.Time
	closed  bool
}

// A frameWrite is a payload, and where it has been written.
type frameWrite struct {
	payload []byte
	at      File
	seq     int64
}

const segmentSuffix = ".seg"

// A segmentFile is a file of a series.
type segmentFile struct {
	name          string
	epoch, number int64
	first         int64
	empty         bool // its head was cut
}

func segmentName(epoch, number int64) string {
	return fmt.Sprintf("%010d-%010d%s", epoch, number, segmentSuffix)
}

func parseSegmentName(name string) (f segmentFile, ok bool) {
	stem, ok := strings.CutSuffix(vfs.Base(name), segmentSuffix)
	epoch, number, both := strings.Cut(stem, "-")
	f.name = name
	var err, numberErr error
	f.epoch, err = strconv.ParseInt(epoch, 10, 64)
	f.number, numberErr = strconv.ParseInt(number, 10, 64)
	return f, ok && both && err == nil && numberErr == nil && f.epoch >= 0 && f.number >= 0
}

// newSegments is a series of which nothing has been read.
func newSegments(ctx context.Context, fsys vfs.FS, dir, series string, o SegmentsOptions) (*Segments, error) {
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Age <= 0 {
		o.Age = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Report == nil {
		o.Report = func(string, error) {}
	}
	s := &Segments{fs: fsys, dir: dir, series: series, opts: o}
	s.writes = newGroup(s.write)
	return s, fsys.MkdirAll(ctx, vfs.Join(dir, series))
}

// OpenSegments reads the series in a folder of a checkpoint, which it makes if it must, and opens it for writing. visit
// is called for each frame from the sequence from on; those before it may be gone. All before the sequence before must
// be there, because the log counts on them.
func OpenSegments(ctx context.Context, fsys vfs.FS, dir, series string, o SegmentsOptions, from, before int64,
	visit func(Frame) error) (*Segments, error) {
	s, err := newSegments(ctx, fsys, dir, series, o)
	if err != nil {
		return nil, err
	}
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	files := counting(all)
	s.noteVoid(all, files, before)
	for len(files) > 1 && files[1].first <= from {
		files = files[1:] // Of those that were removed, a power failure may have brought some back, and not others.
	}
	s.next = from
	if len(files) > 0 {
		if s.next = files[0].first; s.next > from {
			return nil, &DamageError{File: files[0].name, Remedy: fromCopy,
				What: fmt.Sprintf("the series begins with frame %d, and frame %d is needed", s.next, from)}
		}
	}
	for i, f := range files {
		until := int64(-1)
		if i+1 < len(files) {
			until = files[i+1].first
		}
		s.last = f
		if err := s.readFile(ctx, f, until, from, before, visit); err != nil {
			return nil, err
		}
	}
	if s.next < before {
		return nil, &DamageError{File: vfs.Join(dir, series), Remedy: fromCopy,
			What: fmt.Sprintf("the series ends before frame %d, and frame %d should be there", s.next, before-1)}
	}
	return s, nil
}

// all gives the files of the series, in order, with the sequences at which they begin, also those whose head was cut.
func (s *Segments) all(ctx context.Context) ([]segmentFile, error) {
	infos, err := s.fs.List(ctx, vfs.Join(s.dir, s.series))
	if err != nil {
		return nil, err
	}
	var files []segmentFile
	for _, i := range infos {
		f, ok := parseSegmentName(i.Name)
		if leftover(i) {
			s.void = append(s.void, i.Name)
		}
		if !ok {
			continue
		}
		r, err := OpenSegment(ctx, s.fs, i.Name, s.opts.Kind, Need{})
		if errors.Is(err, fs.ErrNotExist) {
			continue // The owner before has removed it meanwhile: it holds nothing that counts.
		}
		if err != nil {
			return nil, err
		}
		f.first, f.empty = r.Head.First, r.Torn()
		if err := r.Close(); err != nil {
			return nil, err
		}
		if f.epoch == s.opts.Epoch {
			s.number = max(s.number, f.number+1)
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b segmentFile) int {
		return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.number, b.number))
	})
	return files, nil
}

// counting leaves out the files that hold no frame that counts: those that begin where a later one does, or behind, and
// those without a head.
func counting(files []segmentFile) []segmentFile {
	var count []segmentFile
	least := int64(math.MaxInt64)
	for _, f := range slices.Backward(files) {
		if f.empty {
			continue
		}
		if f.first < least {
			count = append(count, f)
		}
		least = min(least, f.first)
	}
	slices.Reverse(count)
	return count
}

// noteVoid notes the files of earlier owners that hold no frame that counts, and none that may be in a plan: those of
// plans have sequences before the sequence before.
func (s *Segments) noteVoid(all, counting []segmentFile, before int64) {
	for _, f := range all {
		if f.epoch < s.opts.Epoch && (f.empty || f.first >= before) && !slices.Contains(counting, f) {
			s.void = append(s.void, f.name)
		}
	}
}

// removeVoid removes what was found void when the series was opened. owned is asked before: the next owner may be
// reading such a file, because he has not seen those that made it void.
func (s *Segments) removeVoid(ctx context.Context, owned func(ctx context.Context) error) error {
	if len(s.void) == 0 {
		return nil
	}
	if err := owned(ctx); err != nil {
		return err
	}
	for _, name := range s.void {
		if err := missingIsFine(s.fs.Remove(ctx, name)); err != nil {
			s.opts.Report("a file of the write ahead log that holds nothing cannot be removed", err)
		}
	}
	s.void = nil
	return nil
}

// readFile visits the frames of a file that count: those before until, which is negative for the last file.
func (s *Segments) readFile(ctx context.Context, f segmentFile, until, from, before int64,
	visit func(Frame) error) error {
	if f.first != s.next {
		return &DamageError{File: f.name, Remedy: fromCopy,
			What: fmt.Sprintf("it begins with frame %d, and frame %d should be there", f.first, s.next)}
	}
	need := Need{Before: before}
	if until >= 0 {
		need.Before = until // Who began the next file had read so far.
	}
	r, err := OpenSegment(ctx, s.fs, f.name, s.opts.Kind, Need{})
	if err != nil {
		return err
	}
	defer r.Close()
	r.need = need
	checked := s.opts.Check == nil
	for until < 0 || s.next < until {
		frame, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.next = frame.Sequence + 1
		if frame.Sequence < from || visit == nil {
			continue
		}
		if !checked {
			if err := s.opts.Check(f.name, r.Head.About); err != nil {
				return err
			}
			checked = true
		}
		frame.File = vfs.Join(s.series, vfs.Base(f.name))
		if err := visit(frame); err != nil {
			return err
		}
	}
	return nil
}

// Next is the sequence of the next frame, before anything is written.
func (s *Segments) Next() int64 { return s.next }

// Append writes a frame, durably, and tells where it is. Frames of calls that come while others are written share a
// sync. After an error the frame does not count, and may yet be found by who opens the series if nothing is written
// after it.
func (s *Segments) Append(ctx context.Context, payload []byte) (sequence int64, at File, err error) {
	if len(payload) > frameMax {
		return 0, File{}, tooLarge(payload)
	}
	w := &frameWrite{payload: payload}
	err = s.writes.settle(ctx, s.writes.add(w))
	return w.seq, w.at, err
}

// AppendAll is Append for several frames, which share a sync, and of which either all are written or none counts. No
// other call that appends may come at the same time.
func (s *Segments) AppendAll(ctx context.Context, payloads [][]byte) (first int64, at []File, err error) {
	tickets := make([]*ticket[*frameWrite], len(payloads))
	for i, payload := range payloads {
		if len(payload) > frameMax {
			return 0, nil, tooLarge(payload)
		}
		tickets[i] = &ticket[*frameWrite]{value: &frameWrite{payload: payload}, done: make(chan struct{})}
	}
	s.writes.addAll(tickets)
	for _, t := range tickets {
		if err := s.writes.settle(ctx, t); err != nil {
			return 0, nil, err
		}
		at = append(at, t.value.at)
	}
	return tickets[0].value.seq, at, nil
}

// write writes frames together, to another segment if one fails. The group calls it.
func (s *Segments) write(batch []*ticket[*frameWrite]) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Timeout)
	defer cancel()
	if s.closed {
		for _, t := range batch {
			t.err = ErrClosed
		}
		return
	}
	err := s.tryWrite(ctx, batch)
	for pause := 10 * time.Millisecond; err != nil && ctx.Err() == nil; pause = min(2*pause, time.Second) {
		s.opts.Report("a segment cannot be written; going on with another one", err)
		select {
		case <-time.After(pause):
			err = s.tryWrite(ctx, batch)
		case <-ctx.Done():
		}
	}
	for _, t := range batch {
		t.err = err
	}
	if err == nil {
		s.next += int64(len(batch))
	}
}

func (s *Segments) tryWrite(ctx context.Context, batch []*ticket[*frameWrite]) error {
	appender, appends := s.fs.(vfs.Appender)
	if s.current != nil && (s.length >= s.opts.Bytes || time.Since(s.begun) >= s.opts.Age) {
		s.leave()
	}
	var data []byte
	if s.current == nil {
		s.name = vfs.Join(s.series, segmentName(s.opts.Epoch, s.number))
		s.length, s.begun = 0, time.Now()
		data = SegmentHead{Kind: s.opts.Kind, Number: s.number, First: s.next, About: s.opts.About}.append(nil)
		s.number++ // Whatever becomes of the file, its name is not used again.
	}
	data = s.lay(data, batch)
	if !appends {
		data = appendFrame(data, s.next+int64(len(batch)), endLength, nil)
		answer, err := vfs.PutOnce(ctx, s.fs, vfs.Join(s.dir, s.name), data)
		if err == nil && answer == vfs.Theirs {
			err = fmt.Errorf("%s: %w", s.name, fs.ErrExist)
		}
		return err
	}
	if s.current == nil {
		segment, err := appender.Segment(ctx, vfs.Join(s.dir, s.name))
		if err != nil {
			return err
		}
		s.current = segment
	}
	_, err := s.current.Write(data)
	if err == nil {
		err = s.current.Sync()
	}
	if err != nil {
		s.leave() // What it holds of these frames is void once they are elsewhere.
		if s.length == 0 {
			_ = s.fs.Remove(ctx, vfs.Join(s.dir, s.name)) // It holds no others; Clean sees to what stays.
		}
		return err
	}
	s.length += int64(len(data))
	return nil
}

// lay appends the frames to what is about to be written at the end of the segment.
func (s *Segments) lay(data []byte, batch []*ticket[*frameWrite]) []byte {
	for i, t := range batch {
		w, from := t.value, len(data)
		w.seq = s.next + int64(i)
		data = appendFrame(data, w.seq, uint32(len(w.payload)), w.payload)
		w.at = File{Name: s.name, Offset: s.length + int64(from), Length: int64(len(data) - from),
			Sum: crc32.Checksum(data[from:], castagnoli)}
	}
	return data
}

func (s *Segments) leave() {
	if err := s.current.Close(); err != nil {
		s.opts.Report("a segment cannot be closed", err)
	}
	s.current = nil
}

// Clean removes files all of whose frames come before a sequence, and those without a head that nobody writes any more.
func (s *Segments) Clean(ctx context.Context, before int64) error {
	current, err := s.lastNumber(ctx)
	if err != nil {
		return err
	}
	reader := &Segments{fs: s.fs, dir: s.dir, series: s.series, opts: s.opts}
	all, err := reader.all(ctx)
	if err != nil {
		return err
	}
	var files, gone []segmentFile
	for _, f := range all {
		switch before := f.epoch < s.opts.Epoch || f.epoch == s.opts.Epoch && f.number < current; {
		case !f.empty:
			files = append(files, f)
		case before:
			gone = append(gone, f)
		}
	}
	for i := 0; i+1 < len(files) && files[i].first < before && files[i+1].first <= before; i++ {
		if files[i].epoch == s.opts.Epoch && files[i].number >= current {
			break
		}
		gone = append(gone, files[i])
	}
	for _, f := range gone {
		if err := missingIsFine(s.fs.Remove(ctx, f.name)); err != nil {
			return err
		}
	}
	return nil
}

// lastNumber is the number of the file that is being written, or was last.
func (s *Segments) lastNumber(ctx context.Context) (int64, error) {
	select {
	case s.writes.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-s.writes.turn }()
	return s.number - 1, nil
}

// Close gives the file back. Nothing is written any more.
func (s *Segments) Close(ctx context.Context) error {
	select {
	case s.writes.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.current != nil {
		s.leave()
	}
	s.closed = true
	<-s.writes.turn
	return nil
}
