package recordbatch

import "encoding/binary"

// A Span is what lies whole at the start of a record set.
type Span struct {
	// Begin is the first offset, or -1 if the headers do not tell: a message of format 0 or 1 that is compressed names
	// the last one inside of it.
	Begin int64
	// End is the offset after the last whole entry, where the next fetch begins, or -1 if there is none.
	End int64
	// Size is how many bytes the whole entries take.
	Size int
}

// Whole measures a record set by the headers of its entries, without a look at what they hold: for every set that an
// Iterator reads to its end, End is where the Iterator goes on.
func Whole(set []byte) Span {
	s := Span{Begin: -1, End: -1}
	for b := set; len(b) > offsetMagic; b = set[s.Size:] {
		n := prefixSize + int64(int32(binary.BigEndian.Uint32(b[offsetLength:])))
		if n <= offsetMagic || n > int64(len(b)) {
			break
		}
		last := int64(binary.BigEndian.Uint64(b)) // of a message or a wrapper: its last offset
		if b[offsetMagic] >= 2 && n >= headerSize {
			if s.Size == 0 {
				s.Begin = last
			}
			last += int64(int32(binary.BigEndian.Uint32(b[offsetLastDelta:])))
		}
		s.End = max(s.End, last+1)
		s.Size += int(n)
	}
	return s
}
