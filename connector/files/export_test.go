package files

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// NewFolderSink makes a sink without a context.
func NewFolderSink[T any](fsys vfs.FS, dir string, encoding Encoding[T], warn func(string)) *FolderSink[T] {
	return &FolderSink[T]{fs: fsys, dir: dir, encoding: encoding, timeout: time.Minute, retained: 3, instance: "test",
		warn: func(message string, _ error, attrs ...any) { warn(message + " " + fmt.Sprint(attrs...)) }}
}

// SetOwns is the answer of the log.
func (s *FolderSink[T]) SetOwns(owns func(ctx context.Context) error) { s.owns = owns }

// Vectors are an owner and a manifest.
func Vectors() (owner, of []byte, err error) {
	owner, err = checkpoint.EncodeRecord(ownerKind, ownerRecord{"j", 2, "2-w", 9})
	if err != nil {
		return nil, nil, err
	}
	of, err = checkpoint.EncodeRecord(manifestKind, manifest{Job: "j", Epoch: 2, Owner: 1, Output: "out", Sequence: 7,
		Files: []file{{Name: "part-0000000007-00003-" + keyOf("j", "out", "") + "-1", Token: "/d/.part", Length: 3, Sum: 5}}})
	return owner, of, err
}

// RangeVector is the range that takes one file more than another one.
func RangeVector() []byte {
	last := fileRange{Number: 2, Recent: []entry{
		{Name: "in/a", Length: 1, Modified: 1_695_000_000_000_000_000, Version: "5", Before: true},
		{Name: "in/old", Length: 4, Modified: 1_690_000_000_000_000_000, Version: "3"},
	}}
	next := fileRange{Number: last.Number + 1, Threshold: 1_690_000_000_000_000_000, Files: []entry{
		{Name: "in/b", Length: 2, Modified: 1_700_000_000_000_000_000, Version: "7"}}}
	next.remember(&last)
	return next.encode()
}

// ReadRange reads a range and writes it again.
func ReadRange(data []byte) ([]byte, error) {
	r, err := decodeRange(data)
	if err != nil {
		return nil, err
	}
	return r.encode(), nil
}

// SetOwner has the sink be the owner of a number.
func (s *FolderSink[T]) SetOwner(n int64) { s.owner = n }
