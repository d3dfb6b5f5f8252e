package codec

import "reflect"

// Version is the version of the bytes, hashes and deals of this package: docs/FORMAT.md, section 1.
// What holds encoded values for longer than a process names it, and is refused when it is unknown.
const Version = 1

// A Codec encodes, decodes, clones and measures values of type T. Make one with [For]; it is
// immutable, and any number of goroutines may use it. docs/FORMAT.md, "Values", fixes the bytes.
type Codec[T any] struct{ plan *plan }

// For gives the codec of T. Its plan is compiled once per process. The error is a [*TypeError] that
// names the type, the path to what cannot be encoded, and the remedy.
func For[T any]() (*Codec[T], error) {
	p, err := planFor(reflect.TypeFor[T](), false)
	if err != nil {
		return nil, err
	}
	return &Codec[T]{p}, nil
}

// Append writes *v behind dst and gives the longer slice, as append does. Equal values have equal
// bytes, maps included, whatever the order in which they were filled, as far as T's own methods keep to
// that. On an error dst comes back as it was; the errors are those of T's own methods, a map with a NaN among
// its keys, and a value that
// contains itself. It allocates only what dst lacks, but for maps and types with methods of their own.
// v must not be nil, and is neither kept nor made to escape.
func (c *Codec[T]) Append(dst []byte, v *T) ([]byte, error) {
	var heap address
	if c.plan.foreign {
		heap = onHeap(v)
	}
	return c.plan.append(dst, addressOf(v), heap)
}

// Decode reads one value from the front of src and gives the bytes behind it. The value shares no
// memory with src. Bytes that Append did not write are an error with [ErrCorrupt] in its chain, and
// never a panic; nothing is allocated for elements that src is too short to hold.
func (c *Codec[T]) Decode(src []byte) (v T, rest []byte, err error) { return c.decode(src, false) }

// DecodeAlias is Decode without copies: strings and byte slices of v may share src's memory, which
// must never be written to again, and which lives as long as any of them.
func (c *Codec[T]) DecodeAlias(src []byte) (v T, rest []byte, err error) { return c.decode(src, true) }

func (c *Codec[T]) decode(src []byte, alias bool) (v T, rest []byte, err error) {
	if c.plan.foreign {
		heap := onHeap(&v)
		rest, err = c.plan.decode(src, heap, heap, alias)
		v = *at[T](heap)
	} else {
		rest, err = c.plan.decode(src, addressOf(&v), address{}, alias)
	}
	if err != nil {
		var zero T
		v = zero
	}
	return v, rest, err
}

// decode is what of a codec's decode does not depend on its type, for the compiler makes the other for each. The same
// holds for append, heap and own.
func (p *plan) decode(src []byte, to, heap address, alias bool) ([]byte, error) {
	rest, err := decodeSteps(src, to, heap, p, limits{left: maxDepth, alias: alias})
	if err != nil {
		return src, decodeError(p, src, rest, err)
	}
	return rest, nil
}

func (p *plan) append(dst []byte, v, heap address) ([]byte, error) {
	out, err := appendSteps(dst, v, heap, p, maxDepth)
	if err != nil {
		return dst, encodeError(p, err)
	}
	return out, nil
}

func (p *plan) heap(v, heap address) int {
	g := gauge{visits: sizeVisits, left: maxDepth}
	return int(p.size) + heapOf(v, heap, p, &g)
}

func (p *plan) own(v, heap address) error {
	if err := ownSteps(v, heap, p, maxDepth); err != nil {
		return encodeError(p, err)
	}
	return nil
}

// Size estimates the bytes of memory that *v takes: itself and all it points to. What it shares with
// other values, such as a fetch buffer behind its strings, is counted as if it were its own.
func (c *Codec[T]) Size(v *T) int {
	if len(c.plan.owned) == 0 {
		return int(c.plan.size)
	}
	var heap address
	if c.plan.foreign {
		heap = onHeap(v)
	}
	return c.plan.heap(addressOf(v), heap)
}

// Clone gives a copy of v that shares no memory with it: strings and byte slices that lie in a fetch
// buffer no longer do. Its errors are those of Append.
func (c *Codec[T]) Clone(v T) (T, error) {
	if len(c.plan.owned) == 0 {
		return v, nil
	}
	var err error
	if c.plan.foreign {
		heap := onHeap(&v)
		err = c.plan.own(heap, heap)
		v = *at[T](heap)
	} else {
		err = c.plan.own(addressOf(&v), address{})
	}
	if err != nil {
		var zero T
		v = zero
	}
	return v, err
}

// PointerFree says whether a T is all in one piece of memory without pointers, so that a table of
// them costs the garbage collector nothing, and a copy is a clone.
func (c *Codec[T]) PointerFree() bool { return c.plan.flat }

// Immutable says whether nobody can change a T that was assigned to another variable: all that it points to are
// strings, zones and the like.
func (c *Codec[T]) Immutable() bool { return c.plan.immutable() }

// RoundTrip encodes v and gives what is decoded from the bytes, as if v had been sent to another
// process. The bytes are overwritten then, so that a value that still refers to them shows itself.
func (c *Codec[T]) RoundTrip(v T) (T, error) {
	b, err := c.Append(nil, &v)
	if err != nil {
		return v, err
	}
	out, rest, err := c.Decode(b)
	if err == nil && len(rest) > 0 {
		err = decodeError(c.plan, b, rest, errTrailing)
	}
	for i := range b {
		b[i] = poison
	}
	return out, err
}

// poison is what RoundTrip leaves in its buffer: no text, and no small number.
const poison = 0xDB

// Schema describes T's bytes in one line: two types with one schema are written alike. Who keeps bytes
// for longer than a process keeps the schema beside them, and compares it before decoding.
func (c *Codec[T]) Schema() string { return schemaOf(c.plan) }
