package checkpoint

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/weirstream/weir/internal/vfs"
)

// A StateRun is a run of a snapshot: the files that differ in their part alone.
type StateRun []File

// Runs cuts a snapshot into its runs, the oldest first.
func Runs(snapshot []File) (runs []StateRun) {
	last := ""
	for _, f := range snapshot {
		run := f.Name[:strings.LastIndexByte(f.Name, '-')+1]
		if run == "" || run != last {
			runs = append(runs, nil)
		}
		last = run
		runs[len(runs)-1] = append(runs[len(runs)-1], f)
	}
	return runs
}

// Files are the files of runs, as a snapshot names them.
func Files(runs []StateRun) (files []File) {
	for _, r := range runs {
		files = append(files, r...)
	}
	return files
}

// Bytes is how many bytes the run has.
func (r StateRun) Bytes() (n int64) {
	for _, f := range r {
		n += f.Length
	}
	return n
}

func (r StateRun) sources() []stateSource {
	all := make([]stateSource, len(r))
	for i, f := range r {
		all[i] = stateSource{file: f, kind: Snapshot}
	}
	return all
}

// ReadState gives all rows of a version of a state, as [State.Version] names it, to take: run after run, in order. The
// parts of a run are read at the same time, at most width of them: take is called by several goroutines, for keys of
// different parts. check looks at each segment's head before its rows.
func ReadState(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta, width int,
	check func(StateHead) error, take func(StateRow) error) error {
	for _, run := range Runs(snapshot) {
		if err := readAll(ctx, fsys, dir, run.sources(), width, check, take); err != nil {
			return err
		}
	}
	for _, d := range deltas {
		if err := readAll(ctx, fsys, dir, d.sources(), 1, check, take); err != nil {
			return err
		}
	}
	return nil
}

// NewestHead gives the head of the newest segment of a version of a state, whose types are those of all of it; ok is
// false if there is none. Nothing else of the segment is read.
func NewestHead(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta) (h StateHead, ok bool,
	err error) {
	var sources []stateSource
	for _, run := range Runs(snapshot) {
		sources = append(sources, run.sources()...)
	}
	for _, d := range deltas {
		sources = append(sources, d.sources()...)
	}
	if len(sources) == 0 {
		return h, false, nil
	}
	r, err := sources[len(sources)-1].open(ctx, fsys, dir)
	if err != nil {
		return h, false, err
	}
	defer r.Close()
	h, err = r.stateHead()
	return h, err == nil, err
}

func readAll(ctx context.Context, fsys vfs.FS, dir string, sources []stateSource, width int,
	check func(StateHead) error, take func(StateRow) error) error {
	errs := make([]error, len(sources))
	InParallel(len(sources), width, func(i int) {
		errs[i] = sources[i].read(ctx, fsys, dir, check, take)
	})
	return errors.Join(errs...)
}

// InParallel calls f for 0 to n-1, at most width at a time.
func InParallel(n, width int, f func(i int)) {
	if width <= 1 || n <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range min(n, width) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	wg.Wait()
}
