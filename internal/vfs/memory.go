package vfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory is a file system in memory, for tests. It is as strict as the strictest: directories must be made, and what is
// not published is not there. It uses the clock of whoever calls, so that it lives in a testing/synctest bubble.
type Memory struct {
	scheme string

	mu      sync.Mutex
	files   map[string]memoryFile
	dirs    map[string]bool
	pending map[string][]byte
	changes int64
}

// A memoryFile is one content of a file; its bytes never change.
type memoryFile struct {
	data    []byte
	mod     time.Time
	version string
}

// NewMemory makes an empty file system whose names begin with scheme:/.
func NewMemory(scheme string) *Memory {
	return &Memory{scheme: scheme, files: map[string]memoryFile{}, dirs: map[string]bool{},
		pending: map[string][]byte{}}
}

// Schemes implements FS.
func (m *Memory) Schemes() []string { return []string{m.scheme} }

func failure(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

func clean(name string) string { return strings.TrimRight(name, "/") }

// isRoot tells whether a name stands above all that there may be: scheme:, scheme:// and the like.
func (m *Memory) isRoot(name string) bool {
	rest, ok := strings.CutPrefix(name, m.scheme+":")
	return ok && strings.Trim(rest, "/") == ""
}

func (m *Memory) isDir(name string) bool { return m.dirs[name] || m.isRoot(name) }

func (m *Memory) infoOf(name string) (Info, bool) {
	if f, ok := m.files[name]; ok {
		return Info{Name: name, Length: int64(len(f.data)), ModTime: f.mod, Version: f.version}, true
	}
	return Info{Name: name, Dir: true}, m.isDir(name)
}

// Open implements FS.
func (m *Memory) Open(ctx context.Context, name string, from, length int64) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		return nil, failure("open", name, fs.ErrNotExist)
	}
	info, _ := m.infoOf(name)
	data := f.data[min(from, int64(len(f.data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return &memoryReader{Reader: bytes.NewReader(data), info: info}, nil
}

type memoryReader struct {
	io.Reader
	info Info
}

// Close implements File.
func (r *memoryReader) Close() error { return nil }

// Info implements File.
func (r *memoryReader) Info() (Info, error) { return r.info, nil }

// Create implements FS.
func (m *Memory) Create(ctx context.Context, name string) (Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fits(name); err != nil {
		return nil, err
	}
	return &memoryWriter{m: m, name: name}, nil
}

// fits tells whether a file may have the name; mu is held.
func (m *Memory) fits(name string) error {
	switch {
	case !m.isDir(Dir(name)) && !m.isRoot(Dir(name)+"/"):
		return failure("create", name, fmt.Errorf("its directory is missing: %w", fs.ErrNotExist))
	case m.isDir(name):
		return failure("create", name, fmt.Errorf("it is a directory: %w", fs.ErrExist))
	}
	return nil
}

type memoryWriter struct {
	m    *Memory
	name string
	data []byte
	over bool
}

// Write implements Writer.
func (w *memoryWriter) Write(b []byte) (int, error) {
	w.data = append(w.data, b...)
	return len(b), nil
}

// Finish implements Writer.
func (w *memoryWriter) Finish() (Pending, error) {
	if w.over {
		return Pending{}, failure("finish", w.name, fs.ErrClosed)
	}
	w.over = true
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.m.changes++
	p := Pending{Name: w.name, Token: strconv.FormatInt(w.m.changes, 10)}
	w.m.pending[p.Token] = w.data
	return p, nil
}

// Abort implements Writer.
func (w *memoryWriter) Abort() { w.over = true }

// Publish implements FS.
func (m *Memory) Publish(ctx context.Context, ps ...Pending) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range ps {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, ok := m.pending[p.Token]
		if _, there := m.files[p.Name]; !ok && there {
			continue
		}
		if !ok {
			return failure("publish", p.Name, fs.ErrNotExist)
		}
		if err := m.fits(p.Name); err != nil {
			return err
		}
		delete(m.pending, p.Token)
		m.store(p.Name, data)
	}
	return nil
}

// store makes data the content of a file; mu is held.
func (m *Memory) store(name string, data []byte) {
	m.changes++
	m.files[name] = memoryFile{data: data, mod: time.Now(), version: strconv.FormatInt(m.changes, 10)}
}

// Discard implements FS.
func (m *Memory) Discard(_ context.Context, p Pending) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, p.Token)
	return nil
}

// Pendings counts the files that are finished and neither published nor discarded.
func (m *Memory) Pendings() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pending)
}

// PutIfAbsent implements FS.
func (m *Memory) PutIfAbsent(ctx context.Context, name string, data []byte) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Unknown, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, there := m.files[name]; there {
		if bytes.Equal(f.data, data) {
			return Ours, nil
		}
		return Theirs, nil
	}
	if err := m.fits(name); err != nil {
		return Unknown, err
	}
	m.store(name, bytes.Clone(data))
	return Ours, nil
}

// Stat implements FS.
func (m *Memory) Stat(ctx context.Context, name string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	info, ok := m.infoOf(clean(name))
	if !ok {
		return Info{}, failure("stat", name, fs.ErrNotExist)
	}
	return info, nil
}

// List implements FS.
func (m *Memory) List(ctx context.Context, dir string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isDir(clean(dir)) {
		return nil, failure("list", dir, fs.ErrNotExist)
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(m.files)), maps.Keys(m.dirs))
	slices.Sort(names)
	var infos []Info
	for _, name := range names {
		if clean(Dir(name)) == clean(dir) && !m.isRoot(name) {
			info, _ := m.infoOf(name)
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// Rename implements FS. It keeps the time of the last change, as a disk does.
func (m *Memory) Rename(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[from]
	if !ok {
		return failure("rename", from, fs.ErrNotExist)
	}
	if err := m.fits(to); err != nil {
		return err
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

// Remove implements FS.
func (m *Memory) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; ok {
		delete(m.files, name)
		return nil
	}
	if !m.dirs[clean(name)] {
		return failure("remove", name, fs.ErrNotExist)
	}
	for other := range m.below(name) {
		return failure("remove", name, fmt.Errorf("it holds %s", other))
	}
	delete(m.dirs, clean(name))
	return nil
}

// below yields the names below a directory; mu is held.
func (m *Memory) below(dir string) map[string]bool {
	found := map[string]bool{}
	for name := range m.files {
		if strings.HasPrefix(name, clean(dir)+"/") {
			found[name] = true
		}
	}
	for name := range m.dirs {
		if strings.HasPrefix(name, clean(dir)+"/") {
			found[name] = true
		}
	}
	return found
}

// RemoveAll implements FS.
func (m *Memory) RemoveAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.below(dir) {
		delete(m.files, name)
		delete(m.dirs, name)
	}
	delete(m.dirs, clean(dir))
	delete(m.files, dir)
	return nil
}

// MkdirAll implements FS.
func (m *Memory) MkdirAll(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = clean(dir); dir != "" && !m.isRoot(dir); dir = clean(Dir(dir)) {
		if _, ok := m.files[dir]; ok {
			return failure("mkdir", dir, fmt.Errorf("it is a file: %w", fs.ErrExist))
		}
		m.dirs[dir] = true
	}
	return nil
}

// SetModTime says when a file was last changed, without changing its content.
func (m *Memory) SetModTime(name string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		return failure("touch", name, fs.ErrNotExist)
	}
	m.changes++
	f.mod, f.version = at, strconv.FormatInt(m.changes, 10)
	m.files[name] = f
	return nil
}
