package files

// A count is the records that tasks have found in the parts of a range.
type count struct {
	parts []int64 // by partition; negative while it is not known
}

// begin expects the counts of a range. What an earlier run of the batch has counted stays.
func (s *source[T]) begin(number int64, parts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[number] != nil {
		return
	}
	c := &count{parts: make([]int64, parts)}
	for i := range c.parts {
		c.parts[i] = -1
	}
	s.counts[number] = c
}

// count notes the records of a part that was read to its end. It is read again for each output that is not given what
// another one kept.
func (s *source[T]) count(number int64, p int, records, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[number]
	if c == nil || c.parts[p] >= 0 {
		return
	}
	c.parts[p] = records
	s.bytes += bytes
	s.read += records
}

// Counted implements dstream.SourceCounter.
func (s *source[T]) Counted(rng []byte) (records int64, ok bool) {
	r, err := decodeRange(rng)
	if err != nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[r.Number]
	if c == nil {
		return 0, false
	}
	for _, n := range c.parts {
		if n < 0 {
			return 0, false
		}
		records += n
	}
	return records, true
}

func (s *source[T]) forget(upTo int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range s.counts {
		if number <= upTo {
			delete(s.counts, number)
		}
	}
}

// recordBytes is thought to be the length of a record before one has been read.
const recordBytes = 100

// guess gives the records of a file: exactly where they have one length, else by what the files before had.
func (s *source[T]) guess(bytes int64) int64 {
	if s.record > 0 || bytes == 0 {
		return bytes / int64(max(s.record, 1))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	per := float64(recordBytes)
	if s.read > 0 {
		per = float64(s.bytes) / float64(s.read)
	}
	return max(int64(float64(bytes)/max(per, 1)), 1)
}
