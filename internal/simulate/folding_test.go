package simulate

import "slices"

// A folding is an associative function. Those that need order are not commutative, so that a value that is folded in at
// the wrong place shows.
type folding[T any] struct {
	name string
	// f may change and give back its first argument, as the engine allows it; pure is f without that.
	f, pure func(a, b T) T
	// inverse takes the first argument's beginning away from it; nil where that cannot be done.
	inverse func(total, left T) T
	ordered bool
}

func first[T any](a, _ T) T { return a }

func last[T any](_, b T) T { return b }

// foldings are the functions for a kind of elements.
func foldings[T any]() []folding[T] {
	out := []folding[T]{
		{name: "first", f: first[T], pure: first[T], ordered: true},
		{name: "last", f: last[T], pure: last[T], ordered: true},
		{name: "largest", f: largest[T], pure: largest[T]},
	}
	var special any
	switch any(*new(T)).(type) {
	case int:
		special = []folding[int]{
			{name: "sum", f: sum, pure: sum, inverse: func(total, left int) int { return total - left }},
			{name: "compose", f: compose, pure: compose, inverse: uncompose, ordered: true},
		}
	case string:
		special = []folding[string]{{name: "concat", f: concat, pure: concat, ordered: true}}
	case []int:
		special = append(appending[int](), inPlace(sum))
	case []string:
		special = append(appending[string](), inPlace(concat))
	}
	if special != nil {
		out = append(special.([]folding[T]), out...)
	}
	return out
}

func sum(a, b int) int { return a + b }

// largest compares texts, which all kinds have.
func largest[T any](a, b T) T {
	if text(a) < text(b) {
		return b
	}
	return a
}

// concat joins texts and keeps the ends of long ones: it stays associative, for a text that was cut is long enough to
// be cut again at the same places.
func concat(a, b string) string {
	const end = 24
	if s := a + b; len(s) <= 2*end {
		return s
	}
	s := a + b
	return s[:end] + "~" + s[len(s)-end:]
}

// compose takes numbers for functions x -> p*x + q on 32 bits, p being odd, and gives the number of one after the
// other: associative, not commutative, and nothing of either gets lost.
func compose(a, b int) int {
	p, q := affine(a)
	r, s := affine(b)
	return affineNumber(p*r, p*s+q)
}

// uncompose gives the x for which compose(left, x) is total.
func uncompose(total, left int) int {
	p, q := affine(total)
	r, s := affine(left)
	inverse := r // By Newton's method: each step doubles the bits that are right, of which an odd number has three.
	for range 4 {
		inverse *= 2 - r*inverse
	}
	return affineNumber(inverse*p, inverse*(q-s))
}

func affine(n int) (p, q uint32) { return uint32(n>>32)<<1 | 1, uint32(n) }

func affineNumber(p, q uint32) int { return int(p>>1)<<32 | int(q) }

// appending folds lists. It writes behind its first argument, where another reader of the same memory would see it.
func appending[V any]() []folding[[]V] {
	const most = 12
	cut := func(vs []V) []V {
		if len(vs) > most {
			vs = append(vs[:most/2], vs[len(vs)-most/2:]...)
		}
		return vs
	}
	return []folding[[]V]{{name: "append", ordered: true,
		f:    func(a, b []V) []V { return cut(append(a, b...)) },
		pure: func(a, b []V) []V { return cut(slices.Concat(a, b)) },
	}}
}

// inPlace folds lists element by element, and writes the result into the first one: where that is not the fold's own,
// whoever reads it again finds what another attempt, or another window, made of it.
func inPlace[V any](f func(a, b V) V) folding[[]V] {
	into := func(a, b []V) []V {
		n := min(len(a), len(b))
		for i := range n {
			a[i] = f(a[i], b[i])
		}
		return append(a, b[n:]...)
	}
	return folding[[]V]{name: "in place", ordered: true, f: into,
		pure: func(a, b []V) []V { return into(slices.Clone(a), b) }}
}
