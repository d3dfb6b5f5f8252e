package kafka

import (
	"bytes"
	"sync"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A spoiler is what the honest mode (weir.honest) does to buffers: what a task hands out lies in memory of its own,
// which is overwritten when its range is released. What was kept past the batch without a copy then shows.
type spoiler struct {
	mu   sync.Mutex
	held []lent
}

// lent is the memory of the records of one range that a task has handed out.
type lent struct {
	incarnation
	until  int64 // the end of the range
	memory [][]byte
}

// spoilt is what spoiled memory holds: no letter, and nothing that begins a UTF-8 sequence.
const spoilt = 0xBF

// lend keeps what l handed out until its range is released.
func (s *spoiler) lend(l lent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, l)
}

// release spoils what was handed out of ranges that end at the given offsets or before.
func (s *spoiler) release(upTo map[incarnation]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.held[:0]
	for _, l := range s.held {
		if until, ok := upTo[l.incarnation]; !ok || l.until > until {
			kept = append(kept, l)
			continue
		}
		for _, b := range l.memory {
			copy(b, bytes.Repeat([]byte{spoilt}, len(b)))
		}
	}
	clear(s.held[len(kept):])
	s.held = kept
}

// take moves a record's key and value, and its headers, to memory that can be spoiled.
func (l *lent) take(r *recordbatch.Record, headers []Header) {
	r.Key, r.Value = l.copy(r.Key), l.copy(r.Value)
	for i, h := range headers {
		headers[i].Value = l.copy(h.Value)
		headers[i].Key, _ = String(Meta{}, l.copy([]byte(h.Key)))
	}
}

func (l *lent) copy(b []byte) []byte {
	if len(b) > 0 {
		b = bytes.Clone(b)
		l.memory = append(l.memory, b)
	}
	return b
}
