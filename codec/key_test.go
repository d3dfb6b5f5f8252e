package codec

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strconv"
	"testing"
)

// checkKeys states what keys of type K promise, on pairs of random keys that are equal often.
func checkKeys[K comparable](t *testing.T) {
	t.Helper()
	t.Run(reflect.TypeFor[K]().String(), func(t *testing.T) {
		k, err := ForKey[K]()
		if err != nil {
			t.Fatal(err)
		}
		r := newRand(t)
		for range 2000 {
			var x K
			fill(r, reflect.ValueOf(&x).Elem(), 4)
			y := x
			if r.IntN(3) == 0 {
				fill(r, reflect.ValueOf(&y).Elem(), 4)
			} else {
				perturb(r, reflect.ValueOf(&y).Elem())
			}
			checkKeyPair(t, k, x, y)
			checkKeyJSON(t, k, x)
		}
	})
}

// perturb changes one part of a key a little, or to the other zero, or not at all.
func perturb(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if v.Float() == 0 {
			v.SetFloat(-v.Float())
		}
	case reflect.Complex64, reflect.Complex128:
		if x := v.Complex(); x == 0 {
			v.SetComplex(complex(-real(x), imag(x)))
		}
	case reflect.String:
		if s := v.String(); s != "" && r.IntN(2) == 0 {
			v.SetString(s[:len(s)-1])
		}
	case reflect.Int, reflect.Int32:
		v.SetInt(v.Int() ^ r.Int64N(2))
	case reflect.Struct:
		if n := v.NumField(); n > 0 && special[v.Type()] == nil {
			i := r.IntN(n)
			if v.Type().Field(i).Name == "_" {
				opened(v.Field(i)).SetInt(r.Int64()) // is no part of ==
				return
			}
			perturb(r, opened(v.Field(i)))
		}
	case reflect.Array:
		if v.Len() > 0 {
			perturb(r, v.Index(r.IntN(v.Len())))
		}
	}
}

// checkKeyPair: equal bytes if and only if ==, one hash for one key, and NaN is an error everywhere.
func checkKeyPair[K comparable](t *testing.T, k *KeyCodec[K], x, y K) {
	if x != x {
		_, appendErr := k.Append(nil, x)
		_, hashErr := k.Hash(1, x)
		if !errors.Is(appendErr, ErrNaN) || !errors.Is(hashErr, ErrNaN) {
			t.Fatalf("%v holds NaN: Append gives %v, Hash %v", x, appendErr, hashErr)
		}
		return
	}
	bx, err := k.Append(nil, x)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Decode(bx)
	if err != nil || got != x {
		t.Fatalf("% x is decoded to %v, error %v; want %v", bx, got, err, x)
	}
	for _, seed := range []uint64{0, 42} {
		if h, err := k.Hash(seed, x); err != nil || h != Hash(seed, bx) {
			t.Fatalf("hash of %v is %x, error %v; of its bytes % x it is %x", x, h, err, bx, Hash(seed, bx))
		}
	}
	by, err := k.Append(nil, y)
	if err == nil && bytes.Equal(bx, by) != (x == y) {
		t.Fatalf("%#v == %#v is %v, but their bytes are\n% x\n% x", x, y, x == y, bx, by)
	}
}

type padded struct {
	A int32
	_ int32
	B string
	C float64
}

func TestKeys(t *testing.T) {
	checkKeys[bool](t)
	checkKeys[int](t)
	checkKeys[int8](t)
	checkKeys[int16](t)
	checkKeys[int32](t)
	checkKeys[uint](t)
	checkKeys[octet](t)
	checkKeys[uint16](t)
	checkKeys[uint32](t)
	checkKeys[uintptr](t)
	checkKeys[float32](t)
	checkKeys[degree](t)
	checkKeys[complex64](t)
	checkKeys[complex128](t)
	checkKeys[string](t)
	checkKeys[word](t)
	checkKeys[uuid](t)
	checkKeys[point](t)
	checkKeys[padded](t)
	checkKeys[empty](t)
	checkKeys[[3]string](t)
	checkKeys[[2]padded](t)
	checkKeys[pair[string, string]](t)
	checkKeys[pair[word, [2]degree]](t)
	checkKeys[maybe[int]](t)
	checkKeys[kinds](t)
	checkKeys[netip.Addr](t)
	checkKeys[netip.AddrPort](t)
	checkKeys[netip.Prefix](t)
	checkKeys[nets](t)
}

// TestKeyWidth: a wider or narrower integer of the same sign is dealt alike.
func TestKeyWidth(t *testing.T) {
	narrow, err1 := ForKey[int8]()
	wide, err2 := ForKey[int64]()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for n := math.MinInt8; n <= math.MaxInt8; n++ {
		a, _ := narrow.Hash(3, int8(n))
		b, _ := wide.Hash(3, int64(n))
		if a != b {
			t.Fatalf("%d has hash %x as an int8, %x as an int64", n, a, b)
		}
	}
}

// decodeKey makes a decoder of a type's keys that only tells the error.
func decodeKey[K comparable](t *testing.T) func([]byte) error {
	k, err := ForKey[K]()
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		_, err := k.Decode(b)
		return err
	}
}

func TestKeyDecodeRefuses(t *testing.T) {
	float := func(f float64) string {
		var b [8]byte
		for i, x := 0, math.Float64bits(f); i < 8; i, x = i+1, x>>8 {
			b[i] = byte(x)
		}
		return string(b[:])
	}
	tests := []struct {
		name   string
		decode func([]byte) error
		in     string
		want   error
	}{
		{"short integer", decodeKey[int64](t), "1234567", errShort},
		{"long integer", decodeKey[int64](t), "123456789", errTrailing},
		{"integer of another width", decodeKey[int8](t), "\x80\x00\x00\x00\x00\x00\x00\x00", errRange},
		{"unsigned of another width", decodeKey[uint16](t), "\x00\x00\x01\x00\x00\x00\x00\x00", errRange},
		{"-0", decodeKey[float64](t), float(math.Copysign(0, -1)), errZero},
		{"NaN", decodeKey[float64](t), float(math.NaN()), ErrNaN},
		{"-0 within", decodeKey[[2]complex128](t), float(1) + float(1) + float(math.Copysign(0, -1)) + float(0), errZero},
		{"left over", decodeKey[bool](t), "\x01\x01", errTrailing},
		{"address of three bytes", decodeKey[netip.Addr](t), "\x03abc", errAddr},
		{"prefix with a zone", decodeKey[netip.Prefix](t), "\x12abcdefghijklmnopz\x08", errAddr},
	}
	for _, tt := range tests {
		err := tt.decode([]byte(tt.in))
		if !errors.Is(err, ErrCorrupt) || !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// TestDealing: hashes of the keys that programs have, in sequence or of one pattern, are dealt evenly.
// The numbers are fixed, so the test is too.
func TestDealing(t *testing.T) {
	const keys = 100_000
	k, err := ForKey[int64]()
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]func(i int) uint64{
		"in sequence":     func(i int) uint64 { h, _ := k.Hash(0, int64(i)); return h },
		"multiples of 64": func(i int) uint64 { h, _ := k.Hash(7, int64(i)<<6); return h },
		"high bits":       func(i int) uint64 { h, _ := k.Hash(0, int64(i)<<44); return h },
		"texts":           func(i int) uint64 { return Hash(0, []byte("user-"+strconv.Itoa(i))) },
	}
	for name, hash := range hashes {
		for _, n := range []int{1, 2, 3, 4, 7, 8, 10, 16, 100, 1000} {
			counts := make([]int, n)
			for i := range keys {
				counts[Partition(hash(i), n)]++
			}
			// Chi squared has a mean of n-1 and a variance of 2(n-1): six deviations are never met.
			mean, chi := float64(keys)/float64(n), 0.0
			for _, c := range counts {
				chi += (float64(c) - mean) * (float64(c) - mean) / mean
			}
			free := float64(n - 1)
			if chi > free+6*math.Sqrt(2*free)+1e-9 {
				t.Errorf("keys %s over %d partitions: chi squared is %.0f, want about %.0f", name, n, chi, free)
			}
		}
	}
}

func TestPartitionBounds(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0, 1} {
		if p := Partition(math.MaxUint64, n); p != 0 {
			t.Errorf("Partition(max, %d) = %d, want 0", n, p)
		}
	}
	for _, n := range []int{2, 3, 1 << 20, math.MaxInt} {
		if lo, hi := Partition(0, n), Partition(math.MaxUint64, n); lo != 0 || hi != n-1 {
			t.Errorf("Partition of the ends over %d = %d, %d, want 0, %d", n, lo, hi, n-1)
		}
	}
}
