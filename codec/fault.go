package codec

import (
	"errors"
	"fmt"
)

// ErrCorrupt is in the chain of every error of a decoder: the bytes are damaged, or were written by
// another type, or by another release's format.
var ErrCorrupt = errors.New("bytes are damaged or of another type")

// ErrNaN is in the chain of the error for a key that is or holds a floating-point NaN. Such a key is
// not equal to itself, so that no grouping of it is right.
var ErrNaN = errors.New("NaN cannot be a key, for it is not equal to itself: filter such records out " +
	"or map it to another value")

var (
	errShort    = errors.New("the bytes end too early")
	errVarint   = errors.New("an integer is not in its shortest form or exceeds 64 bits")
	errRange    = errors.New("an integer does not fit its type")
	errBool     = errors.New("a bool is neither 0 nor 1")
	errFlag     = errors.New("a pointer's flag is neither 0 nor 1")
	errZero     = errors.New("a key holds -0, which is written as +0")
	errOrder    = errors.New("the keys of a map are not in ascending order of their bytes")
	errTime     = errors.New("a time has more than 999,999,999 nanoseconds")
	errAddr     = errors.New("a network address is not in its own form")
	errTrailing = errors.New("bytes are left over")
	errDepth    = fmt.Errorf("pointers, slices and maps lie more than %d deep within each other: "+
		"the value may contain itself", maxDepth)
)

// A fault is an error at a field. It is built from the inside out on the way back.
type fault struct {
	path  string
	parts int
	err   error
}

func (f *fault) Error() string { return "field " + f.path + ": " + f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// pathMax bounds the steps of a path, for a value may be 10,000 levels deep.
const pathMax = 16

// within adds name, which may be empty, before the path of err.
func within(err error, name string) error {
	if name == "" {
		return err
	}
	f, ok := err.(*fault) // and not one that a user's method wrapped in an error of its own
	if !ok {
		return &fault{path: name, parts: 1, err: err}
	}
	switch f.parts++; {
	case f.parts < pathMax:
		f.path = name + "." + f.path
	case f.parts == pathMax:
		f.path = "..." + f.path
	}
	return f
}

// encodeError completes an error of encoding or cloning.
func encodeError(p *plan, err error) error {
	return fmt.Errorf("codec: cannot encode a %s: %w", p.typ, err)
}

// decodeError completes an error of decoding src, of which rest was not read.
func decodeError(p *plan, src, rest []byte, err error) error {
	return fmt.Errorf("codec: cannot decode a %s: at byte %d of %d: %w: %w",
		p.typ, len(src)-len(rest), len(src), err, ErrCorrupt)
}
