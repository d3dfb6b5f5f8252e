package vfs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Local is the disk of this machine. A file that is not published yet lies beside where it will be, under a name that
// begins with a dot, so that a rename publishes it. A context is looked at before each call; the disk itself cannot
// be interrupted.
type Local struct{}

// Schemes implements FS.
func (Local) Schemes() []string { return []string{"file"} }

// localPath is the system's path of a name; "" is the working directory.
func localPath(name string) string {
	if name == "" {
		return "."
	}
	return filepath.FromSlash(name)
}

func localInfo(name string, i fs.FileInfo) Info {
	if i.IsDir() {
		return Info{Name: name, Dir: true}
	}
	version := strconv.FormatInt(i.ModTime().UnixNano(), 16) + "-" + strconv.FormatInt(i.Size(), 16)
	return Info{Name: name, Length: i.Size(), ModTime: i.ModTime(), Version: version}
}

// Open implements FS.
func (Local) Open(ctx context.Context, name string, from, length int64) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(localPath(name))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	l := &localFile{f: f, name: name, r: f}
	if length >= 0 {
		l.r = io.LimitReader(f, length)
	}
	return l, nil
}

type localFile struct {
	f    *os.File
	name string
	r    io.Reader
}

// Read implements File.
func (l *localFile) Read(b []byte) (int, error) { return l.r.Read(b) }

// Close implements File.
func (l *localFile) Close() error { return l.f.Close() }

// Info implements File.
func (l *localFile) Info() (Info, error) {
	i, err := l.f.Stat()
	if err != nil {
		return Info{}, err
	}
	return localInfo(l.name, i), nil
}

// Create implements FS.
func (Local) Create(ctx context.Context, name string) (Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := createBeside(name)
	if err != nil {
		return nil, err
	}
	return &localWriter{f: f, name: name}, nil
}

// createBeside makes a file for what is to be the file name.
func createBeside(name string) (*os.File, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	hidden := "." + Base(name) + "." + hex.EncodeToString(random[:]) + ".tmp"
	return os.OpenFile(localPath(Join(Dir(name), hidden)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
}

type localWriter struct {
	f    *os.File
	name string
	over bool
}

// Write implements Writer.
func (w *localWriter) Write(b []byte) (int, error) { return w.f.Write(b) }

// Finish implements Writer.
func (w *localWriter) Finish() (Pending, error) {
	if w.over {
		return Pending{}, fmt.Errorf("%s: it has been finished or aborted", w.name)
	}
	if err := w.f.Sync(); err != nil {
		return Pending{}, err
	}
	w.over = true
	if err := w.f.Close(); err != nil {
		return Pending{}, errors.Join(err, os.Remove(w.f.Name()))
	}
	return Pending{Name: w.name, Token: w.f.Name()}, nil
}

// Abort implements Writer.
func (w *localWriter) Abort() {
	if w.over {
		return
	}
	w.over = true
	_ = w.f.Close()
	_ = os.Remove(w.f.Name())
}

// Publish implements FS.
func (Local) Publish(ctx context.Context, ps ...Pending) error {
	var dirs []string
	for _, p := range ps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.Rename(p.Token, localPath(p.Name)); err != nil && !published(p) {
			return err
		}
		if dir := Dir(p.Name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// published tells whether an earlier call has renamed the file already.
func published(p Pending) bool {
	_, gone := os.Lstat(p.Token)
	_, there := os.Stat(localPath(p.Name))
	return errors.Is(gone, fs.ErrNotExist) && there == nil
}

// syncDir makes the names in a directory durable. Windows cannot, and needs not.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(localPath(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Discard implements FS.
func (Local) Discard(_ context.Context, p Pending) error { return absentIsFine(os.Remove(p.Token)) }

func absentIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// PutIfAbsent implements FS: a file is written whole under another name, and linked.
func (Local) PutIfAbsent(ctx context.Context, name string, data []byte) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Unknown, err
	}
	f, err := createBeside(name)
	if err != nil {
		return Unknown, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return Unknown, err
	}
	err = os.Link(f.Name(), localPath(name))
	switch {
	case errors.Is(err, fs.ErrExist):
		return Theirs, nil
	case err != nil:
		return Unknown, fmt.Errorf("%w: the file system must have hard links", err)
	}
	if err := syncDir(Dir(name)); err != nil {
		return Unknown, err
	}
	return Ours, nil
}

// Stat implements FS.
func (Local) Stat(ctx context.Context, name string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	i, err := os.Stat(localPath(name))
	if err != nil {
		return Info{}, err
	}
	return localInfo(name, i), nil
}

// List implements FS. Links are followed; what vanishes meanwhile, and links to nothing, are left out.
func (Local) List(ctx context.Context, dir string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(localPath(dir))
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for i, e := range entries {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		name := Join(dir, e.Name())
		info, err := e.Info()
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			info, err = os.Stat(localPath(name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, localInfo(name, info))
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Rename implements FS.
func (Local) Rename(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(localPath(from), localPath(to))
}

// Remove implements FS.
func (Local) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Remove(localPath(name))
}

// RemoveAll implements FS.
func (Local) RemoveAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.RemoveAll(localPath(dir))
}

// MkdirAll implements FS.
func (Local) MkdirAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.MkdirAll(localPath(dir), 0o777)
}
