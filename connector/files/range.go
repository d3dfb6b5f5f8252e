package files

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/split"
)

// rangeVersion is the version of a range's form, which outlives the process where there is a checkpoint.
const rangeVersion = 1

// A fileRange is what a batch reads, and all that decides what the next one does.
type fileRange struct {
	Version int   `json:"version"`
	Number  int64 `json:"number"`
	// Files are what the batch reads.
	Files []entry `json:"files,omitempty"`
	// Threshold is a time in nanoseconds since 1970: what was last changed then or before is not looked at any more.
	Threshold int64 `json:"threshold"`
	// Recent are the files that were last changed after the threshold and have been taken, or were there before.
	Recent []entry `json:"recent,omitempty"`
}

// An entry is a file as it was when it was listed.
type entry struct {
	Name     string `json:"name"`
	Length   int64  `json:"length"`
	Modified int64  `json:"modified"`
	Version  string `json:"version"`
	// Before tells that the file was there before the program's first start, and was not taken. If it changes, it is
	// new.
	Before bool `json:"before,omitempty"`
}

// same tells whether two entries of one name are of one content.
func (e entry) same(o entry) bool {
	return e.Length == o.Length && e.Modified == o.Modified && e.Version == o.Version
}

func entryOf(i vfs.Info) entry {
	return entry{Name: i.Name, Length: i.Length, Modified: i.ModTime.UnixNano(), Version: i.Version}
}

func (r *fileRange) encode() []byte {
	r.Version = rangeVersion
	data, _ := json.Marshal(r) // Nothing in it can fail.
	return data
}

func decodeRange(data []byte) (*fileRange, error) {
	var r fileRange
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("the range of files cannot be read: %w", err)
	}
	if r.Version != rangeVersion {
		return nil, fmt.Errorf("the range of files has version %d, and this release knows version %d: go on with the "+
			"release that wrote it, or a later one", r.Version, rangeVersion)
	}
	return &r, nil
}

// remember takes over what must be remembered of the range before.
func (r *fileRange) remember(last *fileRange) {
	taken := make(map[string]bool, len(r.Files))
	for _, e := range r.Files {
		taken[e.Name] = true
	}
	for _, e := range slices.Concat(last.Recent, r.Files) {
		if e.Modified > r.Threshold && (!taken[e.Name] || !e.Before) {
			r.Recent = append(r.Recent, e)
		}
	}
}

func (r *fileRange) files(fsys vfs.FS) []split.File {
	files := make([]split.File, len(r.Files))
	for i, e := range r.Files {
		files[i] = split.File{FS: fsys, Info: vfs.Info{
			Name: e.Name, Length: e.Length, ModTime: time.Unix(0, e.Modified), Version: e.Version,
		}}
	}
	return files
}
