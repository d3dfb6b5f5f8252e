package simulate

import (
	"context"
	"encoding/binary"
	"path"
	"strconv"
	"strings"

	"github.com/weirstream/weir/internal/vfs"
)

// An archive has the segments of receivers' logs, by name, also those that are gone.
type archive map[string][]byte

// isSegment tells the segments of receivers' logs from other files.
func isSegment(name string) bool {
	return strings.Contains(name, "/received/") && path.Ext(name) == ".seg" && !strings.HasPrefix(path.Base(name), ".")
}

// add takes in what a segment holds. A power failure may bring back one that was removed, with less in it.
func (a archive) add(name string, data []byte) {
	if isSegment(name) && len(data) >= len(a[name]) {
		a[name] = data
	}
}

// epoch is the newest of those in which a segment was begun.
func (a archive) epoch() (last int64) {
	for name := range a {
		epoch, _, _ := strings.Cut(path.Base(name), "-")
		n, _ := strconv.ParseInt(epoch, 10, 64) // A name that is none counts for nothing.
		last = max(last, n)
	}
	return last
}

// The sizes of a segment: docs/FORMAT.md, section 15.
const (
	segmentHead = 8 + 4 + 4 + 8 + 8 + 4 // before the text about it
	frameHead   = 4 + 4 + 8
	checksum    = 4
)

// segmentBefore cuts a segment where the frame of a sequence begins, or one that is not whole. It is nil if nothing is
// before.
func segmentBefore(data []byte, sequence int64) []byte {
	if len(data) < segmentHead {
		return nil
	}
	next := int64(binary.LittleEndian.Uint64(data[24:]))
	at := segmentHead + int(binary.LittleEndian.Uint32(data[32:])) + checksum
	if next >= sequence || at > len(data) {
		return nil
	}
	for next < sequence && at+frameHead <= len(data) {
		length := binary.LittleEndian.Uint32(data[at:])
		is := int64(binary.LittleEndian.Uint64(data[at+8:]))
		switch {
		case length == 1<<32-1:
			return data[:at+frameHead] // It is the end.
		case is != next || int(length) > len(data)-at-frameHead:
			return data[:at]
		}
		at, next = at+frameHead+int(length), next+1
	}
	return data[:at]
}

// restore has the disk hold what the receivers' logs held before some frames, by folder, and nothing of what was
// written since.
func (s *saga) restore(ctx context.Context, until map[string]int64) error {
	fsys := s.disk.Mount(nil)
	if err := fsys.RemoveAll(ctx, "disk:/ck/received"); err != nil {
		return err
	}
	for name, data := range s.archive {
		series := path.Join("received", path.Base(path.Dir(name)))
		part := segmentBefore(data, until[series])
		if part == nil {
			continue
		}
		err := fsys.MkdirAll(ctx, vfs.Dir(name))
		if err == nil {
			_, err = fsys.PutIfAbsent(ctx, name, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
