package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A system is what [Local] asks of the operating system, one call a method, so that what Local does can be cut at each
// of them: [Disk] answers them from memory.
type system interface {
	open(name string) (systemFile, error)
	// create makes a file for writing that must not be there.
	create(name string) (systemFile, error)
	// reuse opens a file for writing that is there, if that is the only name it has. It may be found empty.
	reuse(name string) (systemFile, error)
	rename(from, to string) error
	// renameNew renames a file unless the new name is taken: then it gives an error that wraps fs.ErrExist.
	renameNew(from, to string) error
	remove(name string) error
	removeAll(dir string) error
	mkdir(name string) error
	// stat follows links.
	stat(name string) (fs.FileInfo, error)
	readDir(dir string) ([]fs.DirEntry, error)
	// syncDir makes the names in a directory durable.
	syncDir(dir string) error
}

// A systemFile is open, for reading or for writing.
type systemFile interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
	Sync() error
	Close() error
	Stat() (fs.FileInfo, error)
}

// operating is the system of this machine.
type operating struct{}

// localPath is the system's path of a name; "" is the working directory.
func localPath(name string) string {
	if name == "" {
		return "."
	}
	return filepath.FromSlash(name)
}

func (operating) open(name string) (systemFile, error) {
	f, err := os.Open(localPath(name))
	if err != nil {
		return nil, err // A nil *os.File would be no nil systemFile.
	}
	return f, nil
}

func (operating) create(name string) (systemFile, error) {
	f, err := os.OpenFile(localPath(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// errLinked is why a file is not used again.
var errLinked = errors.New("it has another name, or it cannot be told whether it has")

func (operating) reuse(name string) (systemFile, error) {
	f, err := os.OpenFile(localPath(name), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !onlyName(info) {
		err = errLinked
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (operating) rename(from, to string) error { return os.Rename(localPath(from), localPath(to)) }
func (operating) renameNew(from, to string) error {
	return renameNew(localPath(from), localPath(to))
}

// linkNew is renameNew in two steps, by a hard link. That the old name may stay there does no harm.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		_ = os.Remove(from)
	case !errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%w: the file system must have hard links, or renames that replace nothing", err)
	}
	return err
}

func (operating) remove(name string) error   { return os.Remove(localPath(name)) }
func (operating) removeAll(dir string) error { return os.RemoveAll(localPath(dir)) }
func (operating) mkdir(name string) error    { return os.Mkdir(localPath(name), 0o777) }

func (operating) stat(name string) (fs.FileInfo, error) { return os.Stat(localPath(name)) }

func (operating) readDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(localPath(dir)) }

// syncDir does nothing on Windows, which cannot, and needs not.
func (operating) syncDir(dir string) error {
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
