package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/split"
	"github.com/weirstream/weir/rdd"
)

// A source plans which files a batch reads.
type source[T any] struct {
	ssc *dstream.Context
	fs  vfs.FS
	dir string // or a pattern
	options
	window time.Duration
	wrong  error

	record int // bytes of a record; 0 where records have no length
	cut    func(files []split.File) ([]split.Split, error)
	each   func(tc *rdd.TaskContext, p split.Split, yield func(T) bool) error

	// These are the planner's.
	listed  map[string]bool // what the last listing held; nil before the first
	missing bool            // it was told that there is no directory
	debt    int64           // records that were planned beyond a measured limit
	quiet   quiet

	mu     sync.Mutex
	counts map[int64]*count // by the number of the range
	bytes  int64            // of the parts that were read
	read   int64            // their records
}

// Check implements dstream.SourceChecker.
func (s *source[T]) Check() error { return s.wrong }

// Resolve implements dstream.Source. At a first start the files that are there are remembered as if they had been read,
// if only new ones are wanted: what is moved in later is new, although it was written before.
func (s *source[T]) Resolve(ctx context.Context, from []byte) ([]byte, error) {
	if from != nil {
		if _, err := decodeRange(from); err != nil {
			return nil, err
		}
		return from, nil
	}
	start := fileRange{Threshold: math.MinInt64}
	if s.newOnly {
		files, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		start.Threshold = time.Now().Add(-s.window).UnixNano()
		for _, f := range files {
			if e := entryOf(f); e.Modified > start.Threshold {
				e.Before = true
				start.Recent = append(start.Recent, e)
			}
		}
	}
	return start.encode(), nil
}

// list finds all files that pass the filter. What vanishes meanwhile is left out.
func (s *source[T]) list(ctx context.Context) ([]vfs.Info, error) {
	began := time.Now()
	found, err := vfs.Glob(ctx, s.fs, s.dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.dir, err)
	}
	var files []vfs.Info
	dirs := slices.DeleteFunc(found, func(i vfs.Info) bool { return !i.Dir })
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		entries, err := s.fs.List(ctx, dir.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir.Name, err)
		}
		for _, e := range entries {
			switch {
			case e.Dir && s.recursive && !vfs.Hidden(e.Name):
				dirs = append(dirs, e)
			case !e.Dir && s.filter(e.Name):
				files = append(files, e)
			}
		}
	}
	s.tell(ctx, len(found) == 0, len(files), time.Since(began))
	return files, nil
}

// tell warns of what makes a listing useless or slow.
func (s *source[T]) tell(ctx context.Context, none bool, files int, took time.Duration) {
	if none && !s.missing {
		s.tellMissing(ctx)
	}
	s.missing = none
	if took > s.ssc.Interval() {
		s.ssc.Warn("to list the files takes longer than a batch: move files away that have been read", nil,
			"directory", s.dir, "files", files, "took", took)
	}
}

func (s *source[T]) tellMissing(ctx context.Context) {
	if escaped, there := vfs.Literally(ctx, s.fs, s.dir); there {
		s.ssc.Warn("this is a pattern that no directory matches, and the name of one that is there, which is not read",
			nil, "pattern", s.dir, "write", escaped)
		return
	}
	s.ssc.Warn("there is no such directory yet; its files will be read when it appears", nil, "directory", s.dir)
}

// A quiet is where the planner stands while it gives a range without files again and again, so that batches may be
// idle: at is the range that would go on from there, with what is remembered by now.
type quiet struct {
	from, at  []byte
	threshold int64 // of from
}

// quietAtMost is how far what a range says to remember may lag behind: who goes on from it takes files that are older
// by as much, and takes changes of those that were taken before for such. That many seconds of batches have one entry
// in the log in any case.
const quietAtMost = 10 * time.Second

// Plan implements dstream.Source. While there are no files it gives from back.
func (s *source[T]) Plan(ctx context.Context, from []byte, l dstream.Limit) ([]byte, int64, error) {
	if !bytes.Equal(s.quiet.from, from) {
		s.quiet = quiet{from: from, at: from, threshold: math.MaxInt64}
	}
	last, err := decodeRange(s.quiet.at)
	if err != nil {
		return nil, 0, err
	}
	s.quiet.threshold = min(s.quiet.threshold, last.Threshold)
	files, err := s.list(ctx)
	if err != nil {
		return nil, 0, dstream.Transient(err)
	}
	now := time.Now()
	found, changed := s.fresh(last, files, now)
	forgets := now.Add(-s.window).UnixNano()
	taken, n := s.within(found[:room(found, last.Recent, forgets)], l)
	next := fileRange{Number: last.Number + 1, Files: found[:taken]}
	// What was last changed before the threshold is not looked at any more. It must not pass what waits.
	next.Threshold = forgets
	if taken < len(found) {
		next.Threshold = min(next.Threshold, found[taken].Modified-1)
	}
	next.Threshold = max(next.Threshold, last.Threshold)
	next.remember(last)
	rng := next.encode()
	lags := next.Threshold-int64(quietAtMost) < s.quiet.threshold
	if taken > 0 || len(last.Files) > 0 || changed || !lags {
		return rng, n, nil
	}
	s.quiet.at = rng
	return from, 0, nil
}

// fresh gives the files that have not been taken, in the order of their last change. In last it notes the changes of
// those that have been, so that they are remembered as long as they are touched, and tells whether there are any.
func (s *source[T]) fresh(last *fileRange, files []vfs.Info, now time.Time) (found []entry, noted bool) {
	var (
		changed, late []string
		recent        = make(map[string]*entry, len(last.Recent))
		listed        = make(map[string]bool, len(files))
	)
	for i := range last.Recent {
		recent[last.Recent[i].Name] = &last.Recent[i]
	}
	for _, f := range files {
		e, known := entryOf(f), recent[f.Name]
		listed[f.Name] = true
		switch {
		case known != nil && !known.Before && !e.same(*known):
			*known = e
			changed = append(changed, f.Name)
		case known != nil && e.same(*known), e.Modified > now.UnixNano():
			// It has been taken, or waits until the clocks agree.
		case e.Modified > last.Threshold:
			found = append(found, e)
		case s.listed != nil && !s.listed[f.Name]:
			late = append(late, f.Name)
		}
	}
	s.listed = listed
	s.warn(changed, "files were changed after they were taken; the change is not read: "+
		"write files elsewhere and move them in")
	s.warn(late, "files appeared too long after their last change and are not read: touch them, or raise "+
		"spark.streaming.fileStream.minRememberDuration")
	slices.SortFunc(found, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Modified, b.Modified), strings.Compare(a.Name, b.Name))
	})
	return found, len(changed) > 0
}

// namesMax bounds how many files a warning names.
const namesMax = 10

func (s *source[T]) warn(names []string, message string) {
	if len(names) > 0 {
		s.ssc.Warn(message, nil, "files", names[:min(len(names), namesMax)], "count", len(names))
	}
}

// What a range may hold, which lies in one slot of the checkpoint's log with others. An entry has some hundred bytes
// and its name.
const (
	entryBytes  = 200
	takenMax    = 8 << 20  // bytes of the files that a batch takes
	rememberMax = 16 << 20 // bytes from which on files are taken only when earlier ones are forgotten
)

// room tells how many of the files that were found a range has room for. While many are remembered none is taken: that
// ends when they are older than the remembered time, at forgets. Those that were found and are older already do not
// wait, for nothing would be forgotten meanwhile.
func room(found, recent []entry, forgets int64) (n int) {
	if len(found) == 0 {
		return 0
	}
	size, most := 0, takenMax
	if forgets < found[0].Modified {
		for _, e := range recent {
			if e.Modified > forgets {
				size += entryBytes + len(e.Name)
			}
		}
		most, size = min(takenMax, rememberMax-size), 0
	}
	for n < len(found) && (size == 0 && most > 0 || size+entryBytes+len(found[n].Name) <= most) {
		size += entryBytes + len(found[n].Name)
		n++
	}
	return n
}

// within tells how many files a limit lets through, and the records that they are thought to have. A file is read whole
// or not at all: the one that goes beyond the limit is the last one, and what it has too much is owed, if the limit is
// a measured rate.
func (s *source[T]) within(found []entry, l dstream.Limit) (taken int, records int64) {
	if l.Records == math.MaxInt64 {
		l.Measured = false
	}
	allowed := l.Records
	if l.Measured {
		allowed += s.debt
	}
	for _, e := range found {
		if records >= allowed && (l.Measured || taken > 0) {
			break
		}
		records += s.guess(e.Length)
		taken++
	}
	s.debt = 0
	if l.Measured {
		s.debt = min(allowed-records, 0)
	}
	return taken, records
}

// Read implements dstream.Source.
func (s *source[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	r, err := decodeRange(rng)
	var parts []split.Split
	if err == nil {
		parts, err = s.cut(r.files(s.fs))
	}
	if err != nil {
		return rdd.FromPartitions(sc, "files", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[T] {
			return func(func(T) bool) { tc.Fail(exec.Permanent(err)) }
		})
	}
	s.begin(r.Number, len(parts))
	return rdd.FromPartitions(sc, "files", len(parts), func(tc *rdd.TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) { s.readPart(tc, r.Number, p, parts[p], yield) }
	})
}

func (s *source[T]) readPart(tc *rdd.TaskContext, number int64, p int, part split.Split, yield func(T) bool) {
	var n int64
	more := true
	err := s.each(tc, part, func(v T) bool {
		if n++; n&1023 == 0 {
			tc.Check()
		}
		more = yield(v)
		return more
	})
	switch {
	case errors.Is(err, vfs.ErrChanged):
		tc.Fail(exec.Permanent(err)) // It will not change back.
	case err != nil:
		tc.Fail(err)
	case more:
		s.count(number, p, n, part.To-part.From)
	}
}

// Committed implements dstream.Source.
func (s *source[T]) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (s *source[T]) Released(_ context.Context, upTo []byte) error {
	r, err := decodeRange(upTo)
	if err != nil {
		return err
	}
	s.forget(r.Number)
	return nil
}

// Describe implements dstream.SourceDescriber.
func (s *source[T]) Describe(rng []byte) []string {
	r, err := decodeRange(rng)
	if err != nil || len(r.Files) == 0 {
		return nil
	}
	lines := make([]string, len(r.Files))
	for i, e := range r.Files {
		lines[i] = fmt.Sprintf("%s, %d bytes", e.Name, e.Length)
	}
	return lines
}
