package rdd

import "sync/atomic"

// A dealSeed is the seed of the hash that deals keys. It is settled once: by DealUnder, or at 0 when keys are dealt
// before that. RDDs that are made before a stream has started so have their keys dealt as the stream's are, unless a
// job has dealt some already.
type dealSeed struct{ settled atomic.Pointer[uint64] }

// value settles the seed if it is not yet.
func (s *dealSeed) value() uint64 {
	if s == nil {
		return 0
	}
	s.settle(0)
	return *s.settled.Load()
}

// settle tells whether the seed is the given one from now on.
func (s *dealSeed) settle(seed uint64) bool {
	return s.settled.CompareAndSwap(nil, &seed) || *s.settled.Load() == seed
}

// same tells that two seeds are one, or settled at the same value. It settles neither.
func (s *dealSeed) same(t *dealSeed) bool {
	if s == t || s == nil || t == nil {
		return s == t
	}
	v, w := s.settled.Load(), t.settled.Load()
	return v != nil && w != nil && *v == *w
}

// DealUnder has the hash that deals keys take this seed, for all RDDs that are made until free is called, and for those
// that were made before and have dealt none yet. It is for the stream engine, one stream at a time, whose checkpoint
// keeps the seed.
func (sc *Context) DealUnder(seed uint64) (free func()) {
	if !sc.deals.Load().settle(seed) {
		s := &dealSeed{}
		s.settle(seed)
		sc.deals.Store(s)
	}
	return func() { sc.deals.Store(&dealSeed{}) }
}

// dealsAs tells that keys that are dealt so lie as the context's own shuffles have them lie, or as a user's partitioner
// says.
func (sc *Context) dealsAs(d *dealing) bool { return !d.hashes() || d.seed.same(sc.deals.Load()) }

// dealing is how shuffles of the context deal that are given this partitioner, nil for none.
func (sc *Context) dealing(n int, by any) *dealing {
	d := &dealing{n: n, by: by}
	switch h, hashes := stableHash(by); {
	case hashes && h != nil:
		d.seed = h
	case sc != nil:
		d.seed = sc.deals.Load()
	}
	return d
}
