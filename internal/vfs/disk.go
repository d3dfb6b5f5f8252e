package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Disk is a disk in memory for tests, which knows what a power failure would leave of it: bytes of a file that were not
// synced may be there in part, or as zeros, and a name that was given or taken away is sure only when its directory was
// synced. Processes reach it by a [Mount] each, which can fail at each step. What runs on it is [Local], so that the
// order of Local's own calls is what is tested.
type Disk struct {
	scheme string

	mu    sync.Mutex
	now   tree     // what processes see
	sure  tree     // what was synced
	loose []change // what was done to names since, in order
}

// A tree is the names of a disk.
type tree struct {
	files map[string]*inode
	dirs  map[string]bool
}

func (t tree) clone() tree { return tree{maps.Clone(t.files), maps.Clone(t.dirs)} }

// An inode is the content of a file, whatever its names are. Content only grows, but of a file that is used again.
type inode struct {
	data   []byte
	synced int  // so many bytes are sure
	broken bool // a sync failed: no later one makes sure what is there
	mod    time.Time
}

// A change is what was done to names of some directories, to be lost or kept as a whole.
type change struct {
	dirs  []string
	apply func(tree)
}

// NewDisk makes an empty disk whose names begin with scheme:/.
func NewDisk(scheme string) *Disk {
	empty := tree{map[string]*inode{}, map[string]bool{}}
	return &Disk{scheme: scheme, now: empty, sure: empty.clone()}
}

// Crash gives what is on the disk after a power failure at this moment, where the seed says what became of all that was
// not sure. The disk itself stays as it is.
func (d *Disk) Crash(seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	random := rand.New(rand.NewPCG(seed, 0))
	after := d.sure.clone()
	for _, c := range d.loose {
		if random.IntN(2) == 0 {
			c.apply(after)
		}
	}
	maps.DeleteFunc(after.dirs, func(name string, _ bool) bool { return !d.reachable(after, name) })
	maps.DeleteFunc(after.files, func(name string, _ *inode) bool { return !d.reachable(after, name) })
	left := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(after.files)) {
		i := after.files[name]
		if left[i] == nil {
			left[i] = i.crash(random)
		}
		after.files[name] = left[i]
	}
	return &Disk{scheme: d.scheme, now: after, sure: after.clone()}
}

// reachable tells whether all directories above a name are there.
func (d *Disk) reachable(t tree, name string) bool {
	for dir := clean(Dir(name)); !d.isRoot(dir); dir = clean(Dir(dir)) {
		if !t.dirs[dir] {
			return false
		}
	}
	return true
}

func (d *Disk) isRoot(name string) bool { return name == "" || name == d.scheme+":" }

// crash gives what is left of a content: all that was synced, and perhaps more, of which perhaps only zeros.
func (i *inode) crash(random *rand.Rand) *inode {
	n := i.synced + random.IntN(len(i.data)-i.synced+1)
	data := bytes.Clone(i.data[:n])
	if n > i.synced && random.IntN(3) == 0 {
		clear(data[i.synced+random.IntN(n-i.synced):])
	}
	return &inode{data: data, synced: n, mod: i.mod}
}

// Files gives the content of each file that processes see, by name.
func (d *Disk) Files() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := make(map[string][]byte, len(d.now.files))
	for name, i := range d.now.files {
		files[name] = bytes.Clone(i.data)
	}
	return files
}

// Spoil makes something else of a file's content, as a disk does that is going bad.
func (d *Disk) Spoil(name string, f func(data []byte) []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.now.files[name]
	if !ok {
		return failure("spoil", name, fs.ErrNotExist)
	}
	i.data = f(bytes.Clone(i.data))
	i.synced = len(i.data)
	return nil
}

// A Step is a call that would change the disk.
type Step struct {
	// Number counts the steps of a mount from 1 on.
	Number int
	// Op is create, reuse, write, sync, rename, renameNew, remove, mkdir or syncdir.
	Op   string
	Name string
}

// A Fault is what becomes of a step.
type Fault int

// The faults.
const (
	// None lets the step be.
	None Fault = iota
	// Fail makes nothing happen but the error. After a sync that failed, no other makes the file durable.
	Fail
	// Lose lets the step happen and loses the answer: the caller gets an error.
	Lose
	// Tear lets a write come to its half, and fails; it is Fail for other steps.
	Tear
	// Full is the error of a disk that is full: of a write, a half is there.
	Full
	// Die is kill -9 before the step: from now on all calls of the mount fail.
	Die
)

// Errors of a mount.
var (
	ErrFault = errors.New("an I/O error that the test made")
	ErrDead  = errors.New("the process of this mount has been killed")
)

// A Mount is the disk as one process sees it. Its steps fail as the test wants.
type Mount struct {
	Local
	scheme string
	sys    *mounted
}

// Mount gives a process access to the disk. faults is asked before each step and may be nil; it may sleep.
func (d *Disk) Mount(faults func(Step) Fault) *Mount {
	sys := &mounted{disk: d, faults: faults}
	return &Mount{Local: Local{sys: sys}, scheme: d.scheme, sys: sys}
}

// Schemes implements FS.
func (m *Mount) Schemes() []string { return []string{m.scheme} }

// Steps tells how many steps the process has made.
func (m *Mount) Steps() int {
	m.sys.mu.Lock()
	defer m.sys.mu.Unlock()
	return m.sys.steps
}

// Kill ends the process: all its calls fail from now on.
func (m *Mount) Kill() {
	m.sys.mu.Lock()
	defer m.sys.mu.Unlock()
	m.sys.dead = true
}

// mounted is the system under a Mount.
type mounted struct {
	disk   *Disk
	faults func(Step) Fault

	mu    sync.Mutex
	steps int
	dead  bool
}

func (m *mounted) alive() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrDead
	}
	return nil
}

// step does what changes the disk, unless there is a fault.
func (m *mounted) step(op, name string, do func(Fault) error) error {
	m.mu.Lock()
	m.steps++
	s := Step{Number: m.steps, Op: op, Name: name}
	m.mu.Unlock()
	fault := None
	if m.faults != nil && m.alive() == nil {
		fault = m.faults(s)
	}
	if fault == Die {
		m.mu.Lock()
		m.dead = true
		m.mu.Unlock()
	}
	if err := m.alive(); err != nil {
		return failure(op, name, err)
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	var err error
	if fault == None || fault == Lose || op == "write" || op == "sync" {
		err = do(fault)
	}
	switch {
	case err != nil:
		return failure(op, name, err)
	case fault == Full:
		return failure(op, name, syscall.ENOSPC)
	case fault != None:
		return failure(op, name, fmt.Errorf("%w (step %d)", ErrFault, s.Number))
	}
	return nil
}

// change does something to names, and keeps it until their directories are synced; the disk's mu is held.
func (d *Disk) change(apply func(tree), names ...string) {
	c := change{apply: apply}
	for _, name := range names {
		c.dirs = append(c.dirs, clean(Dir(name)))
	}
	d.loose = append(d.loose, c)
	apply(d.now)
}

// free tells whether a name may be given; mu is held.
func (d *Disk) free(name string) error {
	dir := clean(Dir(name))
	switch {
	case d.now.files[name] != nil || d.now.dirs[name]:
		return fs.ErrExist
	case !d.isRoot(dir) && !d.now.dirs[dir]:
		return fs.ErrNotExist
	}
	return nil
}

func (m *mounted) open(name string) (systemFile, error) {
	if err := m.alive(); err != nil {
		return nil, failure("open", name, err)
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	i, ok := m.disk.now.files[name]
	if !ok {
		return nil, failure("open", name, fs.ErrNotExist)
	}
	return &diskFile{m: m, name: name, i: i}, nil
}

func (m *mounted) create(name string) (systemFile, error) {
	i := &inode{mod: time.Now()}
	err := m.step("create", name, func(Fault) error {
		if err := m.disk.free(name); err != nil {
			return err
		}
		m.disk.change(func(t tree) { t.files[name] = i }, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &diskFile{m: m, name: name, i: i}, nil
}

func (m *mounted) reuse(name string) (systemFile, error) {
	var i *inode
	err := m.step("reuse", name, func(Fault) error {
		if i = m.disk.now.files[name]; i == nil {
			return fs.ErrNotExist
		}
		for other, linked := range m.disk.now.files {
			if linked == i && other != name {
				return errLinked
			}
		}
		// What of the new content has come to the disk before a sync nobody knows, and the old one is overwritten.
		i.data, i.synced = nil, 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &diskFile{m: m, name: name, i: i}, nil
}

func (m *mounted) rename(from, to string) error {
	return m.step("rename", to, func(Fault) error {
		if m.disk.now.files[to] != nil {
			return m.disk.rename(from, to)
		}
		return m.disk.renameNew(from, to)
	})
}

func (m *mounted) renameNew(from, to string) error {
	return m.step("renameNew", to, func(Fault) error { return m.disk.renameNew(from, to) })
}

// renameNew renames a file to a name that is free; mu is held.
func (d *Disk) renameNew(from, to string) error {
	if err := d.free(to); err != nil {
		return err
	}
	return d.rename(from, to)
}

// rename renames a file, to a name that is free or that of another file; mu is held.
func (d *Disk) rename(from, to string) error {
	i, ok := d.now.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	d.change(func(t tree) {
		if t.files[from] == i {
			delete(t.files, from)
		}
		t.files[to] = i
	}, from, to)
	return nil
}

func (m *mounted) remove(name string) error {
	return m.step("remove", name, func(Fault) error {
		_, file := m.disk.now.files[name]
		if !file && !m.disk.now.dirs[name] {
			return fs.ErrNotExist
		}
		for other := range m.disk.below(name) {
			return fmt.Errorf("it holds %s", other)
		}
		m.disk.unname(name)
		return nil
	})
}

// unname takes a name away; mu is held.
func (d *Disk) unname(name string) {
	i := d.now.files[name]
	d.change(func(t tree) {
		if t.files[name] == i {
			delete(t.files, name)
		}
		delete(t.dirs, name)
	}, name)
}

func (d *Disk) below(dir string) map[string]bool {
	found := map[string]bool{}
	for name := range d.now.files {
		if strings.HasPrefix(name, dir+"/") {
			found[name] = true
		}
	}
	for name := range d.now.dirs {
		if strings.HasPrefix(name, dir+"/") {
			found[name] = true
		}
	}
	return found
}

func (m *mounted) removeAll(dir string) error {
	dir = clean(dir)
	return m.step("remove", dir, func(Fault) error {
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(m.disk.below(dir)))) {
			m.disk.unname(name)
		}
		m.disk.unname(dir)
		return nil
	})
}

func (m *mounted) mkdir(name string) error {
	return m.step("mkdir", name, func(Fault) error {
		if err := m.disk.free(name); err != nil {
			return err
		}
		m.disk.change(func(t tree) { t.dirs[name] = true }, name)
		return nil
	})
}

func (m *mounted) syncDir(dir string) error {
	dir = clean(dir)
	return m.step("syncdir", dir, func(fault Fault) error {
		d := m.disk
		d.loose = slices.DeleteFunc(d.loose, func(c change) bool {
			if slices.Contains(c.dirs, dir) {
				c.apply(d.sure)
				return true
			}
			return false
		})
		return nil
	})
}

func (m *mounted) stat(name string) (fs.FileInfo, error) {
	if err := m.alive(); err != nil {
		return nil, failure("stat", name, err)
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if info, ok := m.disk.info(clean(name)); ok {
		return info, nil
	}
	return nil, failure("stat", name, fs.ErrNotExist)
}

// info tells of a name; mu is held.
func (d *Disk) info(name string) (diskInfo, bool) {
	if i, ok := d.now.files[name]; ok {
		return diskInfo{name: Base(name), size: int64(len(i.data)), mod: i.mod}, true
	}
	return diskInfo{name: Base(name), dir: true}, d.now.dirs[name] || d.isRoot(name)
}

func (m *mounted) readDir(dir string) ([]fs.DirEntry, error) {
	if err := m.alive(); err != nil {
		return nil, failure("list", dir, err)
	}
	dir = clean(dir)
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if !m.disk.now.dirs[dir] && !m.disk.isRoot(dir) {
		return nil, failure("list", dir, fs.ErrNotExist)
	}
	var entries []fs.DirEntry
	for name := range m.disk.below(dir) {
		if clean(Dir(name)) == dir {
			info, _ := m.disk.info(name)
			entries = append(entries, fs.FileInfoToDirEntry(info))
		}
	}
	return entries, nil
}

// A diskFile is a file that a process has open.
type diskFile struct {
	m    *mounted
	name string
	i    *inode
	at   int64
}

// Read implements systemFile.
func (f *diskFile) Read(b []byte) (int, error) {
	if err := f.m.alive(); err != nil {
		return 0, failure("read", f.name, err)
	}
	f.m.disk.mu.Lock()
	defer f.m.disk.mu.Unlock()
	if f.at >= int64(len(f.i.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.i.data[f.at:])
	f.at += int64(n)
	return n, nil
}

// Write implements systemFile. It always appends.
func (f *diskFile) Write(b []byte) (int, error) {
	n := 0
	err := f.m.step("write", f.name, func(fault Fault) error {
		switch fault {
		case None, Lose:
			n = len(b)
		case Tear, Full:
			n = len(b) / 2
		}
		f.i.data = append(f.i.data[:len(f.i.data):len(f.i.data)], b[:n]...)
		f.i.mod = time.Now()
		return nil
	})
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// Truncate implements systemFile: nothing is ever behind what was written.
func (f *diskFile) Truncate(int64) error { return nil }

// Seek implements systemFile, from the beginning only.
func (f *diskFile) Seek(offset int64, _ int) (int64, error) {
	f.at = offset
	return offset, nil
}

// Sync implements systemFile.
func (f *diskFile) Sync() error {
	return f.m.step("sync", f.name, func(fault Fault) error {
		if fault != None && fault != Lose {
			f.i.broken = true
			return nil
		}
		if !f.i.broken {
			f.i.synced = len(f.i.data)
		}
		return nil
	})
}

// Close implements systemFile.
func (f *diskFile) Close() error { return nil }

// Stat implements systemFile.
func (f *diskFile) Stat() (fs.FileInfo, error) {
	f.m.disk.mu.Lock()
	defer f.m.disk.mu.Unlock()
	return diskInfo{name: Base(f.name), size: int64(len(f.i.data)), mod: f.i.mod}, nil
}

// diskInfo is an fs.FileInfo.
type diskInfo struct {
	name string
	size int64
	mod  time.Time
	dir  bool
}

func (i diskInfo) Name() string       { return i.name }
func (i diskInfo) Size() int64        { return i.size }
func (i diskInfo) ModTime() time.Time { return i.mod }
func (i diskInfo) IsDir() bool        { return i.dir }
func (i diskInfo) Sys() any           { return nil }

func (i diskInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o777
	}
	return 0o666
}
