package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// check states what holds for every value of type T, and is run on random ones.
func check[T any](t *testing.T) {
	t.Helper()
	name := reflect.TypeFor[T]().String()
	t.Run(name, func(t *testing.T) {
		c, err := For[T]()
		if err != nil {
			t.Fatal(err)
		}
		r := newRand(t)
		for range 100 {
			var v T
			fill(r, reflect.ValueOf(&v).Elem(), 4)
			checkRoundTrip(t, c, v)
			checkJSON(t, c, v)
			checkClone(t, c, v)
			checkDamage(t, c, r, v)
		}
	})
}

// checkRoundTrip: what is decoded is the value, and has the same bytes again; what follows is left
// alone; no beginning of the bytes is a value.
func checkRoundTrip[T any](t *testing.T, c *Codec[T], v T) {
	b, err := c.Append([]byte("before"), &v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("before")) {
		t.Fatalf("Append changed what was there: %q", b)
	}
	b = b[len("before"):]
	for _, decode := range []func([]byte) (T, []byte, error){c.Decode, c.DecodeAlias} {
		got, rest, err := decode(append(bytes.Clone(b), "after"...))
		if err != nil || string(rest) != "after" {
			t.Fatalf("decoding % x gives %v, rest %q, error %v", b, got, rest, err)
		}
		if !same(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&got).Elem()) {
			t.Fatalf("% x is decoded to\n%#v, want\n%#v", b, got, v)
		}
		again, err := c.Append(nil, &got)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("encoded again:\n% x, error %v, want\n% x", again, err, b)
		}
	}
	got, err := c.RoundTrip(v)
	if err != nil || !same(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&got).Elem()) {
		t.Fatalf("RoundTrip gives\n%#v, error %v, want\n%#v", got, err, v)
	}
	for n := 0; n < len(b); n += 1 + len(b)/40 {
		if _, _, err := c.Decode(b[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("the first %d of % x are decoded, error %v", n, b, err)
		}
	}
}

// checkClone: a clone of a value that lies in a buffer survives the buffer, and shares nothing with
// the original.
func checkClone[T any](t *testing.T, c *Codec[T], v T) {
	b, err := c.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	inBuffer, _, err := c.DecodeAlias(b)
	if err != nil {
		t.Fatal(err)
	}
	clone, err := c.Clone(inBuffer)
	if err != nil {
		t.Fatal(err)
	}
	if path := shared(reflect.ValueOf(&inBuffer).Elem(), reflect.ValueOf(&clone).Elem()); path != "" {
		t.Fatalf("the clone of %#v shares %s", v, path)
	}
	for i := range b {
		b[i] = poison
	}
	if !same(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&clone).Elem()) {
		t.Fatalf("the clone is\n%#v, want\n%#v", clone, v)
	}
	if size := c.Size(&v); size < int(reflect.TypeFor[T]().Size()) {
		t.Fatalf("Size is %d, less than the value itself", size)
	}
}

// checkDamage: damaged bytes are an error, or the form of another value; never a panic.
func checkDamage[T any](t *testing.T, c *Codec[T], r *rand.Rand, v T) {
	b, err := c.Append(nil, &v)
	if err != nil || len(b) == 0 {
		return
	}
	for range 20 {
		bad := bytes.Clone(b)
		for range 1 + r.IntN(3) {
			bad[r.IntN(len(bad))] = byte(r.Uint32())
		}
		got, rest, err := c.Decode(bad)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("decoding % x: %v", bad, err)
			}
			continue
		}
		again, err := c.Append(nil, &got)
		if !c.plan.foreign && (err != nil || !bytes.Equal(again, bad[:len(bad)-len(rest)])) {
			t.Fatalf("% x is taken for %#v, whose form is % x (%v)", bad, got, again, err)
		}
	}
}

// shared gives a name for the first piece of memory that a and b have in common.
func shared(a, b reflect.Value) string {
	if _, ok := special[a.Type()]; ok {
		return "" // immutable, or behind methods
	}
	switch a.Kind() {
	case reflect.String:
		if a.Len() > 0 && &stringBytes(a.String())[0] == &stringBytes(b.String())[0] {
			return "a string"
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Type().Elem().Size() > 0 && a.Pointer() == b.Pointer() {
			return "a slice"
		}
		for i := range a.Len() {
			if s := shared(a.Index(i), b.Index(i)); s != "" {
				return s
			}
		}
	case reflect.Map:
		if !a.IsNil() && a.Pointer() == b.Pointer() {
			return "a map"
		}
	case reflect.Pointer:
		if a.IsNil() {
			return ""
		}
		if a.Pointer() == b.Pointer() && a.Type().Elem().Size() > 0 {
			return "a pointer"
		}
		return shared(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if s := shared(opened(a.Field(i)), opened(b.Field(i))); s != "" {
				return s
			}
		}
	}
	return ""
}

func TestProperties(t *testing.T) {
	check[bool](t)
	check[int](t)
	check[uint16](t)
	check[float32](t)
	check[complex64](t)
	check[complex128](t)
	check[string](t)
	check[word](t)
	check[[]byte](t)
	check[[]octet](t)
	check[[5]octet](t)
	check[uuid](t)
	check[flags](t)
	check[empty](t)
	check[blank](t)
	check[[]empty](t)
	check[[0]string](t)
	check[[3]*int](t)
	check[[][]word](t)
	check[*int](t)
	check[**string](t)
	check[map[string]int](t)
	check[map[empty]string](t)
	check[map[degree]map[point][]byte](t)
	check[map[[2]netip.Addr]word](t)
	check[time.Time](t)
	check[time.Duration](t)
	check[kinds](t)
	check[pair[string, int]](t)
	check[pair[word, []degree]](t)
	check[order](t)
	check[[]order](t)
	check[tree](t)
	check[*tree](t)
	check[nest](t)
	check[chain](t)
	check[graph](t)
	check[derived](t)
	check[maybe[order]](t)
	check[pair[string, pair[int, maybe[*int]]]](t)
	check[nets](t)
	check[secret](t)
	check[[]*secret](t)
	check[map[string]secret](t)
	check[foreigners](t)
}

// TestRandomTypes states the same for shapes that nobody thought of.
func TestRandomTypes(t *testing.T) {
	r := newRand(t)
	for range 2000 {
		typ := randomType(r, 4)
		p, err := planFor(typ, false)
		var refused *TypeError
		if errors.As(err, &refused) {
			continue // such as a slice of structs without fields that take memory
		}
		v, got := reflect.New(typ), reflect.New(typ)
		fill(r, v.Elem(), 4)
		b, err := appendSteps(nil, pointee(v), pointee(v), p, maxDepth)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		rest, err := decodeSteps(b, pointee(got), pointee(got), p, limits{left: maxDepth})
		if err != nil || len(rest) > 0 || !same(v.Elem(), got.Elem()) {
			t.Fatalf("%v: % x is decoded to\n%#v, rest %x, error %v; want\n%#v", typ, b, got, rest, err, v)
		}
		if err := ownSteps(pointee(got), pointee(got), p, maxDepth); err != nil || !same(v.Elem(), got.Elem()) {
			t.Fatalf("%v: cloned to\n%#v, error %v; want\n%#v", typ, got, err, v)
		}
		if err := throughJSON(schemaOf(p), b); err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		if len(b) < p.min {
			t.Fatalf("%v: %d bytes are less than the plan's minimum %d", typ, len(b), p.min)
		}
	}
}
