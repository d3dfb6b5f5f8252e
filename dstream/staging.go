package dstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/weirstream/weir/internal/block"
)

// A staging holds what the attempts of a job would write, until the winners' is written: a transaction has no way to
// take back what an attempt that failed later has put into it. All of it is given back at the end, the losers' too.
type staging struct {
	budget *block.Budget
	disk   *block.Disk

	mu   sync.Mutex
	all  []*staged
	over bool
}

// A staged is the encoded records of one attempt: in memory as far as the budget goes, then on disk.
type staged struct {
	of      *staging
	records int64
	size    int // bytes of the records

	raw     []byte   // the chunk that is being filled: records, each behind its length
	chunks  [][]byte // full ones, in memory
	granted int64
	encoded []byte // a record, before its length is known

	name   string      // of the file, "" if there is none
	file   *block.File // while it is written: a job may have more partitions than a process may have open files
	frames *block.FrameWriter
	sealed bool
}

// stagedChunk is the size at which a chunk ends, and about what an attempt holds beside the budget.
const stagedChunk = 64 << 10

var errStagingOver = errors.New("the batch is over, and what this attempt writes is dropped")

// begin makes room for an attempt.
func (g *staging) begin() (*staged, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return nil, errStagingOver
	}
	s := &staged{of: g}
	g.all = append(g.all, s)
	return s, nil
}

// end gives back what is staged. An attempt that still runs fails when its chunk is full.
func (g *staging) end() {
	g.mu.Lock()
	g.over = true
	all := g.all
	g.all = nil
	g.mu.Unlock()
	for _, s := range all {
		s.release()
	}
}

func (g *staging) isOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.over
}

func (s *staged) release() {
	s.of.mu.Lock()
	granted, file, name := s.granted, s.file, s.name
	s.granted, s.chunks, s.file, s.name = 0, nil, nil, ""
	s.of.mu.Unlock()
	s.of.budget.Release(granted)
	if file != nil {
		_ = file.Close()
	}
	if name != "" {
		_ = os.Remove(name) // What stays is removed with the context's folder.
	}
}

// unlessSealed gives back at once what an attempt has staged that ends without being sealed.
func (s *staged) unlessSealed() {
	if !s.sealed {
		s.release()
	}
}

// add stages what record appends to its argument.
func (s *staged) add(record func(dst []byte) ([]byte, error)) (err error) {
	if s.encoded, err = record(s.encoded[:0]); err != nil {
		return err
	}
	s.records++
	s.size += len(s.encoded)
	s.raw = binary.AppendUvarint(s.raw, uint64(len(s.encoded)))
	s.raw = append(s.raw, s.encoded...)
	if len(s.raw) < stagedChunk {
		return nil
	}
	return s.cut()
}

// cut puts the chunk away: into memory, or, from the first one for which there is none, on disk.
func (s *staged) cut() error {
	raw := s.raw
	s.raw = nil
	if len(raw) == 0 {
		return nil
	}
	n := int64(cap(raw))
	if s.frames == nil && s.of.budget.Grant(n, s.of) {
		if s.keep(raw, n) {
			return nil
		}
		s.of.budget.Release(n)
		return errStagingOver
	}
	if err := s.spill(raw); err != nil {
		return fmt.Errorf("stage what is to be written: %w", err)
	}
	s.raw = raw[:0]
	return nil
}

// keep takes over granted memory, unless the staging is over.
func (s *staged) keep(raw []byte, n int64) bool {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.of.over {
		return false
	}
	s.chunks, s.granted = append(s.chunks, raw), s.granted+n
	return true
}

func (s *staged) spill(raw []byte) error {
	if s.frames == nil {
		file, err := s.of.disk.Create("staged")
		if err != nil {
			return err
		}
		if !s.own(file) {
			return errors.Join(errStagingOver, file.Close(), os.Remove(file.Name()))
		}
		s.frames = block.NewFrameWriter(file)
	}
	_, err := s.frames.Frame(raw)
	return err
}

// own has release remove the file.
func (s *staged) own(file *block.File) bool {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.of.over {
		return false
	}
	s.file, s.name = file, file.Name()
	return true
}

// closed closes the file when all is written. It is not there any more if the staging is over.
func (s *staged) closed() error {
	s.of.mu.Lock()
	file := s.file
	s.file = nil
	s.of.mu.Unlock()
	if file == nil {
		return errStagingOver
	}
	return file.Close()
}

// seal ends the staging of an attempt.
func (s *staged) seal() error {
	s.encoded = nil
	if err := s.cut(); err != nil {
		return err
	}
	s.raw = nil
	if s.frames != nil {
		bytes, err := s.frames.Cut()
		if err == nil {
			err = s.frames.Flush()
		}
		if err = errors.Join(err, s.closed()); err != nil {
			return fmt.Errorf("stage what is to be written: %w", err)
		}
		s.frames = nil
		s.of.disk.Count(bytes)
	}
	s.sealed = true
	return nil
}

// all reads the records, in order and as often as it is called. They lie in memory that is not used again.
func (s *staged) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if s.of.isOver() { // It would seem to be less than it was.
			yield(nil, errStagingOver)
			return
		}
		for _, raw := range s.chunks {
			if !eachRecord(raw, yield) {
				return
			}
		}
		if s.name == "" {
			return
		}
		file, err := block.Open(s.name)
		if err != nil {
			yield(nil, fmt.Errorf("read what was staged: %w", err))
			return
		}
		defer file.Close()
		for frames := block.NewFrameReader(file); ; {
			raw, err := frames.Next()
			switch {
			case err == io.EOF:
				return
			case err != nil:
				yield(nil, fmt.Errorf("read what was staged: %w", block.Damaged(s.name, err)))
				return
			case !eachRecord(raw, yield):
				return
			}
		}
	}
}

// eachRecord reads a chunk; false says that no more is wanted.
func eachRecord(raw []byte, yield func([]byte, error) bool) bool {
	for len(raw) > 0 {
		n, size := binary.Uvarint(raw)
		end := size + int(n)
		if !yield(raw[size:end:end], nil) {
			return false
		}
		raw = raw[end:]
	}
	return true
}
