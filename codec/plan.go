package codec

import (
	"reflect"
	"sync"
)

// An op says how one step's memory is written. Integers of Go's own width take the op of their size.
type op uint8

const (
	opBool op = iota
	opInt8
	opInt16
	opInt32
	opInt64
	opUint8
	opUint16
	opUint32
	opUint64
	opFloat32
	opFloat64
	opString
	opBytes     // a slice whose elements are bytes of any name
	opByteArray // an array whose elements are bytes of any name
	opComplex64
	opComplex128
	opKeyFloat32 // the floats of keys: -0 is written as +0, and NaN is an error
	opKeyFloat64
	opKeyComplex64
	opKeyComplex128
	opArray
	opSlice
	opMap
	opPointer
	opTime
	opAddr
	opAddrPort
	opPrefix
	opForeign // a type with a codec of its own
	opProto   // a pointer to a protobuf message
)

// opNames are the words of schemas; opMins the fewest bytes that an op writes. The entries of ops
// with elements are completed where the step is made.
var (
	opNames = [...]string{
		opBool: "bool", opInt8: "int8", opInt16: "int16", opInt32: "int32", opInt64: "int64",
		opUint8: "uint8", opUint16: "uint16", opUint32: "uint32", opUint64: "uint64",
		opFloat32: "float32", opFloat64: "float64", opString: "string", opBytes: "bytes", opByteArray: "bytes",
		opComplex64: "complex64", opComplex128: "complex128",
		opKeyFloat32: "float32", opKeyFloat64: "float64",
		opKeyComplex64: "complex64", opKeyComplex128: "complex128",
		opArray: "array", opSlice: "slice", opMap: "map", opPointer: "pointer", opTime: "time",
		opAddr: "addr", opAddrPort: "addrport", opPrefix: "prefix", opForeign: "own", opProto: "proto",
	}
	opMins = [...]int{
		opBool: 1, opInt8: 1, opInt16: 1, opInt32: 1, opInt64: 1,
		opUint8: 1, opUint16: 1, opUint32: 1, opUint64: 1,
		opFloat32: 4, opFloat64: 8, opString: 1, opBytes: 1, opByteArray: 0,
		opComplex64: 8, opComplex128: 16,
		opKeyFloat32: 4, opKeyFloat64: 8, opKeyComplex64: 8, opKeyComplex128: 16,
		opArray: 0, opSlice: 1, opMap: 1, opPointer: 1, opTime: 3,
		opAddr: 1, opAddrPort: 1, opPrefix: 1, opForeign: 1, opProto: 1,
	}
)

// A step writes one thing that lies at a fixed offset in a value.
type step struct {
	op    op
	off   uintptr
	n     int          // elements of an array
	min   int          // fewest bytes it writes
	after int          // fewest bytes of the steps behind it in its plan
	elem  *plan        // of an array, slice or pointer; the value of a map
	key   *plan        // of a map
	typ   reflect.Type // of a scalar, slice, map, own codec or *message; what a pointer points to
	own   *foreign     // of opForeign
	name  string       // path of fields from the value, such as "Order.Price"; empty for the value
}

// A plan is how values of one type are handled: structs within it are flattened, so that the common
// record is one loop over a few steps. A plan is immutable once its compiler has returned it.
type plan struct {
	typ     reflect.Type
	steps   []step  // in the order of the bytes; steps that write nothing are left out
	owned   []step  // those that hold memory elsewhere: what cloning and sizing have to visit
	size    uintptr // of the value itself
	min     int     // fewest bytes a value takes: what bounds the allocations of a decoder
	flat    bool    // the value's memory holds no pointers at all
	foreign bool    // methods of users' types will see the value's memory; set on roots only
	making  bool    // its compiler is at work on it: it is recursive, so it will write at least a byte
}

// maxDepth bounds how deep pointers, slices and maps may lie within each other. It is met only by
// recursive types, and its sole purpose is that a value that contains itself, or bytes that say so,
// end in an error rather than in a full stack. At this depth the stack is a few megabytes.
const maxDepth = 10_000

// minLimit bounds the sum of minima, which would overflow for arrays of very many empty elements.
const minLimit = 1 << 30

// push adds a step for t at w.
func (p *plan) push(s step, w place) {
	s.off, s.name = w.off, w.name
	// Arrays come with their minimum. What writes nothing, such as a struct{} or a [0]int, is dropped,
	// so that a plan without steps is one without bytes.
	if s.op != opArray && s.op != opByteArray {
		s.min = opMins[s.op]
	}
	if s.min == 0 {
		return
	}
	for i := range p.steps {
		p.steps[i].after = min(p.steps[i].after+s.min, minLimit)
	}
	p.steps = append(p.steps, s)
	p.min = min(p.min+s.min, minLimit)
	// What is behind a pointer decides what a clone has to copy. The zone of a time or an address is
	// shared for ever, and a type with a codec of its own may turn out to hold no pointers.
	switch s.op {
	case opString, opBytes, opSlice, opMap, opPointer, opProto:
		p.owned = append(p.owned, s)
	case opArray:
		if len(s.elem.owned) > 0 || s.elem.making {
			p.owned = append(p.owned, s)
		}
	case opForeign:
		if !flat(s.typ) {
			p.owned = append(p.owned, s)
		}
	}
}

func (p *plan) immutable() bool {
	for i := range p.owned {
		switch s := &p.owned[i]; {
		case s.op == opString, s.op == opArray && s.elem.immutable():
		default:
			return false
		}
	}
	return true
}

// flat says whether values of type t hold no pointers, hidden and blank fields included.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() == 0 || flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return t.Kind() <= reflect.Complex128
	}
}

// plans keeps every plan ever made, by planID. Types are as many as the program's source has, so it
// is bounded. Two goroutines may compile the same type at once; one plan wins, and both are equal.
var plans sync.Map

type planID struct {
	typ   reflect.Type
	asKey bool
}

// planFor gives the plan of t, as a value or as a key.
func planFor(t reflect.Type, asKey bool) (*plan, error) {
	id := planID{t, asKey}
	if p, ok := plans.Load(id); ok {
		return p.(*plan), nil
	}
	c := compiler{root: id, memo: make(map[planID]*plan)}
	p, err := c.plan(t, place{path: t.String(), key: asKey})
	if err != nil {
		return nil, err
	}
	p.foreign = c.foreign
	kept, _ := plans.LoadOrStore(id, p)
	return kept.(*plan), nil
}
