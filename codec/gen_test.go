package codec

import (
	"flag"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var seedFlag = flag.Uint64("codec.seed", 0, "seed of the random values; 0 draws one")

// newRand draws a seed, or takes the flag's, and prints it if the test fails.
func newRand(t *testing.T) *rand.Rand {
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("run again with: go test ./codec -run %s -args -codec.seed %d", t.Name(), seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// special values of types that cannot be filled field by field.
var special = map[reflect.Type]func(r *rand.Rand) any{
	timeType: func(r *rand.Rand) any {
		t := time.Unix(r.Int64N(1<<40)-1<<39, r.Int64N(maxNanos))
		switch r.IntN(4) {
		case 0:
			return time.Time{}
		case 1:
			return t.UTC()
		case 2:
			return t.In(time.FixedZone("X", r.IntN(100_000)-50_000))
		}
		return t
	},
	addrType:     func(r *rand.Rand) any { return randomAddr(r) },
	addrPortType: func(r *rand.Rand) any { return netip.AddrPortFrom(randomAddr(r), uint16(r.Uint32())) },
	prefixType:   func(r *rand.Rand) any { return netip.PrefixFrom(randomAddr(r), r.IntN(140)-5) },
	reflect.TypeFor[big.Int](): func(r *rand.Rand) any {
		return *new(big.Int).Lsh(big.NewInt(r.Int64()-1<<62), r.UintN(100))
	},
	reflect.TypeFor[big.Rat](): func(r *rand.Rand) any { return *big.NewRat(r.Int64(), r.Int64()+1) },
	reflect.TypeFor[url.URL](): func(r *rand.Rand) any {
		path := "/" + strconv.Itoa(r.IntN(100))
		return url.URL{Scheme: "https", Host: "example.org", Path: path, User: url.UserPassword("u", "p")}
	},
	reflect.TypeFor[secret](): func(r *rand.Rand) any { return secret{r.Uint64N(10)} },
	reflect.TypeFor[set]():    func(r *rand.Rand) any { return set{strconv.Itoa(r.Int()): true} },
	reflect.TypeFor[*timestamppb.Timestamp](): func(r *rand.Rand) any {
		if r.IntN(4) == 0 {
			return (*timestamppb.Timestamp)(nil)
		}
		return &timestamppb.Timestamp{Seconds: r.Int64(), Nanos: r.Int32()}
	},
	reflect.TypeFor[*structpb.Value](): func(r *rand.Rand) any {
		s, _ := structpb.NewStruct(map[string]any{"a": r.Float64(), "b": "text", "c": []any{nil, true}})
		return structpb.NewStructValue(s)
	},
}

func randomAddr(r *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.IntN(3))
	}
	switch r.IntN(5) {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 2:
		return netip.AddrFrom16([16]byte(append(make([]byte, 10), 0xff, 0xff, 1, 2, 3, b[0])))
	case 3:
		return netip.AddrFrom16(b).WithZone([]string{"", "eth0", string(make([]byte, 200))}[r.IntN(3)])
	}
	return netip.AddrFrom16(b)
}

// fill gives v, which is addressable, a random value. Small and extreme values are frequent, and depth
// bounds recursive types.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if f, ok := special[v.Type()]; ok {
		v.Set(reflect.ValueOf(f(r)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(randomBits(r)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(randomBits(r))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(randomFloat(r))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(randomFloat(r), randomFloat(r)))
	case reflect.String:
		v.SetString(randomString(r))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "_" {
				fill(r, opened(v.Field(i)), depth)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	default:
		fillDeep(r, v, depth)
	}
}

// fillDeep fills what may be nil.
func fillDeep(r *rand.Rand, v reflect.Value, depth int) {
	if depth == 0 || r.IntN(6) == 0 {
		v.SetZero()
		return
	}
	n := r.IntN(5)
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n+r.IntN(3)))
		for i := range n {
			fill(r, v.Index(i), depth-1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth-1)
			fill(r, value, depth-1)
			if key.Equal(key) { // NaN cannot be a key of a record's map
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth-1)
	}
}

// opened gives a field, unexported or not, in a form that can be set.
func opened(f reflect.Value) reflect.Value {
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

func randomBits(r *rand.Rand) uint64 {
	x := r.Uint64() >> r.UintN(64)
	switch r.IntN(4) {
	case 0:
		return -x
	case 1:
		return uint64(r.IntN(3)) - 1
	}
	return x
}

func randomFloat(r *rand.Rand) float64 {
	few := []float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64}
	if r.IntN(2) == 0 {
		return few[r.IntN(len(few))]
	}
	return math.Float64frombits(r.Uint64())
}

func randomString(r *rand.Rand) string {
	n := []int{0, 1, 2, 7, 40, 127, 128, 300}[r.IntN(8)]
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// same says whether two values are the same in every bit that an encoding keeps: floats by their bits,
// times by instant and offset, nil apart from empty.
func same(a, b reflect.Value) bool {
	switch x := value(a).(type) {
	case time.Time:
		y := value(b).(time.Time)
		_, xo := x.Zone()
		_, yo := y.Zone()
		return x.Equal(y) && xo == yo && (x.Location() == time.UTC) == (y.Location() == time.UTC)
	case proto.Message:
		return proto.Equal(x, value(b).(proto.Message))
	case netip.Addr, netip.AddrPort, netip.Prefix:
		return x == value(b)
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Complex64, reflect.Complex128:
		x, y := a.Complex(), b.Complex()
		return math.Float64bits(real(x)) == math.Float64bits(real(y)) &&
			math.Float64bits(imag(x)) == math.Float64bits(imag(y))
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(opened(a.Field(i)), opened(b.Field(i))) {
				return false
			}
		}
		return true
	case reflect.Array, reflect.Slice:
		if a.Len() != b.Len() || a.Kind() == reflect.Slice && a.IsNil() != b.IsNil() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Map:
		return sameMap(a, b)
	default:
		return a.Equal(b)
	}
}

func sameMap(a, b reflect.Value) bool {
	if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
		return false
	}
	for it := a.MapRange(); it.Next(); {
		x, y := reflect.New(a.Type().Elem()).Elem(), reflect.New(a.Type().Elem()).Elem()
		x.Set(it.Value())
		other := b.MapIndex(it.Key())
		if !other.IsValid() {
			return false
		}
		if y.Set(other); !same(x, y) {
			return false
		}
	}
	return true
}

// value is v.Interface, and nil for a nil pointer.
func value(v reflect.Value) any {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return v.Interface()
}

// randomType makes a type of random shape, which is where plans of every nesting come from.
func randomType(r *rand.Rand, depth int) reflect.Type {
	if depth == 0 || r.IntN(3) == 0 {
		leaves := []any{false, int(0), int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0),
			uint32(0), uint64(0), float32(0), float64(0), complex64(0), complex128(0), "", word(""), degree(0),
			[]byte(nil), uuid{}, time.Time{}, netip.Addr{}, secret{}, maybe[string]{}, empty{}, point{}}
		return reflect.TypeOf(leaves[r.IntN(len(leaves))])
	}
	switch r.IntN(6) {
	case 0:
		return reflect.SliceOf(randomType(r, depth-1))
	case 1:
		return reflect.ArrayOf(r.IntN(4), randomType(r, depth-1))
	case 2:
		return reflect.PointerTo(randomType(r, depth-1))
	case 3:
		keys := []any{"", int(0), uint8(0), float64(0), point{}, [2]string{}, complex64(0), flags{}, empty{}, uuid{}}
		return reflect.MapOf(reflect.TypeOf(keys[r.IntN(len(keys))]), randomType(r, depth-1))
	}
	fields := make([]reflect.StructField, r.IntN(5))
	for i := range fields {
		fields[i] = reflect.StructField{Name: "F" + strconv.Itoa(i), Type: randomType(r, depth-1)}
	}
	return reflect.StructOf(fields)
}
