package checkpoint

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/weirstream/weir/internal/vfs"
)

const (
	// slotMax bounds a slot, with a state that is packed.
	slotMax = 64 << 20
	// takeoverMax bounds one that begins an epoch. It is more, so that where a state has become too large for a slot an
	// owner can come in at all, and release what is too much.
	takeoverMax = 2 * slotMax // vfs.PutOnce reads as much back
	// packMin is from how many bytes on a state is packed: the batches of long windows are many, and alike.
	packMin = 1 << 20
	// stateMax bounds a state that is not packed.
	stateMax = 2 << 30
)

// A slot is one file of the log.
type slot struct {
	slotHead
	// base is the state of the log before this slot, if the slot holds it.
	base    *State
	entries []Entry
	// lines are the entries as they are written.
	lines []json.RawMessage
}

// slotHead is the first line of a slot.
type slotHead struct {
	Job    string `json:"job"`
	Number int64  `json:"slot"`
	Epoch  int64  `json:"epoch"`
	// Writer tells the process that wrote the slot from any other.
	Writer string `json:"writer"`
	At     int64  `json:"at"`
	// Every is how far bases lie from each other.
	Every int64 `json:"every"`
	// Base tells that the next line is the state of the log before this slot.
	Base bool `json:"base,omitempty"`
	// Packed tells that the line of the state is a text that is its JSON, compressed.
	Packed bool `json:"packed,omitempty"`
	// Grave tells that the slot is of no use any more but that nobody may take it: it holds the takeover only.
	Grave bool `json:"grave,omitempty"`
}

func (s *slot) encode() ([]byte, error) {
	s.Base = s.base != nil
	var state json.RawMessage
	if s.Base {
		var err error
		if state, err = encodeLine(s.base); err == nil && len(state) > stateMax {
			err = s.tooLarge(len(state), stateMax)
		}
		if err == nil && len(state) >= packMin {
			s.Packed = true
			state, err = pack(state)
		}
		if err != nil {
			return nil, err
		}
	}
	lines := []any{s.slotHead}
	if s.Base {
		lines = append(lines, state)
	}
	for _, line := range s.lines {
		lines = append(lines, line)
	}
	data, err := EncodeRecord("slot", lines...)
	most := slotMax
	if _, begins := s.takeover(); begins {
		most = takeoverMax
	}
	if err == nil && len(data) > most {
		err = s.tooLarge(len(data), most)
	}
	return data, err
}

func (s *slot) tooLarge(bytes, most int) error {
	return fmt.Errorf("slot %d of the log would have %d bytes, and may have %d: it holds %d batches; fewer are "+
		"needed where windows of elements are shorter, or the interval is longer, or fewer are retained; %s",
		s.Number, bytes, most, s.batches(), s.largest())
}

// largest tells of the largest range in the slot.
func (s *slot) largest() string {
	plans, most, which := []Plan{}, -1, "it has no range"
	if s.base != nil {
		for _, b := range s.base.Batches {
			plans = append(plans, b.Plan)
		}
	}
	for _, e := range s.entries {
		switch e := e.(type) {
		case Plan:
			plans = append(plans, e)
		case Replan:
			plans = append(plans, e.Plan)
		}
	}
	for _, p := range plans {
		for id, r := range p.Ranges {
			if len(r.Data) > most {
				most = len(r.Data)
				which = fmt.Sprintf("its largest range, what batch %d takes from %q, has %d bytes, and fewer "+
					"where batches have fewer records (weir.streaming.firstBatchRecords, back-pressure)",
					p.Sequence, id, most)
			}
		}
	}
	return which
}

// batches is how many the state holds.
func (s *slot) batches() int {
	if s.base == nil {
		return 0
	}
	return len(s.base.Batches)
}

// pack compresses a line to one that holds a text.
func pack(line []byte) (json.RawMessage, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(line)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	return encodeLine(packed.Bytes())
}

// unpack is the way back.
func unpack(line json.RawMessage) (json.RawMessage, error) {
	var packed []byte
	if err := strictly(line, &packed); err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, stateMax+1))
	if err == nil && len(plain) > stateMax {
		err = fmt.Errorf("it has more than %d bytes", stateMax)
	}
	return plain, err
}

// takeover gives the entry that a slot begins with if it begins an epoch.
func (s *slot) takeover() (Takeover, bool) {
	if len(s.entries) == 0 {
		return Takeover{}, false
	}
	t, ok := s.entries[0].(Takeover)
	return t, ok
}

func decodeSlot(name string, data []byte) (*slot, error) {
	lines, err := DecodeRecord("slot", name, data)
	if err != nil {
		return nil, err
	}
	bad := func(err error) error {
		return &DamageError{File: name, What: fmt.Sprintf("the checksum is right, and %v", err),
			Remedy: "use the release that wrote it"}
	}
	s := &slot{}
	if len(lines) == 0 {
		return nil, bad(fmt.Errorf("nothing is in it"))
	}
	if err := strictly(lines[0], &s.slotHead); err != nil {
		return nil, bad(err)
	}
	lines = lines[1:]
	if s.Base {
		s.base = newState("", 0)
		if len(lines) == 0 {
			return nil, bad(fmt.Errorf("its state is missing"))
		}
		state := lines[0]
		if s.Packed {
			if state, err = unpack(state); err != nil {
				return nil, bad(fmt.Errorf("its state is not unpacked: %w", err))
			}
		}
		if err := strictly(state, s.base); err != nil {
			return nil, bad(err)
		}
		lines = lines[1:]
	}
	s.lines = lines
	for _, line := range lines {
		e, err := decodeEntry(line)
		if err != nil {
			return nil, bad(err)
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

// A folder is where a checkpoint lies.
type folder struct {
	fs  vfs.FS
	dir string
}

const slotSuffix = ".slot"

func (f folder) logDir() string { return vfs.Join(f.dir, "log") }
func (f folder) lease() string  { return vfs.Join(f.dir, "lease") }

func (f folder) slotName(n int64) string {
	return vfs.Join(f.logDir(), fmt.Sprintf("%020d%s", n, slotSuffix))
}

// slotNumber reads the name of a slot; ok is false for other files.
func slotNumber(name string) (n int64, ok bool) {
	digits, ok := strings.CutSuffix(vfs.Base(name), slotSuffix)
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, ok && err == nil && len(digits) == 20 && n >= 0
}

// read gives a slot, or an error that wraps fs.ErrNotExist.
func (f folder) read(ctx context.Context, n int64) (*slot, error) {
	name := f.slotName(n)
	data, err := vfs.ReadFile(ctx, f.fs, name, takeoverMax)
	if err != nil {
		return nil, err
	}
	s, err := decodeSlot(name, data)
	if err == nil && s.Number != n {
		err = &DamageError{File: name, What: fmt.Sprintf("it holds slot %d", s.Number), Remedy: notBoth}
	}
	if err != nil {
		// An old slot may have been taken away and used again while it was read.
		if _, gone := f.fs.Stat(ctx, name); errors.Is(gone, fs.ErrNotExist) {
			return nil, gone
		}
	}
	return s, err
}
