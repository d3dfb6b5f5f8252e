//lint:file-ignore U1000 the fields are there for what the types are, not to be read

package codec

import (
	"encoding/binary"
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The types of the tests: what users' records look like, and what they should not.

type (
	word   string
	degree float64
	octet  uint8
	flags  [3]bool
)

type pair[K, V any] struct {
	Key   K
	Value V
}

type point struct{ X, Y int32 }

type kinds struct {
	B    bool
	I    int
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U    uint
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	P    uintptr
	F32  float32
	F64  float64
	C64  complex64
	C128 complex128
	S    string
	W    word
	D    degree
}

type item struct {
	Name  word
	Price degree
	Count int16
}

type order struct {
	ID       uint64
	Customer *pair[string, netip.Addr]
	Items    []item
	Tags     map[word]string
	Raw      []byte
	Code     [4]octet
	Grid     [2][3]int
	At       time.Time
	Took     time.Duration
	Places   map[point][]degree
	Notes    []*string
	Flags    flags
	_        [3]int64
}

type tree struct {
	Left, Right *tree
	Name        string
	N           int
}

type nest []nest

type chain struct {
	Pair [2]*chain
	Big  [20]string
}

type graph map[string]graph

// base is embedded below, and its field is the outer struct's own.
type base struct{ Origin string }

type derived struct {
	base
	time.Time
	Extra int
}

// maybe stands for types of ours that keep their fields to themselves.
type maybe[T any] struct {
	value T
	ok    bool
}

func (maybe[T]) CodecFields() {}

// uuid has binary methods, but is written and hashed by its kind.
type uuid [16]byte

func (u uuid) MarshalBinary() ([]byte, error) { return nil, errors.New("not to be called") }
func (u *uuid) UnmarshalBinary([]byte) error  { return errors.New("not to be called") }

// secret has no exported field and a codec of its own, which refuses 13 and counts its calls.
type secret struct{ n uint64 }

var errThirteen = errors.New("thirteen")

func (s secret) AppendBinary(dst []byte) ([]byte, error) {
	if s.n == 13 {
		return nil, errThirteen
	}
	return binary.BigEndian.AppendUint64(dst, s.n), nil
}

func (s *secret) UnmarshalBinary(b []byte) error {
	s.n = binary.BigEndian.Uint64(b) // panics on short input, as careless methods do
	if s.n == 13 {
		return errThirteen
	}
	return nil
}

// set is a map with a codec of its own.
type set map[string]bool

func (s set) MarshalBinary() ([]byte, error) {
	var b []byte
	for k := range s {
		b = append(b, k...)
	}
	return b, nil
}

func (s *set) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	*s = set{string(b): true}
	return nil
}

type foreigners struct {
	Big    *big.Int
	Ratio  big.Rat
	Link   url.URL
	Links  []*url.URL
	Secret secret
	Set    set
	Stamp  *timestamppb.Timestamp
	Value  []*structpb.Value
}

type nets struct {
	Addr   netip.Addr
	Port   netip.AddrPort
	Prefix netip.Prefix
}

type empty struct{}

type blank struct{ _ [8]int64 }
