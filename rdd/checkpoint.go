package rdd

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/objectfile"
)

// SetCheckpointDir says where RDDs are written that [RDD.Checkpoint] marks: in a folder of a new name in dir, which is
// made. dir may lie on a file system that was handed in by [WithFileSystem]. What is written outlives the context;
// spark.cleaner.referenceTracking.cleanCheckpoints has it removed with its RDD.
func (sc *Context) SetCheckpointDir(dir string) error {
	fsys, path, err := sc.FileSystem(dir)
	if err == nil && slices.Contains(fsys.Schemes(), "file") {
		path, err = filepath.Abs(path) // The program may go to another directory.
		path = filepath.ToSlash(path)
	}
	path = vfs.Join(path, newUUID())
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), checkpointDirTimeout)
		defer cancel()
		err = fsys.MkdirAll(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("SetCheckpointDir(%q): %w", dir, err)
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.checkpointDir = path
	return nil
}

// checkpointDirTimeout bounds the making of a folder.
const checkpointDirTimeout = 15 * time.Second

// CheckpointDir is the folder for this context in that given to SetCheckpointDir, "" if there is none.
func (sc *Context) CheckpointDir() string {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.checkpointDir
}

// newUUID names a folder that nobody else has.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // It never fails.
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// A checkpoint is the mark of an RDD whose lineage is to be cut after the first job on it.
type checkpoint struct {
	site  exec.Site
	path  string // "" for a local one
	write func(ctx context.Context) error

	mu    sync.Mutex
	begun bool
	done  bool
}

// run cuts the lineage, unless another job is at it or has done so. One that fails is tried again after the next job.
func (c *checkpoint) run(ctx context.Context) error {
	c.mu.Lock()
	begun := c.begun
	c.begun = true
	c.mu.Unlock()
	if begun {
		return nil
	}
	err := c.write(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun, c.done = err == nil, err == nil
	return err
}

func (c *checkpoint) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// Checkpoint marks r to be written to the folder of [Context.SetCheckpointDir] after the next job that r is part of, by
// a job of its own that computes r again: persist r first, so that this job only reads it. From then on r is read from
// there, and nothing is kept of what it was computed from. If it cannot be written, the action whose job it was returns
// that error, and the next job tries again. It costs no memory. Types that cannot be encoded are refused, and so is a
// context without a folder. It returns r.
func (r *RDD[T]) Checkpoint() *RDD[T] {
	dir := r.sc.CheckpointDir()
	c, err := codec.For[T]()
	switch {
	case dir == "":
		r.refuse("checkpoint needs a folder: call SetCheckpointDir first")
	case err != nil:
		r.refuse("checkpoint: %w", err)
	}
	if r.node.Err != nil {
		return r
	}
	f := checkpointFiles{dir: vfs.Join(dir, fmt.Sprintf("rdd-%d", r.node.ID)), schema: c.Schema()}
	f.fs, _, _ = r.sc.FileSystem(dir) // SetCheckpointDir has found it before.
	plain := !conf.CheckpointCompress.Get(r.sc.conf)
	mark := &checkpoint{site: exec.Caller(), path: f.dir}
	write := func(tc *TaskContext, p int, w io.Writer) error { return writeObjects(tc, r, p, c, w, plain) }
	site := mark.site
	mark.write = func(ctx context.Context) error {
		if err := f.write(ctx, r.sc, r.node, write); err != nil {
			return err
		}
		r.cut("checkpoint", site, func(tc *TaskContext, p int) iter.Seq[T] {
			return func(yield func(T) bool) {
				next := checked(tc, yield)
				f.read(tc, p, func(raw []byte, count int) (bool, error) {
					return objectfile.Values(raw, count, c.DecodeAlias, next)
				})
			}
		})
		return nil
	}
	if conf.CleanCheckpoints.Get(r.sc.conf) {
		runtime.AddCleanup(r.node, checkpointFiles.remove, f)
	}
	r.setMark(mark)
	return r
}

// LocalCheckpoint marks r to be cut off from what it was computed from after the next job that r is part of. r is
// persisted, with MEMORY_AND_DISK if it is not, and with disk in any case; the partitions that the job did not compute
// are computed then. It is faster than [RDD.Checkpoint] and keeps nothing safe: when the partitions are gone, by
// Unpersist or because a disk failed, r cannot be computed any more. Of Checkpoint and LocalCheckpoint the first
// stands. It returns r.
func (r *RDD[T]) LocalCheckpoint() *RDD[T] {
	level := r.StorageLevel()
	switch {
	case level == NotPersisted:
		r.Persist(MemoryAndDisk)
	case !level.Disk:
		r.Unpersist()
		level.Disk = true
		r.Persist(level)
	}
	if r.node.Err != nil {
		return r
	}
	mark := &checkpoint{site: exec.Caller()}
	mark.write = func(ctx context.Context) error {
		err := run(ctx, r, "localCheckpoint", r.all(), func(_ *TaskContext, in iter.Seq[T]) (nothing, error) {
			in(func(T) bool { return true })
			return nothing{}, nil
		}, func(int, nothing) error { return nil })
		if err != nil {
			return err
		}
		id := r.node.ID
		r.cut("localCheckpoint", mark.site, func(tc *TaskContext, p int) iter.Seq[T] {
			why := errUnpersisted
			if k := r.kept.Load(); k != nil {
				why = cmp.Or(k.whyLost(p), why)
			}
			tc.Fail(exec.Permanent(fmt.Errorf("partition %d of RDD %d is gone, and LocalCheckpoint at %s has cut off "+
				"what it was computed from: %w", p, id, mark.site, why)))
			return nil
		})
		return nil
	}
	r.setMark(mark)
	return r
}

// errUnpersisted is why a partition is gone of which nothing else is known.
var errUnpersisted = errors.New("was Unpersist called? Checkpoint keeps partitions in files")

// setMark has the mark found by jobs, unless there is one.
func (r *RDD[T]) setMark(c *checkpoint) {
	if r.mark.CompareAndSwap(nil, c) {
		run := c.run
		r.node.Mark(&run)
		r.sc.marked.Add(1)
	}
}

// cut has r computed by compute, and lets go of all that it was computed from. Tasks that have begun go on as they
// were.
func (r *RDD[T]) cut(op string, site exec.Site, compute func(tc *TaskContext, p int) iter.Seq[T]) {
	r.replace(op, site, compute)
	r.node.Mark(nil)
	r.sc.marked.Add(-1)
}

// IsCheckpointed tells whether the lineage of r has been cut, by Checkpoint or LocalCheckpoint.
func (r *RDD[T]) IsCheckpointed() bool {
	c := r.mark.Load()
	return c != nil && c.isDone()
}

// CheckpointFile is the folder that holds r's partitions, when Checkpoint has written them.
func (r *RDD[T]) CheckpointFile() (dir string, written bool) {
	c := r.mark.Load()
	if c == nil || c.path == "" || !c.isDone() {
		return "", false
	}
	return c.path, true
}

// checkpointMarked writes the RDDs that are marked and that a job was about: the nearest ones, for what those were
// computed from is of no more use.
func (sc *Context) checkpointMarked(ctx context.Context, target *exec.Node) error {
	if sc.marked.Load() == 0 {
		return nil
	}
	for _, write := range target.Marked() {
		if err := write(ctx); err != nil {
			return err
		}
	}
	return nil
}
