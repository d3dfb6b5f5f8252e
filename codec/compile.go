package codec

import (
	"fmt"
	"net/netip"
	"reflect"
	"time"
)

// A Fielder is a struct that consists of its fields and of nothing else, so that all of them,
// unexported ones too, may be read and written by the plan. Declaring the method is the whole
// contract; it is never called, and costs nothing per record:
//
//	func (Optional[T]) CodecFields() {}
//
// A decoder can give such a struct any combination of values of its fields. A method that is merely
// promoted from an embedded field does not count.
type Fielder interface{ CodecFields() }

var (
	timeType     = reflect.TypeFor[time.Time]()
	addrType     = reflect.TypeFor[netip.Addr]()
	addrPortType = reflect.TypeFor[netip.AddrPort]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	fielderType  = reflect.TypeFor[Fielder]()
)

// A compiler makes the plan of one root type. memo holds plans that may still be in the making, which
// is how a recursive type comes to refer to its own plan.
type compiler struct {
	root    planID
	memo    map[planID]*plan
	foreign bool
}

// A place is where the compiler is: the offset and the name that a step will have, and the path from
// the root for errors.
type place struct {
	off        uintptr
	name, path string
	key        bool
}

// field is the place of a struct's field.
func (w place) field(f *reflect.StructField) place {
	name := f.Name
	if w.name != "" {
		name = w.name + "." + name
	}
	return place{w.off + f.Offset, name, w.path + "." + f.Name, w.key}
}

// inner is the place of what lies elsewhere: it begins at offset 0 and has no name.
func (w place) inner(suffix string) place { return place{path: w.path + suffix, key: w.key} }

// plan makes the plan of t, which lies in memory of its own.
func (c *compiler) plan(t reflect.Type, w place) (*plan, error) {
	id := planID{t, w.key}
	if p, ok := c.memo[id]; ok {
		return p, nil
	}
	p := &plan{typ: t, size: t.Size(), flat: flat(t), making: true}
	c.memo[id] = p
	err := c.add(p, t, w)
	p.making = false
	return p, err
}

// add appends to p the steps that write a t at w.
func (c *compiler) add(p *plan, t reflect.Type, w place) error {
	if o, ok := knownOp(t); ok {
		if o == opTime && w.key {
			return c.refuse(w, "is a time.Time, whose == compares zones and clock readings as well as instants",
				"use t.UnixNano() or t.UTC().Format(...) as the key")
		}
		p.push(step{op: o}, w)
		return nil
	}
	if !w.key && c.addForeign(p, t, w) {
		return nil
	}
	if o, ok := scalarOp(t, w.key); ok {
		p.push(step{op: o, typ: t}, w)
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return c.addStruct(p, t, w)
	case reflect.Array:
		return c.addArray(p, t, w)
	}
	if w.key {
		return c.refuse(w, fmt.Sprintf("is of type %s, whose == compares identities or fails at run time", t),
			"use a key of numbers, strings, arrays and structs of them")
	}
	switch t.Kind() {
	case reflect.Slice:
		return c.addSlice(p, t, w)
	case reflect.Map:
		return c.addMap(p, t, w)
	case reflect.Pointer:
		return c.addPointer(p, t, w)
	case reflect.Interface:
		return c.refuse(w, fmt.Sprintf("is of interface type %s, which does not say what to decode", t),
			"use a concrete type, or a struct with a pointer field for each case")
	default: // a function, a channel or an unsafe.Pointer
		return c.refuse(w, fmt.Sprintf("is of type %s, which means nothing in another process", t),
			"leave it out of the record, or map to a type without it first")
	}
}

// knownOp is the op of the standard library's types that are written in a way of our own, because
// their methods would allocate, and because netip's can be keys.
func knownOp(t reflect.Type) (op, bool) {
	switch t {
	case timeType:
		return opTime, true
	case addrType:
		return opAddr, true
	case addrPortType:
		return opAddrPort, true
	case prefixType:
		return opPrefix, true
	}
	return 0, false
}

// scalarOp is the op of bools, numbers and strings of any name. It goes by size for int, uint and
// uintptr, which are as wide as the machine's words: their bytes do not depend on that, but a value
// that needs 64 bits is refused where it has only 32.
func scalarOp(t reflect.Type, key bool) (op, bool) {
	bySize := map[uintptr]op{1: opInt8, 2: opInt16, 4: opInt32, 8: opInt64}
	var o op
	switch k := t.Kind(); {
	case k == reflect.Bool:
		o = opBool
	case reflect.Int <= k && k <= reflect.Int64:
		o = bySize[t.Size()]
	case reflect.Uint <= k && k <= reflect.Uintptr:
		o = bySize[t.Size()] - opInt8 + opUint8
	case k == reflect.Float32:
		o = opFloat32
	case k == reflect.Float64:
		o = opFloat64
	case k == reflect.Complex64:
		o = opComplex64
	case k == reflect.Complex128:
		o = opComplex128
	case k == reflect.String:
		o = opString
	default:
		return 0, false
	}
	if key {
		o = keyOp(o)
	}
	return o, true
}

// keyOp is what o is in keys.
func keyOp(o op) op {
	switch o {
	case opFloat32:
		return opKeyFloat32
	case opFloat64:
		return opKeyFloat64
	case opComplex64:
		return opKeyComplex64
	case opComplex128:
		return opKeyComplex128
	}
	return o
}

// addStruct flattens a struct into p: a struct within a struct costs nothing at run time. Blank fields
// are no part of a value: == ignores them, and no program can set them.
func (c *compiler) addStruct(p *plan, t reflect.Type, w place) error {
	open := declares(t, fielderType)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		if !f.IsExported() && !open && !embedsStruct(&f) {
			return c.refuseField(t, &f, w)
		}
		if err := c.add(p, f.Type, w.field(&f)); err != nil {
			return err
		}
	}
	return nil
}

// embedsStruct says whether f is an embedded struct whose type is unexported. Its exported fields are
// the outer struct's own, and its others are refused when they are reached.
func embedsStruct(f *reflect.StructField) bool {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return f.Anonymous && t.Kind() == reflect.Struct
}

// addArray adds an array, whose elements follow each other without a length.
func (c *compiler) addArray(p *plan, t reflect.Type, w place) error {
	if t.Elem().Kind() == reflect.Uint8 {
		p.push(step{op: opByteArray, n: t.Len(), min: min(t.Len(), minLimit)}, w)
		return nil
	}
	elem, err := c.plan(t.Elem(), w.inner("[]"))
	if err != nil {
		return err
	}
	// An element whose plan is still in the making contains itself, by way of a pointer, slice or map,
	// each of which writes at least a byte.
	each := elem.min
	if elem.making {
		each = 1
	}
	least := 0
	if each > 0 {
		least = min(t.Len(), minLimit/each) * each
	}
	p.push(step{op: opArray, n: t.Len(), min: least, elem: elem}, w)
	return nil
}

// addSlice adds a slice. An element that takes memory but no bytes is refused: no input could justify
// what a length would make the decoder allocate.
func (c *compiler) addSlice(p *plan, t reflect.Type, w place) error {
	if t.Elem().Kind() == reflect.Uint8 {
		p.push(step{op: opBytes, typ: t}, w)
		return nil
	}
	elem, err := c.plan(t.Elem(), w.inner("[]"))
	if err != nil {
		return err
	}
	if !elem.making && elem.min == 0 && elem.size > 0 {
		return c.refuse(w, fmt.Sprintf("has elements of type %s, which consist of blank fields", t.Elem()),
			"count the elements in an integer instead")
	}
	p.push(step{op: opSlice, typ: t, elem: elem}, w)
	return nil
}

// addMap adds a map. Its keys obey the rules of keys: only so do equal maps have equal bytes.
func (c *compiler) addMap(p *plan, t reflect.Type, w place) error {
	// That the map is part of a value does not matter to its keys, nor that they are keys to its values.
	at := w.inner("[key]")
	at.key = true
	key, err := c.plan(t.Key(), at)
	if err != nil {
		return err
	}
	elem, err := c.plan(t.Elem(), w.inner("[]"))
	if err != nil {
		return err
	}
	p.push(step{op: opMap, typ: t, key: key, elem: elem}, w)
	return nil
}

// addPointer adds a pointer: to a protobuf message, or to anything else that can be encoded.
func (c *compiler) addPointer(p *plan, t reflect.Type, w place) error {
	if t.Implements(messageType) {
		p.push(step{op: opProto, typ: t}, w)
		return nil
	}
	elem, err := c.plan(t.Elem(), w.inner(""))
	if err != nil {
		return err
	}
	p.push(step{op: opPointer, typ: t.Elem(), elem: elem}, w)
	return nil
}

// refuse makes the error for what lies at w.
func (c *compiler) refuse(w place, reason, remedy string) error {
	return &TypeError{Type: c.root.typ, Key: c.root.asKey, Path: w.path, Reason: reason, Remedy: remedy}
}

// refuseField makes the error for an unexported field.
func (c *compiler) refuseField(t reflect.Type, f *reflect.StructField, w place) error {
	reason := fmt.Sprintf("(%s) has the unexported field %s, which would be lost", t, f.Name)
	if w.key {
		return c.refuse(w, reason, "export it, or declare the method CodecFields() on the type if it is "+
			"nothing but its fields, or use a string or an array as the key")
	}
	if reflect.PointerTo(t).Implements(messageType) {
		return c.refuse(w, fmt.Sprintf("is the protobuf message %s, which must not be copied", t), "use *"+t.String())
	}
	if from := promoter(t); from != "" {
		reason += fmt.Sprintf(", and its binary methods may be those of the embedded %s", from)
		return c.refuse(w, reason, "give the embedded field a name, or export "+f.Name)
	}
	return c.refuse(w, reason, "export it, or give the type the methods MarshalBinary and UnmarshalBinary, "+
		"or declare the method CodecFields() on it if it is nothing but its fields")
}
