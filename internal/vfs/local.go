package vfs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Local is the disk of this machine. A file that is not published yet lies beside where it will be, under a name that
// begins with a dot, so that a rename publishes it. A context is looked at before each call; the disk itself cannot
// be interrupted.
type Local struct {
	sys system // nil is the operating system
}

func (l Local) system() system {
	if l.sys == nil {
		return operating{}
	}
	return l.sys
}

// Schemes implements FS.
func (Local) Schemes() []string { return []string{"file"} }

func localInfo(name string, i fs.FileInfo) Info {
	if i.IsDir() {
		return Info{Name: name, Dir: true}
	}
	version := strconv.FormatInt(i.ModTime().UnixNano(), 16) + "-" + strconv.FormatInt(i.Size(), 16)
	return Info{Name: name, Length: i.Size(), ModTime: i.ModTime(), Version: version}
}

// Open implements FS.
func (l Local) Open(ctx context.Context, name string, from, length int64) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := l.system().open(name)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	file := &localFile{f: f, name: name, r: f}
	if length >= 0 {
		file.r = io.LimitReader(f, length)
	}
	return file, nil
}

type localFile struct {
	f    systemFile
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
func (l Local) Create(ctx context.Context, name string) (Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, hidden, err := l.createBeside(name)
	if err != nil {
		return nil, err
	}
	return &localWriter{sys: l.system(), f: f, hidden: hidden, name: name}, nil
}

// createBeside makes a file for what is to be the file name.
func (l Local) createBeside(name string) (f systemFile, hidden string, err error) {
	hidden = beside(name)
	f, err = l.system().create(hidden)
	return f, hidden, err
}

// beside gives a hidden name that no other call gives.
func beside(name string) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return Join(Dir(name), "."+Base(name)+"."+hex.EncodeToString(random[:])+".tmp")
}

type localWriter struct {
	sys          system
	f            systemFile
	hidden, name string
	over         bool
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
		return Pending{}, errors.Join(err, w.sys.remove(w.hidden))
	}
	return Pending{Name: w.name, Token: Base(w.hidden)}, nil
}

// unpublished is where a finished file lies, beside its name: its folder may have had another path when it was finished
// than it has now, and earlier releases have the path of that time in the token.
func unpublished(p Pending) string { return Join(Dir(p.Name), Base(p.Token)) }

// Abort implements Writer.
func (w *localWriter) Abort() {
	if w.over {
		return
	}
	w.over = true
	_ = w.f.Close()
	_ = w.sys.remove(w.hidden)
}

// Publish implements FS.
func (l Local) Publish(ctx context.Context, ps ...Pending) error {
	for _, p := range ps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.system().rename(unpublished(p), p.Name); err != nil && !l.published(p) {
			return err
		}
	}
	return l.keepNames(ctx, ps)
}

// Keep implements Keeper: what is not published yet lies beside where it will be.
func (l Local) Keep(ctx context.Context, ps ...Pending) error {
	for _, p := range ps {
		if _, err := l.system().stat(unpublished(p)); err != nil && !l.published(p) {
			return fmt.Errorf("%s, which was finished and not published, is there no more: %w", p.Name, err)
		}
	}
	return l.keepNames(ctx, ps)
}

// keepNames makes the names of files durable.
func (l Local) keepNames(ctx context.Context, ps []Pending) error {
	var dirs []string
	for _, p := range ps {
		if dir := Dir(p.Name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.system().syncDir(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDurable, err)
		}
	}
	return nil
}

// published tells whether an earlier call has renamed the file already.
func (l Local) published(p Pending) bool {
	_, gone := l.system().stat(unpublished(p))
	_, there := l.system().stat(p.Name)
	return errors.Is(gone, fs.ErrNotExist) && there == nil
}

// Discard implements FS.
func (l Local) Discard(_ context.Context, p Pending) error {
	err := l.system().remove(unpublished(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Replace implements Replacer.
func (l Local) Replace(ctx context.Context, name string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, hidden, err := l.createBeside(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = l.system().rename(hidden, name)
	}
	if err != nil {
		_ = l.system().remove(hidden)
	}
	return err
}

// PutIfAbsent implements FS: a file is written whole under another name, and renamed unless the name is taken.
func (l Local) PutIfAbsent(ctx context.Context, name string, data []byte) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Unknown, err
	}
	a, err := l.putIfAbsent(ctx, name, data)
	if err != nil {
		// An earlier call may have renamed the file and not synced the directory: that it is there says nothing.
		err = fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return a, err
}

// Retire implements Recycler.
func (l Local) Retire(ctx context.Context, name string) (token string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	token = beside(name)
	return token, l.system().rename(name, token)
}

// PutRecycled implements Recycler.
func (l Local) PutRecycled(ctx context.Context, token, name string, data []byte) (Answer, error) {
	f, err := l.system().reuse(token)
	if err != nil {
		_ = l.system().remove(token)
		return l.PutIfAbsent(ctx, name, data)
	}
	a, err := l.putFile(ctx, f, token, name, data)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return a, err
}

func (l Local) putIfAbsent(ctx context.Context, name string, data []byte) (Answer, error) {
	f, hidden, err := l.createBeside(name)
	if err != nil {
		return Unknown, err
	}
	return l.putFile(ctx, f, hidden, name, data)
}

// putFile writes a file from its beginning, as all that it holds, and gives it the name.
func (l Local) putFile(ctx context.Context, f systemFile, hidden, name string, data []byte) (Answer, error) {
	_, err := f.Write(data)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = l.system().renameNew(hidden, name)
	}
	if err != nil {
		_ = l.system().remove(hidden)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		// What an earlier call renamed is ours, and as durable as it is said to be only when the directory is synced.
		if there, err := ReadFile(ctx, l, name, putMax); err != nil || !bytes.Equal(there, data) {
			return Theirs, nil
		}
	case err != nil:
		return Unknown, err
	}
	if err := l.system().syncDir(Dir(name)); err != nil {
		return Unknown, err
	}
	return Ours, nil
}

// Segment implements Appender.
func (l Local) Segment(ctx context.Context, name string) (Segment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := l.system().create(name)
	if err != nil {
		return nil, err
	}
	return &localSegment{sys: l.system(), f: f, name: name}, nil
}

type localSegment struct {
	sys   system
	f     systemFile
	name  string
	named bool  // the directory has been synced
	dead  error // why nothing more may be written
}

// Write implements Segment.
func (s *localSegment) Write(b []byte) (int, error) {
	if s.dead != nil {
		return 0, s.dead
	}
	n, err := s.f.Write(b)
	if err != nil {
		s.dead = fmt.Errorf("%s ends here: a write failed: %w", s.name, err)
	}
	return n, err
}

// Sync implements Segment.
func (s *localSegment) Sync() error {
	if s.dead != nil {
		return s.dead
	}
	err := s.f.Sync()
	if err == nil && !s.named {
		err = s.sys.syncDir(Dir(s.name))
		s.named = err == nil
	}
	if err != nil {
		s.dead = fmt.Errorf("%w: %s ends here: %w", ErrNotDurable, s.name, err)
	}
	return s.dead
}

// Close implements Segment.
func (s *localSegment) Close() error { return s.f.Close() }

// Stat implements FS.
func (l Local) Stat(ctx context.Context, name string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	i, err := l.system().stat(name)
	if err != nil {
		return Info{}, err
	}
	return localInfo(name, i), nil
}

// List implements FS. Links are followed; what vanishes meanwhile, and links to nothing, are left out.
func (l Local) List(ctx context.Context, dir string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := l.system().readDir(dir)
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
			info, err = l.system().stat(name)
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
func (l Local) Rename(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.system().rename(from, to)
}

// Remove implements FS.
func (l Local) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.system().remove(name)
}

// RemoveAll implements FS.
func (l Local) RemoveAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.system().removeAll(dir)
}

// MkdirAll implements FS. The names of directories that it makes are durable, for what is durable in them would be
// lost with them; and so is that of the one that is there, which another process may just have made.
func (l Local) MkdirAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var missing []string
	for at := strings.TrimRight(dir, "/"); at != ""; at = Dir(at) {
		info, err := l.system().stat(at)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: at, Err: errors.New("it is a file")}
		}
		if err == nil {
			if err := l.system().syncDir(Dir(at)); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, at)
	}
	for _, at := range slices.Backward(missing) {
		if err := l.system().mkdir(at); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := l.system().syncDir(Dir(at)); err != nil {
			return err
		}
	}
	return nil
}
