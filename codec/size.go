package codec

// sizeBudget bounds the pointers that sizing one value follows. Only recursive values reach it, and
// it ends the sizing of one that contains itself; what is beyond it is not counted.
const sizeBudget = 1 << 20

// heapOf estimates the bytes that the value at a holds elsewhere. Memory that several values share is
// counted for each. Time zones, which programs have few of, are not counted.
func heapOf(a address, p *plan, budget *int) int {
	total := 0
	for i := range p.owned {
		s := &p.owned[i]
		f := a.add(s.off)
		switch s.op {
		case opString:
			total += words(len(*at[string](f)))
		case opBytes:
			total += words(cap(*at[[]byte](f)))
		case opArray:
			total += heapOfMany(f, s.n, s.elem, budget)
		case opProto:
			total += sizeProto(f, s)
		case opForeign:
			// A value that its method refuses is an error where it is encoded.
			b, _ := appendForeign(nil, f, s)
			total += len(b)
		default:
			if *budget--; *budget < 0 {
				return total
			}
			total += heapOfOther(f, s, budget)
		}
	}
	return total
}

// heapOfOther does what can lie deep for heapOf.
func heapOfOther(a address, s *step, budget *int) int {
	switch s.op {
	case opSlice:
		v := *at[slice](a)
		return words(v.cap*int(s.elem.size)) + heapOfMany(v.data, v.len, s.elem, budget)
	case opMap:
		return mapHeap(a, s, budget)
	}
	p := a.word() // opPointer
	if p == (address{}) {
		return 0
	}
	return words(int(s.elem.size)) + heapOf(p, s.elem, budget)
}

// heapOfMany sums over n values.
func heapOfMany(a address, n int, elem *plan, budget *int) int {
	if len(elem.owned) == 0 {
		return 0
	}
	total := 0
	for i := range n {
		total += heapOf(a.add(uintptr(i)*elem.size), elem, budget)
	}
	return total
}

// words rounds n up to what the allocator gives out at least.
func words(n int) int { return (n + 7) &^ 7 }
