package shuffle

const (
	strideLog = 16
	// stride is what one place in the list of chunks stands for. It is small enough that a table of
	// a hundred keys is cheap and that a few keys kept by a user do not keep much else alive.
	stride = 1 << strideLog
	// chunkMin is the size of the first chunk; chunks double up to stride.
	chunkMin = 1 << 10
	// loneMin is the length from which a string gets a chunk of its own, so that it wastes no other's end.
	loneMin = stride / 4
	// alignLog: positions count units of eight bytes, so that 32 bits reach 32 GiB.
	alignLog = 3
	// placeLog splits a position into a place and the units within it.
	placeLog = strideLog - alignLog
	// placesMax is how many strides the positions of 32 bits can name.
	placesMax = 1 << (32 - placeLog)
)

// An Arena keeps copies of strings in large chunks: one allocation for thousands of strings, and nothing in them
// for the garbage collector to scan. Strings it gave stay valid for ever; they keep their chunk alive.
// The zero Arena is ready for use.
type Arena struct {
	chunks [][]byte // place i begins at position i*stride; a lone long string takes several places
	open   []byte   // the chunk being filled, by its length
	place  int      // of the open chunk
	bytes  int64
}

// Copy returns a copy of s that lies in the arena.
func (a *Arena) Copy(s string) string {
	if pos, ok := a.put(s); ok {
		return a.at(pos, len(s))
	}
	// The positions are used up, which matters only to a table: chunks themselves can go on.
	return string(append([]byte(nil), s...))
}

// Bytes returns the memory held by the arena.
func (a *Arena) Bytes() int64 { return a.bytes }

// put copies s and returns its position; it refuses when positions are used up.
func (a *Arena) put(s string) (pos uint32, ok bool) {
	switch {
	case len(s) == 0:
		return 0, true
	case len(s) >= loneMin:
		return a.putLone(s)
	}
	n := len(a.open)
	if n+len(s) > cap(a.open) {
		if !a.grow(len(s)) {
			return 0, false
		}
		n = 0
	}
	end := (n + len(s) + 1<<alignLog - 1) >> alignLog << alignLog
	a.open = a.open[:min(end, cap(a.open))]
	copy(a.open[n:], s)
	return uint32(a.place)<<placeLog + uint32(n>>alignLog), true
}

// grow opens a chunk that has room for n bytes, n < loneMin.
func (a *Arena) grow(n int) bool {
	if len(a.chunks) >= placesMax {
		return false
	}
	size := min(max(2*cap(a.open), chunkMin), stride)
	for size < n {
		size *= 2
	}
	a.place = len(a.chunks)
	a.open = make([]byte, 0, size)
	a.chunks = append(a.chunks, a.open[:size])
	a.bytes += int64(size)
	return true
}

// putLone gives s a chunk of its own and leaves the open one open.
func (a *Arena) putLone(s string) (pos uint32, ok bool) {
	places := (len(s) + stride - 1) / stride
	if len(a.chunks)+places > placesMax {
		return 0, false
	}
	pos = uint32(len(a.chunks)) << placeLog
	a.chunks = append(a.chunks, append([]byte(nil), s...))
	for range places - 1 {
		a.chunks = append(a.chunks, nil)
	}
	a.bytes += int64(len(s))
	return pos, true
}

// at returns the string of n bytes that was put at pos.
func (a *Arena) at(pos uint32, n int) string {
	if n == 0 {
		return "" // the arena may have no chunk yet
	}
	chunk := a.chunks[pos>>placeLog]
	off := int(pos<<alignLog) % stride
	return bytesText(chunk[off : off+n])
}
