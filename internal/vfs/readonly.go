package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// ErrReadOnly is wrapped by the errors of what would write to a [ReadOnly].
var ErrReadOnly = fmt.Errorf("the file system is open for reading only: %w", errors.ErrUnsupported)

// ReadOnly gives a file system that reads what is there, and refuses to change it.
func ReadOnly(fsys FS) FS { return readOnly{fsys} }

type readOnly struct{ FS }

func refuse(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: ErrReadOnly} }

// Create implements FS.
func (readOnly) Create(_ context.Context, name string) (Writer, error) {
	return nil, refuse("create", name)
}

// Publish implements FS.
func (readOnly) Publish(_ context.Context, ps ...Pending) error {
	if len(ps) == 0 {
		return nil
	}
	return refuse("publish", ps[0].Name)
}

// Discard implements FS.
func (readOnly) Discard(_ context.Context, p Pending) error { return refuse("discard", p.Name) }

// PutIfAbsent implements FS.
func (readOnly) PutIfAbsent(_ context.Context, name string, _ []byte) (Answer, error) {
	return Unknown, refuse("put", name)
}

// Rename implements FS.
func (readOnly) Rename(_ context.Context, from, _ string) error { return refuse("rename", from) }

// Remove implements FS.
func (readOnly) Remove(_ context.Context, name string) error { return refuse("remove", name) }

// RemoveAll implements FS.
func (readOnly) RemoveAll(_ context.Context, dir string) error { return refuse("remove", dir) }

// MkdirAll implements FS: a directory that is there is no change.
func (r readOnly) MkdirAll(ctx context.Context, dir string) error {
	if i, err := r.Stat(ctx, dir); err == nil && i.Dir {
		return nil
	}
	return refuse("mkdir", dir)
}
