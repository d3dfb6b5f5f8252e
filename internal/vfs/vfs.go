// Package vfs is what weir asks of a file system, small enough for HDFS and S3 to answer: the contract [FS], the disk
// of this machine ([Local]) and one in memory for tests ([Memory]). Names are slash-separated texts. Those of the local
// disk are its paths, all others begin with the scheme of their file system, such as s3://bucket/key.
package vfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// An FS is a file system. Its methods may be called from several goroutines; each honours its context as far as the
// system below lets it, and its errors name the file. What is not there is an error that wraps [fs.ErrNotExist].
type FS interface {
	// Schemes lists the schemes of the names that the file system takes, such as hdfs.
	Schemes() []string
	// Open opens a file for reading, from a byte offset on: as many bytes as length says, to the end if that is
	// negative. An offset at or behind the end reads nothing.
	Open(ctx context.Context, name string, from, length int64) (File, error)
	// Create begins a file that nobody sees before it is published, and that takes the place of one of that name then.
	// Its directory must be there, where the system has directories.
	Create(ctx context.Context, name string) (Writer, error)
	// Publish makes finished files visible in the given order, each of them at once and whole. When it returns nil they
	// are durable. Publishing what has been published already is no error.
	Publish(ctx context.Context, ps ...Pending) error
	// Discard drops a finished file that is not published, if it is still there.
	Discard(ctx context.Context, p Pending) error
	// PutIfAbsent stores a small file, whole and durable, unless there is one of that name. The answer holds also
	// beside an error: Unknown says that the file may be there. A file that is there with equal data is ours, so that
	// a call may be made again. [PutOnce] settles what is unknown.
	PutIfAbsent(ctx context.Context, name string, data []byte) (Answer, error)
	// Stat tells of a file or a directory.
	Stat(ctx context.Context, name string) (Info, error)
	// List tells of what lies directly in a directory, in the order of the names. Files that are not published are not
	// told of under the name that they will have.
	List(ctx context.Context, dir string) ([]Info, error)
	// Rename moves a file, which takes the place of one that is there. Object stores copy.
	Rename(ctx context.Context, from, to string) error
	// Remove removes a file or an empty directory.
	Remove(ctx context.Context, name string) error
	// RemoveAll removes a directory with all that is in it. It is no error if it is not there.
	RemoveAll(ctx context.Context, dir string) error
	// MkdirAll makes a directory and those above it. It is no error if it is there, or if the system has none.
	MkdirAll(ctx context.Context, dir string) error
}

// A Keeper is a file system whose finished files a power failure may take away before they are published. Keep of one
// that is not there any more is an error that wraps [fs.ErrNotExist]: who writes down that it is to be must know.
type Keeper interface {
	Keep(ctx context.Context, ps ...Pending) error
}

// Keep makes finished files outlive a power failure before they are published: for who writes down that they are to be.
func Keep(ctx context.Context, fsys FS, ps ...Pending) error {
	if k, ok := fsys.(Keeper); ok {
		return k.Keep(ctx, ps...)
	}
	return nil
}

// A Replacer is a file system that can put a small file in place of the one that is there, at once and whole, more
// cheaply than [WriteFile] does, because the new content needs not outlive a power failure.
type Replacer interface {
	Replace(ctx context.Context, name string, data []byte) error
}

// Replace stores a small file in place of the one that is there. It is not durable.
func Replace(ctx context.Context, fsys FS, name string, data []byte) error {
	if r, ok := fsys.(Replacer); ok {
		return r.Replace(ctx, name, data)
	}
	return WriteFile(ctx, fsys, name, data)
}

// An Appender is a file system whose files can grow while they are there. One that is none, such as an object store,
// gets a file for each group of records instead.
type Appender interface {
	// Segment begins a file that must not be there. Its directory must be.
	Segment(ctx context.Context, name string) (Segment, error)
}

// A Recycler can use files again: to make a file, and later to remove it, costs a disk more than to write a small one.
type Recycler interface {
	// Retire takes the name from a file that nobody will read any more, in place of Remove: who has it open may read
	// other content. The file lies beside it, hidden, until it is used; token is the name by which Remove removes it.
	Retire(ctx context.Context, name string) (token string, err error)
	// PutRecycled is PutIfAbsent in a file that was retired, which is used up whatever becomes of it. Since the
	// retirement another file must have been put in its directory: else a power failure may give the old name the new
	// content. A file that is gone, or that has other names, hard links of a copy, is not used: a new one is.
	PutRecycled(ctx context.Context, token, name string, data []byte) (Answer, error)
}

// A Segment is a file that grows at its end. Its methods are called by one goroutine at a time.
type Segment interface {
	// Write appends. After an error the file may end with a part of what was given, and takes nothing more.
	io.Writer
	// Sync makes all that was written durable, and the file's name. After an error the segment is dead: how much of
	// what was written since the last Sync is on the disk nobody knows, and a second Sync that succeeds would not
	// say so either, for a system forgets what it could not write. So it fails for ever, and what was not durable
	// must be written again, elsewhere.
	Sync() error
	// Close gives the file back, and syncs nothing.
	Close() error
}

// ErrNotDurable is wrapped by the error of a call that did what it should, and does not know whether that would
// outlive a power failure.
var ErrNotDurable = errors.New("it may not be durable")

// A File is open for reading.
type File interface {
	io.ReadCloser
	// Info tells of the file that is being read, as it is at this moment where the system can tell, so that a change
	// during the reading shows.
	Info() (Info, error)
}

// A Writer writes a file that nobody sees yet. Either Finish or Abort ends it.
type Writer interface {
	io.Writer
	// Finish ends the writing: all data is durable, and p publishes it.
	Finish() (p Pending, err error)
	// Abort drops what was written. After Finish it does nothing.
	Abort()
}

// A Pending is a file that is finished and not visible, as plain data: whoever has it can publish it.
type Pending struct {
	// Name is what the file will be called.
	Name string
	// Token is how the file system finds it.
	Token string
}

// Info is what a file system tells of a file.
type Info struct {
	// Name is the name that opens the file.
	Name    string
	Length  int64
	ModTime time.Time
	// Dir tells that it is a directory. Of one nothing else is known.
	Dir bool
	// Version changes when the content does: an etag, or what comes nearest to one. It is compared and nothing else.
	Version string
}

// An Answer is what became of a [FS.PutIfAbsent].
type Answer int

// The answers.
const (
	// Unknown is that the file may be there and may be ours: the connection broke, or the power was about to.
	Unknown Answer = iota
	// Ours is that the file is there with our data.
	Ours
	// Theirs is that a file was there before.
	Theirs
)

// String gives the answer's name.
func (a Answer) String() string { return [...]string{"unknown", "ours", "theirs"}[a] }

// putMax bounds what PutOnce reads back; nobody puts more than the slot of a takeover may have.
const putMax = 128 << 20

// PutOnce is PutIfAbsent that settles what is unknown: it asks again, then reads the file back and compares. data must
// hold a nonce, for two writers of equal data would both be told that it is theirs. Unknown is left only beside an
// error: that it is not known whether the file is there, or, wrapping [ErrNotDurable], whether it would stay.
func PutOnce(ctx context.Context, fsys FS, name string, data []byte) (Answer, error) {
	a, err := fsys.PutIfAbsent(ctx, name, data)
	return settled(ctx, fsys, name, data, a, err)
}

// PutOnceRecycled is PutOnce in a file that was retired.
func PutOnceRecycled(ctx context.Context, fsys interface {
	FS
	Recycler
}, token, name string, data []byte) (Answer, error) {
	a, err := fsys.PutRecycled(ctx, token, name, data)
	return settled(ctx, fsys, name, data, a, err)
}

// settled asks again after an unknown answer.
func settled(ctx context.Context, fsys FS, name string, data []byte, a Answer, err error) (Answer, error) {
	for range 2 {
		if a != Unknown || ctx.Err() != nil {
			break
		}
		a, err = fsys.PutIfAbsent(ctx, name, data)
	}
	if a == Ours {
		return a, nil
	}
	// Theirs is looked at, too: a client that tried again by itself may have met what its first try wrote.
	there, readErr := ReadFile(ctx, fsys, name, putMax)
	switch {
	case readErr == nil && string(there) != string(data):
		return Theirs, nil
	case a == Theirs && readErr != nil:
		return Theirs, nil
	case readErr == nil && !errors.Is(err, ErrNotDurable):
		return Ours, nil
	}
	return Unknown, fmt.Errorf("it is not known whether %s was written: %w", name, errors.Join(err, readErr))
}

// ReadFile gives the content of a file of at most limit bytes.
func ReadFile(ctx context.Context, fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}

// WriteFile creates and publishes a file.
func WriteFile(ctx context.Context, fsys FS, name string, data []byte) error {
	w, err := fsys.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return err
	}
	p, err := w.Finish()
	if err != nil {
		return err
	}
	return fsys.Publish(ctx, p)
}

// MakeSure makes what others have put into a directory outlive a power failure: they may have died before they had
// synced it. Publishing a file there, of no content that counts, does that.
func MakeSure(ctx context.Context, fsys FS, dir string) error {
	return WriteFile(ctx, fsys, Join(dir, SureName), nil)
}

// SureName is the file of [MakeSure].
const SureName = ".sure"

// ErrChanged says that a file is not the one any more that was planned to be read.
var ErrChanged = errors.New("the file has changed")

// OpenSame opens a file that was told of before, and refuses another content than that.
func OpenSame(ctx context.Context, fsys FS, want Info, from, length int64) (File, error) {
	f, err := fsys.Open(ctx, want.Name, from, length)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has vanished since it was listed: leave files in their place until what "+
			"reads them is committed (%w)", ErrChanged, want.Name, err)
	}
	if err != nil {
		return nil, err
	}
	if err := Same(f, want); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Same tells whether an open file is still the one that was told of, by an error that wraps [ErrChanged] if not.
func Same(f File, want Info) error {
	is, err := f.Info()
	if err != nil {
		return err
	}
	if is.Length == want.Length && is.Version == want.Version {
		return nil
	}
	return fmt.Errorf("%w: %s had %d bytes of %s when it was listed and now has %d of %s: write files elsewhere and "+
		"move them to where they are read, and do not touch them after", ErrChanged, want.Name, want.Length,
		stamp(want.ModTime), is.Length, stamp(is.ModTime))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }
