package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// A Disk is where what does not fit into memory is written: a folder of its own, made when it is first needed, in the
// first of the given folders that can be written to.
type Disk struct {
	roots []string

	mu   sync.Mutex
	dir  string
	next atomic.Int64
	over bool

	written atomic.Int64
}

// NewDisk makes a disk in one of the folders, or in the system's folder for temporary files if none is given.
func NewDisk(roots []string) *Disk {
	if len(roots) == 0 {
		roots = []string{os.TempDir()}
	}
	return &Disk{roots: roots}
}

// Create makes a file. Whoever made it removes it; what is left is removed by Close.
func (d *Disk) Create(kind string) (*File, error) {
	dir, err := d.folder()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%d", kind, d.next.Add(1)))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, ofDisk(err)
	}
	return &File{f}, nil
}

// Count adds to what Written tells.
func (d *Disk) Count(bytes int64) { d.written.Add(bytes) }

// Written is how many bytes were written in all, compressed.
func (d *Disk) Written() int64 { return d.written.Load() }

// errClosed says that the context is gone.
var errClosed = errors.New("the context has been stopped")

func (d *Disk) folder() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return "", errClosed
	}
	if d.dir != "" {
		return d.dir, nil
	}
	var errs []error
	for _, root := range d.roots {
		dir, err := os.MkdirTemp(root, "weir-")
		if err == nil {
			d.dir = dir
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", ofDisk(errors.Join(errs...))
}

// Close removes all files.
func (d *Disk) Close() error {
	d.mu.Lock()
	dir := d.dir
	d.dir, d.over = "", true
	d.mu.Unlock()
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
