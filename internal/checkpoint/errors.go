package checkpoint

import (
	"errors"
	"fmt"
)

// ErrOrder is wrapped by the error of an entry that does not follow what is in the log. Nothing was written.
var ErrOrder = errors.New("the entry does not follow the log")

// ErrWaited is wrapped by the error of Open that was ended while it waited as a standby. Nothing was written.
var ErrWaited = errors.New("ended while it waited as a standby")

// ErrClosed is what a log answers after Close.
var ErrClosed = errors.New("the log has been closed")

// A HeldError says that another process owns the log and is alive: weir's exit code 3.
type HeldError struct {
	Dir   string
	Epoch int64
	Owner Owner
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("it is held by %s (epoch %d), which is alive: stop it first (weir stop %s); a program may also "+
		"wait for its end (weir.checkpoint.standby=true), or have a checkpoint of its own", e.Owner, e.Epoch, e.Dir)
}

// A FencedError says that another process has taken the log over from this one, which can write nothing any more.
type FencedError struct {
	Dir string
	// Slot is the slot that this process would have written next, Epoch its epoch.
	Slot, Epoch int64
	// By has taken over, with the epoch ByEpoch.
	By      Owner
	ByEpoch int64
}

// Error implements error.
func (e *FencedError) Error() string {
	return fmt.Sprintf("the checkpoint %s was taken over by %s (epoch %d, slot %d) from this process (epoch %d), "+
		"which had given no sign of life: nothing of it was logged since", e.Dir, e.By, e.ByEpoch, e.Slot, e.Epoch)
}

// A DamageError says that a file does not hold what was written to it, or is not there.
type DamageError struct {
	File   string
	Offset int64
	What   string
	Remedy string
	// Cause is the error of the file system, if there is one.
	Cause error
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s, offset %d: %s: %s", e.File, e.Offset, e.What, e.Remedy)
}

// Unwrap gives the error of the file system.
func (e *DamageError) Unwrap() error { return e.Cause }

const (
	fromCopy = "put the file back from a copy; without one, start with an empty checkpoint folder and say where the " +
		"inputs begin"
	notBoth = "one folder holds parts of two checkpoints: put back the files of one of them"
)

// A VersionError says that a file was written by a later release.
type VersionError struct {
	File           string
	Kind           string
	Version, Known int64
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s: version %d of the format %q is later than this release knows (%d): use the release that "+
		"wrote it, or a later one", e.File, e.Version, e.Kind, e.Known)
}
