package codec

// A gauge bounds the sizing of one value. Only recursive values reach its ends, of which one is that a
// value contains itself; what is beyond is not counted.
type gauge struct {
	visits int // pointers, slices and maps that may still be followed
	left   int // levels of them that may still follow
}

// sizeVisits is large enough for any record that fits a budget.
const sizeVisits = 1 << 20

// enter counts a visit and a level, and says whether to go on. leave is its counterpart.
func (g *gauge) enter() bool {
	if g.left == 0 {
		g.visits = 0 // such a value cannot be encoded: stop everywhere
	}
	g.visits--
	g.left--
	return g.visits >= 0
}

func (g *gauge) leave() { g.left++ }

// heapOf estimates the bytes that the value at a (and heap, if foreign code will see it) holds
// elsewhere. Memory that several values share is
// counted for each. Time zones, which programs have few of, are not counted.
func heapOf(a, heap address, p *plan, g *gauge) int {
	total := 0
	steps := p.owned
	for i := range steps {
		s := &steps[i]
		f := a.add(s.off)
		switch s.op {
		case opString:
			total += words(len(*at[string](f)))
		case opBytes:
			total += words(cap(*at[[]byte](f)))
		case opArray:
			total += heapOfMany(f, heap.addHeap(s.off), s.n, s.elem, g)
		case opProto:
			total += sizeProto(f, s)
		case opForeign:
			// A value that its method refuses is an error where it is encoded.
			b, _ := appendForeign(nil, heap.addHeap(s.off), s)
			total += len(b)
		default:
			if g.enter() {
				total += heapOfOther(f, s, g)
			}
			g.leave()
		}
	}
	return total
}

// heapOfOther does what can lie deep for heapOf.
func heapOfOther(a address, s *step, g *gauge) int {
	switch s.op {
	case opSlice:
		v := *at[slice](a)
		return words(v.cap*int(s.elem.size)) + heapOfMany(v.data, v.data, v.len, s.elem, g)
	case opMap:
		return mapHeap(a, s, g)
	}
	p := a.word() // opPointer
	if p == (address{}) {
		return 0
	}
	return words(int(s.elem.size)) + heapOf(p, p, s.elem, g)
}

// heapOfMany sums over n values.
func heapOfMany(a, heap address, n int, elem *plan, g *gauge) int {
	if len(elem.owned) == 0 {
		return 0
	}
	total := 0
	for i := range n {
		off := uintptr(i) * elem.size
		total += heapOf(a.add(off), heap.addHeap(off), elem, g)
	}
	return total
}

// words rounds n up to what the allocator gives out at least.
func words(n int) int { return (n + 7) &^ 7 }
