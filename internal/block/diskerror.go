package block

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/weirstream/weir/conf"
)

// A DiskError is why a file of a Disk cannot be made, written or read back. The disk is this machine's, so that any
// other batch would have met the same: it is no reason to give one up. What else fails with such a file, as a codec
// does, is no DiskError.
type DiskError struct{ cause error }

// Error names the file and what helps.
func (e *DiskError) Error() string {
	return fmt.Sprintf("the disk of %s has failed: %v; see that the folders of %[1]s are there, can be written to and "+
		"have room, or set it to others", conf.LocalDirs.Name(), e.cause)
}

// Unwrap gives the error of the system, or ErrDamaged.
func (e *DiskError) Unwrap() error { return e.cause }

// NoBatchsFault is the mark by which the loop of batches knows it.
func (*DiskError) NoBatchsFault() {}

// ofDisk marks an error of the system, if it is one. That a file is at its end, or has been closed, is no fault of the
// disk.
func ofDisk(err error) error {
	if err == nil || err == io.EOF || errors.Is(err, fs.ErrClosed) {
		return err
	}
	return &DiskError{err}
}

// Damaged marks an error of what was read of a file that was whole when it was written.
func Damaged(name string, err error) error {
	if _, marked := errors.AsType[*DiskError](err); marked {
		return err
	}
	return ofDisk(&fs.PathError{Op: "read", Path: name, Err: err})
}
