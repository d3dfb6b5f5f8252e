package rdd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
)

// A saving is one directory that is being written.
type saving struct {
	fs     vfs.FS
	dir    string
	suffix string
	// again tells that the directory may be there, for a batch is run again.
	again bool
	made  bool

	mu    sync.Mutex
	drops []vfs.Pending // finished by an attempt, whoever won
}

const success = "_SUCCESS"

// A part writes what one file holds: the elements of partition p.
type part func(tc *TaskContext, p int, w io.Writer) error

// save writes a file for each partition of an RDD into a directory.
func (sc *Context) save(ctx context.Context, of *exec.Node, action, path string, kind compress.Kind, write part) error {
	s := &saving{suffix: kind.Suffix(), again: exec.ScopeOf(ctx) != nil}
	err := of.Err
	if err == nil && !kind.CanWrite() {
		_, err = compress.NewWriter(kind, nil)
	}
	if err == nil {
		err = s.prepare(ctx, sc, path)
	}
	if err != nil {
		return atCall(action, err)
	}
	return s.saveParts(ctx, sc, of, action, kind, write)
}

// saveParts writes a file for each partition, and shows them when all are there.
func (s *saving) saveParts(ctx context.Context, sc *Context, of *exec.Node, action string, kind compress.Kind,
	write part,
) error {
	parts := make([]vfs.Pending, max(of.Partitions, 0))
	err := sc.runJob(ctx, of, action, allOf(of), func(tc *TaskContext, p int) (any, error) {
		return s.writePart(tc, p, kind, write)
	}, func(i int, p any) error { parts[i] = p.(vfs.Pending); return nil })
	if err == nil {
		if err = s.publish(ctx, parts); err != nil {
			err = atCall(action, err)
		}
	}
	s.tidy(ctx, err != nil)
	return err
}

// atCall says which call of an action failed. One that the stream engine makes has no place of its own.
func atCall(action string, err error) error {
	if at := exec.Caller().String(); at != "" {
		action += " at " + at
	}
	return fmt.Errorf("%s: %w", action, err)
}

// prepare finds the directory and makes it.
func (s *saving) prepare(ctx context.Context, sc *Context, path string) (err error) {
	if s.fs, s.dir, err = sc.FileSystem(path); err != nil {
		return err
	}
	info, err := s.fs.Stat(ctx, s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.made = true
		return s.fs.MkdirAll(ctx, s.dir)
	case err != nil:
		return err
	case !info.Dir:
		return fmt.Errorf("%s is a file: name a directory that is not there", path)
	case !s.again:
		return fmt.Errorf("the directory %s is there already, and what it holds may be needed: remove it, or "+
			"name another", path)
	}
	return nil
}

func (s *saving) part(p int) string { return vfs.Join(s.dir, fmt.Sprintf("part-%05d%s", p, s.suffix)) }

// writePart writes one file in a task.
func (s *saving) writePart(tc *TaskContext, p int, kind compress.Kind, write part) (done vfs.Pending, err error) {
	file, err := s.fs.Create(tc, s.part(p))
	if err != nil {
		return done, err
	}
	defer file.Abort() // also when the task unwinds
	packed, err := compress.NewWriter(kind, file)
	if err == nil {
		err = write(tc, p, packed)
	}
	if err == nil {
		err = packed.Close()
	}
	if err == nil {
		err = tc.Err()
	}
	if err != nil {
		return done, err
	}
	if done, err = file.Finish(); err == nil {
		s.mu.Lock()
		s.drops = append(s.drops, done)
		s.mu.Unlock()
	}
	return done, err
}

// publish shows the files of the attempts that won, and then that they are all there.
func (s *saving) publish(ctx context.Context, parts []vfs.Pending) error {
	mark := vfs.Join(s.dir, success)
	if s.again {
		if err := s.fs.Remove(ctx, mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.fs.Publish(ctx, parts...); err != nil {
		return err
	}
	if s.again {
		if err := s.removeOthers(ctx, len(parts)); err != nil {
			return err
		}
	}
	return vfs.WriteFile(ctx, s.fs, mark, nil)
}

// removeOthers removes the parts that an earlier run of the batch left and this one has not, and what it did not
// publish.
func (s *saving) removeOthers(ctx context.Context, n int) error {
	ours := make(map[string]bool, n)
	for p := range n {
		ours[s.part(p)] = true
	}
	entries, err := s.fs.List(ctx, s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.TrimPrefix(vfs.Base(e.Name), ".")
		if e.Dir || ours[e.Name] || !strings.HasPrefix(name, "part-") {
			continue
		}
		if err := s.fs.Remove(ctx, e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// tidyTimeout bounds the removing of what is not needed, which goes on when the job has been cancelled.
const tidyTimeout = 10 * time.Second

// tidy drops what was finished and not published, and the directory of a job that failed, if it is empty.
func (s *saving) tidy(ctx context.Context, failed bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	s.mu.Lock()
	drops := s.drops
	s.mu.Unlock()
	for _, p := range drops {
		_ = s.fs.Discard(ctx, p)
	}
	if failed && s.made {
		_ = s.fs.Remove(ctx, s.dir)
	}
}
