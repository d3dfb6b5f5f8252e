package codec

import (
	"encoding/binary"
	"reflect"
)

// A KeyCodec gives the canonical bytes of keys and their hash. Make one with [ForKey]; it is
// immutable, and any number of goroutines may use it. docs/FORMAT.md, "Keys", fixes the bytes.
//
// Two keys have equal bytes if and only if they are ==. In particular -0 and +0 have the same. A key
// that is or holds NaN has no bytes: [ErrNaN].
type KeyCodec[K comparable] struct {
	plan *plan
	form keyForm
	op   op // of the integer, for integerForm
}

// A keyForm says how a key is written when it is not part of anything: a string is its own bytes and
// an integer is eight, so that both can be hashed where they are.
type keyForm uint8

const (
	planForm keyForm = iota
	stringForm
	integerForm
)

// ForKey gives the codec of keys of type K: bools, numbers, strings, network addresses, and arrays
// and structs of them. Its error is a [*TypeError]: pointers, channels and interfaces compare by
// identity, or fail to; and time.Time compares more than the instant.
func ForKey[K comparable]() (*KeyCodec[K], error) {
	t := reflect.TypeFor[K]()
	p, err := planFor(t, true)
	if err != nil {
		return nil, err
	}
	k := &KeyCodec[K]{plan: p}
	switch kind := t.Kind(); {
	case kind == reflect.String:
		k.form = stringForm
	case reflect.Int <= kind && kind <= reflect.Uintptr:
		k.form, k.op = integerForm, p.steps[0].op
	}
	return k, nil
}

// Append writes the canonical bytes of key behind dst. They have no length and no end of their own:
// who stores several must delimit them. The only error is ErrNaN; dst then comes back as it was.
func (k *KeyCodec[K]) Append(dst []byte, key K) ([]byte, error) {
	a := addressOf(&key)
	switch k.form {
	case stringForm:
		dst = append(dst, *at[string](a)...)
	case integerForm:
		dst = binary.LittleEndian.AppendUint64(dst, loadInteger(a, k.op))
	default:
		out, err := appendSteps(dst, a, address{}, k.plan, maxDepth)
		if err != nil {
			return dst, encodeError(k.plan, err)
		}
		dst = out
	}
	return dst, nil
}

// Decode reads back a key from all of src, with which it shares no memory. Bytes that Append did not
// write are an error with [ErrCorrupt] in its chain.
func (k *KeyCodec[K]) Decode(src []byte) (key K, err error) {
	a := addressOf(&key)
	rest := src
	switch {
	case k.form == stringForm:
		*at[string](a) = string(src)
		rest = nil
	case k.form == integerForm && len(src) < 8:
		err = errShort
	case k.form == integerForm:
		if err = storeInteger(a, k.op, binary.LittleEndian.Uint64(src)); err == nil {
			rest = src[8:]
		}
	default:
		rest, err = decodeSteps(src, a, address{}, k.plan, limits{left: maxDepth})
	}
	if err == nil && len(rest) > 0 {
		err = errTrailing
	}
	if err != nil {
		var zero K
		return zero, decodeError(k.plan, src, rest, err)
	}
	return key, nil
}

// Hash is [Hash] of the key's canonical bytes, which for strings and integers are not even made. It
// is the same in every process and every release. The only error is ErrNaN.
func (k *KeyCodec[K]) Hash(seed uint64, key K) (uint64, error) {
	a := addressOf(&key)
	var h uint64
	var err error
	switch k.form {
	// A copy of a string's bytes, or eight bytes for an integer, would cost more than their hash.
	case stringForm:
		h = Hash(seed, stringBytes(*at[string](a)))
	case integerForm:
		h = hashInteger(seed, loadInteger(a, k.op))
	default:
		h, err = k.hashPlan(seed, a)
	}
	return h, err
}

// hashPlan hashes the bytes of the key at a.
func (k *KeyCodec[K]) hashPlan(seed uint64, a address) (uint64, error) {
	room := scratch.Get().(*[]byte)
	b, err := appendSteps((*room)[:0], a, address{}, k.plan, maxDepth)
	if err != nil {
		return 0, encodeError(k.plan, err)
	}
	h := Hash(seed, b)
	scratch.Put(room)
	return h, nil
}

// loadInteger widens the integer at a to 64 bits, with its sign if it has one.
func loadInteger(a address, o op) uint64 {
	switch o {
	case opInt8:
		return uint64(*at[int8](a))
	case opInt16:
		return uint64(*at[int16](a))
	case opInt32:
		return uint64(*at[int32](a))
	case opUint8:
		return uint64(*at[uint8](a))
	case opUint16:
		return uint64(*at[uint16](a))
	case opUint32:
		return uint64(*at[uint32](a))
	default: // opInt64, opUint64
		return *at[uint64](a)
	}
}

// storeInteger keeps what loadInteger gave, if it fits.
func storeInteger(a address, o op, x uint64) error {
	if o <= opInt64 {
		return storeInt(a, o, int64(x))
	}
	return storeUint(a, o, x)
}
