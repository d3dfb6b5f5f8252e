package block

// A Share is what one table or writer has been granted. It asks in steps, so that a record costs nothing, and gets its
// first step in any case: who writes to disk needs a little memory for that. It is not safe for use by several
// goroutines at once. Close it.
type Share struct {
	budget  *Budget
	granted int64
}

const (
	stepMax = 1 << 20
	stepMin = 1 << 10
	// stepPart: a step is that part of a small budget, so that its first steps are not all of it.
	stepPart = 64
)

// Share makes a share of the budget; that of a nil budget is never refused anything.
func (b *Budget) Share() *Share { return &Share{budget: b} }

// Step is how much is asked for at a time.
func (b *Budget) Step() int64 { return min(max(b.total/stepPart, stepMin), stepMax) }

// Granted is what the share has.
func (s *Share) Granted() int64 { return s.granted }

// Reach asks for what is missing to n bytes, and tells whether the share has them now.
func (s *Share) Reach(n int64) bool {
	missing := n - s.granted
	if missing <= 0 {
		return true
	}
	if s.budget == nil {
		s.granted = n
		return true
	}
	step := s.budget.Step()
	switch {
	case s.budget.Grant((missing+step-1)/step*step, nil):
		s.granted += (missing + step - 1) / step * step
	case s.budget.Grant(missing, nil):
		s.granted = n
	case n <= step:
		s.Force(n)
	default:
		return false
	}
	return true
}

// Force takes what is missing to n bytes, whatever the budget says: they are there already.
func (s *Share) Force(n int64) {
	if missing := n - s.granted; missing > 0 {
		if s.budget != nil {
			s.budget.Force(missing)
		}
		s.granted = n
	}
}

// Keep gives back what the share has beyond n bytes.
func (s *Share) Keep(n int64) {
	if rest := s.granted - max(n, 0); rest > 0 {
		if s.budget != nil {
			s.budget.Release(rest)
		}
		s.granted -= rest
	}
}

// Close gives everything back.
func (s *Share) Close() { s.Keep(0) }

// Hold leaves n bytes of the share, which take what they lack by force, to an entry that may be taken away, as
// Budget.Hold does, and closes the share. With a nil budget there is no entry.
func (s *Share) Hold(n int64, evict func()) *Entry {
	s.Force(n)
	s.Keep(n)
	s.granted = 0
	if s.budget == nil {
		return nil
	}
	return s.budget.Hold(n, nil, evict)
}
