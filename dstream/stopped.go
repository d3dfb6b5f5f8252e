package dstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A stoppedCheckpoint is one that no program runs on, as far as it is known before it is taken over.
type stoppedCheckpoint struct {
	dir   string
	fs    vfs.FS
	path  string
	found *checkpoint.State // nil if there is no checkpoint
}

// readStopped reads a checkpoint that is to be changed, and must be there.
func readStopped(ctx context.Context, sc *rdd.Context, dir string) (*stoppedCheckpoint, error) {
	c, err := readForChange(ctx, sc, dir)
	if err == nil && c.found == nil {
		err = fmt.Errorf("checkpoint %s: %w", dir, noCheckpoint(c.path))
	}
	return c, err
}

func readForChange(ctx context.Context, sc *rdd.Context, dir string) (*stoppedCheckpoint, error) {
	fsys, path, err := sc.FileSystem(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	c := &stoppedCheckpoint{dir: dir, fs: fsys, path: path}
	if c.found, err = checkpoint.Read(ctx, fsys, path); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	return c, nil
}

// rehearse tells whether a change would be refused now: it takes nothing over and changes nothing. also may be nil.
func (c *stoppedCheckpoint) rehearse(ctx context.Context, also func(*checkpoint.State) error) error {
	if c.found == nil {
		return nil
	}
	err := checkpoint.Held(ctx, c.fs, c.path)
	if err == nil {
		err = c.atRest(c.found)
	}
	if err == nil && also != nil {
		err = also(c.found)
	}
	if err != nil {
		return fmt.Errorf("checkpoint %s: nothing was changed, and now the change would be refused: %w", c.dir, err)
	}
	return nil
}

// change takes the checkpoint over, has the entries logged that f makes, and gives it back as it was: stopped cleanly,
// or with transactions that the next owner has to fence.
func (c *stoppedCheckpoint) change(ctx context.Context, what string,
	f func(log *checkpoint.Recovered) ([]checkpoint.Entry, error)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("checkpoint %s: %w", c.dir, err)
		}
	}()
	opts := checkpoint.Options{}
	if c.found != nil {
		before := c.found.Owner
		opts.Settings, opts.Fingerprint, opts.GivenUp = before.Settings, before.Fingerprint, before.GivenUp
		if err := c.atRest(c.found); err != nil { // It is not taken over in vain.
			return cmp.Or(checkpoint.Held(ctx, c.fs, c.path), err)
		}
	}
	log, r, err := checkpoint.Open(ctx, c.fs, c.path, checkpoint.Here("weir "+what), opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close(context.WithoutCancel(ctx))) }()
	entries, err := c.entries(r, f)
	if err != nil {
		entries = nil
	}
	if r.Stopped || r.First {
		entries = append(entries, checkpoint.Stop{})
	}
	return errors.Join(err, log.Append(context.WithoutCancel(ctx), entries...))
}

// entries asks for the entries if the checkpoint is as it was read.
func (c *stoppedCheckpoint) entries(r *checkpoint.Recovered,
	f func(log *checkpoint.Recovered) ([]checkpoint.Entry, error)) ([]checkpoint.Entry, error) {
	if err := c.atRest(r.State); err != nil {
		return nil, err
	}
	before := checkpoint.Mark{Sequence: -1}
	if c.found != nil {
		before = c.found.Planned
	}
	if r.Planned != before {
		return nil, fmt.Errorf("a program has run on it meanwhile, up to batch %d: try again", r.Planned.Sequence)
	}
	return f(r)
}

// atRest refuses a log in which a batch is open: it is to run on what is there.
func (c *stoppedCheckpoint) atRest(log *checkpoint.State) error {
	open := log.Opened()
	if len(open) == 0 {
		return nil
	}
	return fmt.Errorf("batch %d is planned and not committed, and is to run on what is there: start the program, stop "+
		"it gracefully (weir stop %s), and try again; one that fails at each start is given up at a start with %s=%d",
		open[0].Plan.Sequence, c.dir, conf.CheckpointSkip.Name(), open[0].Plan.Sequence)
}
