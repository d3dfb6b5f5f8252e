package dstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// walVersion is the version of a walRange: docs/FORMAT.md, "Ranges of receivers".
const walVersion = 1

// A walRange is what a batch takes from a receiver with a write ahead log: the frames from From to before Until of a
// series, in blocks, and where they lie. Whoever has it can read them.
type walRange struct {
	Version int `json:"version"`
	// Series is the folder of the segments in the checkpoint.
	Series string `json:"series"`
	From   int64  `json:"from"`
	Until  int64  `json:"until"`
	// Position is that of the source behind the range, nil if it has none.
	Position []byte     `json:"position,omitempty"`
	Codec    int        `json:"codec"`
	Schema   string     `json:"schema"`
	Blocks   []walBlock `json:"blocks,omitempty"`
}

// A walBlock becomes a partition.
type walBlock struct {
	Records int64     `json:"records"`
	Parts   []walPart `json:"parts"`
}

// A walPart is frames that lie one behind the other in a segment.
type walPart struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	First  int64  `json:"first"`
	Frames int64  `json:"frames"`
}

func (r walRange) encode() []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // It holds numbers and texts only.
	}
	return data
}

// isWalRange tells a range of a write ahead log from one of blocks in memory, and from those of sources, which may be
// JSON as well.
func isWalRange(data []byte) bool {
	rest, ok := bytes.CutPrefix(data, []byte(`{"version":`))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, "0123456789"), []byte(`,"series":"`+receivedDir+`/`))
}

func parseWalRange(data []byte) (r walRange, err error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return r, fmt.Errorf("the range %q of a receiver: %w", data, err)
	}
	if version.Version != walVersion {
		return r, fmt.Errorf("a range of a receiver has version %d, and this release knows %d: use the release that "+
			"wrote it, or a later one", version.Version, walVersion)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("the range %q of a receiver: %w", data, err)
	}
	return r, nil
}

// add puts a frame behind the others of the last block, or begins another one.
func (r *walRange) add(begins bool, sequence, records int64, at checkpoint.File) {
	if begins || len(r.Blocks) == 0 {
		r.Blocks = append(r.Blocks, walBlock{})
	}
	b := &r.Blocks[len(r.Blocks)-1]
	b.Records += records
	file := vfs.Base(at.Name)
	if n := len(b.Parts); n > 0 {
		if p := &b.Parts[n-1]; p.File == file && p.Offset+p.Length == at.Offset {
			p.Length += at.Length
			p.Frames++
			return
		}
	}
	b.Parts = append(b.Parts, walPart{File: file, Offset: at.Offset, Length: at.Length, First: sequence, Frames: 1})
}

// lastFile is the file of the last frame; "" without one.
func (r *walRange) lastFile() string {
	for _, b := range slices.Backward(r.Blocks) {
		for _, p := range slices.Backward(b.Parts) {
			return p.File
		}
	}
	return ""
}
