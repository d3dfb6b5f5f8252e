package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// must gives the codec of a type that has one.
func must[T any](t testing.TB) *Codec[T] {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chained gives a list of n trees.
func chained(n int) *tree {
	var t *tree
	for i := range n {
		t = &tree{Left: t, Name: fmt.Sprint("node ", i), N: i}
	}
	return t
}

// TestDepth: a list is encoded up to the limit, and refused beyond it in all three ways.
func TestDepth(t *testing.T) {
	c := must[tree](t)
	fits, deep := chained(maxDepth), chained(maxDepth+1)
	if _, err := c.RoundTrip(*fits); err != nil {
		t.Errorf("a list of %d: %v", maxDepth, err)
	}
	if _, err := c.Clone(*fits); err != nil {
		t.Errorf("cloning a list of %d: %v", maxDepth, err)
	}
	dst, err := c.Append([]byte("kept"), deep)
	if !errors.Is(err, errDepth) || string(dst) != "kept" {
		t.Errorf("Append of a list of %d gives %q, error %v", maxDepth+1, dst, err)
	}
	if want := "field ...Left.Left."; !strings.Contains(fmt.Sprint(err), want) || len(fmt.Sprint(err)) > 400 {
		t.Errorf("error %q, want a short one with %q", err, want)
	}
	if _, err := c.Clone(*deep); !errors.Is(err, errDepth) {
		t.Errorf("Clone of a list of %d: error %v", maxDepth+1, err)
	}
	if _, _, err := c.Decode(bytes.Repeat([]byte{1}, 1<<20)); !errors.Is(err, errDepth) {
		t.Errorf("decoding a million levels: error %v", err)
	}
}

// TestCycle: values that contain themselves are errors, and have some size.
func TestCycle(t *testing.T) {
	self := &tree{Name: "self"}
	self.Left, self.Right = self, self
	trees := must[tree](t)
	if _, err := trees.Append(nil, self); !errors.Is(err, errDepth) {
		t.Errorf("Append: error %v", err)
	}
	if _, err := trees.Clone(*self); !errors.Is(err, errDepth) {
		t.Errorf("Clone: error %v", err)
	}
	if n := trees.Size(self); n < maxDepth {
		t.Errorf("Size = %d, want at least %d", n, maxDepth)
	}
	loop := nest{nil}
	loop[0] = loop
	if _, err := must[nest](t).RoundTrip(loop); !errors.Is(err, errDepth) {
		t.Errorf("slice: error %v", err)
	}
	ring := graph{}
	ring["ring"] = ring
	if _, err := must[graph](t).Append(nil, &ring); !errors.Is(err, errDepth) {
		t.Errorf("map: error %v", err)
	}
	if _, err := must[graph](t).Clone(ring); !errors.Is(err, errDepth) {
		t.Errorf("cloning a map: error %v", err)
	}
	if n := must[graph](t).Size(&ring); n < maxDepth {
		t.Errorf("size of a map = %d, want at least %d", n, maxDepth)
	}
}

// onStack encodes, decodes and clones values that lie on a new goroutine's small stack, while the
// recursion below them makes that stack grow and move, and the collector looks at it.
func onStack(list *tree, want []byte) error {
	type framed struct {
		Before string
		List   *tree
		After  string
		N      int
	}
	c, err := For[framed]()
	if err != nil {
		return err
	}
	v := framed{strings.Repeat("b", 3), list, strings.Repeat("a", 5), 7}
	got, err := c.Append(nil, &v)
	if err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("encoded %d bytes, error %w", len(got), err)
	}
	back, rest, err := c.Decode(got)
	if err != nil || len(rest) > 0 || back.After != "aaaaa" || back.N != 7 {
		return fmt.Errorf("decoded %q %d, error %w", back.After, back.N, err)
	}
	clone, err := c.Clone(back)
	if err != nil || clone.Before != "bbb" || clone.After != "aaaaa" || c.Size(&clone) != c.Size(&back) {
		return fmt.Errorf("cloned %q %q, error %w", clone.Before, clone.After, err)
	}
	return nil
}

func TestStackMoves(t *testing.T) {
	list := chained(3000)
	want, err := must[*tree](t).Append([]byte("\x03bbb"), &list)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, "\x05aaaaa\x0e"...)
	done := make(chan error)
	for range 20 {
		go func() { done <- onStack(list, want) }()
		runtime.GC()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestForeign: what types' own methods do wrong is an error, at the field.
func TestForeign(t *testing.T) {
	type record struct {
		Name    string
		Secrets []secret
	}
	c := must[record](t)
	v := record{"n", []secret{{1}, {13}}}
	dst := append(make([]byte, 0, 100), "kept"...)
	dst, err := c.Append(dst, &v)
	want := "codec: cannot encode a codec.record: field Secrets: AppendBinary of codec.secret: thirteen"
	if !errors.Is(err, errThirteen) || err.Error() != want || string(dst) != "kept" {
		t.Errorf("Append gives %q, error %v, want %s", dst, err, want)
	}
	type held struct{ S *set } // a clone goes by the methods
	s := set{"a": true}
	clone, err := must[held](t).Clone(held{&s})
	if err != nil || !reflect.DeepEqual(*clone.S, s) ||
		reflect.ValueOf(*clone.S).Pointer() == reflect.ValueOf(s).Pointer() {
		t.Errorf("the clone is %v, error %v", clone, err)
	}
	tests := []struct{ name, in, want string }{
		{"refused", "\x01n\x02\x08\x00\x00\x00\x00\x00\x00\x00\x0d",
			"field Secrets: decoding codec.secret by its own method: thirteen"},
		{"panics", "\x01n\x02\x03abc", "field Secrets: decoding codec.secret by its own method panicked: runtime error"},
		{"short", "\x01n\x02\x09abc", "at byte 3 of 7: field Secrets: the bytes end too early"},
	}
	for _, tt := range tests {
		_, rest, err := c.Decode([]byte(tt.in))
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) || string(rest) != tt.in {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// nested encodes itself by a codec, as types that version their bytes do, and wraps its error.
type nested struct{ m map[float64]int }

func (n nested) MarshalBinary() ([]byte, error) {
	c, err := For[pair[int, map[float64]int]]()
	if err != nil {
		return nil, err
	}
	b, err := c.Append(nil, &pair[int, map[float64]int]{1, n.m})
	if err != nil {
		return nil, fmt.Errorf("by its codec: %w", err)
	}
	return b, nil
}

func (n *nested) UnmarshalBinary([]byte) error { return nil }

// TestNestedError: the path within a type's own codec does not run into the path to it.
func TestNestedError(t *testing.T) {
	v := pair[string, []nested]{"a", []nested{{map[float64]int{math.NaN(): 1}}}}
	_, err := must[pair[string, []nested]](t).Append(nil, &v)
	want := "field Value: MarshalBinary of codec.nested: by its codec: codec: cannot encode a " +
		"codec.pair[int,map[float64]int]: field Value.[key]: NaN cannot be a key"
	if !errors.Is(err, ErrNaN) || !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("error\n%v, want one with\n%s", err, want)
	}
}

// leaky gives more than its room, and room that is not its own.
type leaky struct{ n int }

var leakyRoom = bytes.Repeat([]byte{'x'}, 300)

func (l leaky) AppendBinary(dst []byte) ([]byte, error) {
	switch l.n {
	case 0:
		return leakyRoom[:200], nil
	case 1:
		return append(dst, leakyRoom...), nil
	}
	return dst, nil
}

func (l *leaky) UnmarshalBinary(b []byte) error {
	l.n = map[int]int{200: 0, 300: 1, 0: 2}[len(b)]
	if cap(b) != len(b) || !bytes.Equal(b, leakyRoom[:len(b)]) {
		return errors.New("other bytes")
	}
	return nil
}

func TestForeignRoom(t *testing.T) {
	c := must[[]leaky](t)
	v := []leaky{{0}, {1}, {2}, {1}, {0}}
	for room := range 400 {
		b, err := c.Append(make([]byte, 0, room), &v)
		if err != nil {
			t.Fatal(err)
		}
		if got, rest, err := c.Decode(b); err != nil || len(rest) > 0 || !reflect.DeepEqual(got, v) {
			t.Fatalf("with room for %d: %v, error %v", room, got, err)
		}
	}
	for _, b := range leakyRoom {
		if b != 'x' {
			t.Fatal("a method's own memory was written to")
		}
	}
}

// TestDecodeErrors: the place of damage is named.
func TestDecodeErrors(t *testing.T) {
	c := must[order](t)
	v := order{Items: []item{{"a", 1, 2}, {"b", 3, 4}}, Tags: map[word]string{"k": "v"}}
	b, err := c.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("\x01b"))
	bad := bytes.Clone(b)
	bad[at] = 0x7f
	_, _, err = c.Decode(bad)
	want := fmt.Sprintf("codec: cannot decode a codec.order: at byte %d of %d: field Items.Name: "+
		"the bytes end too early: bytes are damaged or of another type", at, len(b))
	if fmt.Sprint(err) != want {
		t.Errorf("error\n%v, want\n%s", err, want)
	}
	tests := []struct {
		name   string
		decode func([]byte) error
		in     string
		want   error
	}{
		{"bool", decodes[bool](t), "\x02", errBool},
		{"nothing", decodes[bool](t), "", errShort},
		{"long varint", decodes[int](t), "\x80\x00", errVarint},
		{"endless varint", decodes[int](t), strings.Repeat("\xff", 11), errVarint},
		{"int16", decodes[int16](t), "\x80\x80\x04", errRange},
		{"uint32", decodes[uint32](t), "\x80\x80\x80\x80\x10", errRange},
		{"pointer", decodes[*int](t), "\x02\x00", errFlag},
		{"map out of order", decodes[map[string]int](t), "\x03\x01b\x00\x01a\x00", errOrder},
		{"map with a key twice", decodes[map[string]int](t), "\x03\x01a\x00\x01a\x00", errOrder},
		{"map of the only key twice", decodes[map[empty]empty](t), "\x03", errOrder},
		{"map with -0", decodes[map[float32]int](t), "\x02\x00\x00\x00\x80\x00", errZero},
		{"map with NaN", decodes[map[float32]int](t), "\x02\x00\x00\xc0\x7f\x00", ErrNaN},
		{"nanoseconds", decodes[time.Time](t), "\x00\x80\x94\xeb\xdc\x03\x00", errTime},
		{"address", decodes[netip.Addr](t), "\x03abc", errAddr},
		{"message", decodes[*timestamppb.Timestamp](t), "\x02\x08", proto.Error},
		{"message cut short", decodes[*timestamppb.Timestamp](t), "\x05\x08", errShort},
		{"too many strings", decodes[[]string](t), "\x06\x00\x00\x00\x00", errShort},
		{"too many to count", decodes[[]empty](t), "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01", errRange},
	}
	for _, tt := range tests {
		if err := tt.decode([]byte(tt.in)); !errors.Is(err, ErrCorrupt) || !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// decodes makes a decoder that only tells the error.
func decodes[T any](t *testing.T) func([]byte) error {
	c := must[T](t)
	return func(b []byte) error {
		_, _, err := c.Decode(b)
		return err
	}
}

// TestNaNInMap: no encoding of a map with a NaN key is right.
func TestNaNInMap(t *testing.T) {
	v := map[string]map[float64]int{"a": {math.NaN(): 1}}
	_, err := must[map[string]map[float64]int](t).Append(nil, &v)
	if !errors.Is(err, ErrNaN) || !strings.Contains(err.Error(), "field [].[key]: ") {
		t.Errorf("error %v", err)
	}
}

// TestEmptyElements: any number of elements without bytes or memory is only a number.
func TestEmptyElements(t *testing.T) {
	c := must[[]empty](t)
	v := make([]empty, math.MaxInt)
	if got, err := c.RoundTrip(v); err != nil || len(got) != math.MaxInt {
		t.Errorf("RoundTrip gives %d elements, error %v", len(got), err)
	}
	if got, err := c.Clone(v); err != nil || len(got) != math.MaxInt || c.Size(&v) != int(reflect.TypeOf(v).Size()) {
		t.Errorf("Clone gives %d elements, error %v", len(got), err)
	}
}

// bombs are inputs that promise much more than they hold.
func bombs() map[string][]byte {
	huge := binary.AppendUvarint(nil, 1<<40)
	claims := func(n, unit int) []byte { // each level claims all that follows it
		var b []byte
		for i := range n {
			b = binary.AppendUvarint(b, uint64((n-i)*3/unit))
		}
		return b
	}
	return map[string][]byte{
		"one length":     huge,
		"many lengths":   bytes.Repeat(huge, 1000),
		"nested claims":  claims(9000, 1),
		"nested halves":  claims(9000, 2),
		"nested flags":   bytes.Repeat([]byte{1}, 9000),
		"counts of two":  bytes.Repeat([]byte{3}, 9000),
		"maps in maps":   bytes.Repeat([]byte{2, 0}, 4500),
		"flags and room": append(bytes.Repeat([]byte{1}, 9000), make([]byte, 3000)...),
	}
}

// allocated gives the bytes of memory that f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// bounded checks that decoding each bomb as a T allocates at most so many bytes per byte of input,
// and some for the error.
func bounded[T any](t *testing.T, perByte int) {
	t.Helper()
	c := must[T](t)
	for name, b := range bombs() {
		if got, limit := allocated(func() { _, _, _ = c.Decode(b) }), perByte*len(b)+64<<10; got > limit {
			t.Errorf("%T: decoding %s (%d bytes) allocates %d, want at most %d", *new(T), name, len(b), got, limit)
		}
	}
}

// TestBounds: memory is bounded by a constant per type times the input, which is the size of the
// largest element over the fewest bytes that it takes.
func TestBounds(t *testing.T) {
	bounded[string](t, 2)
	bounded[[]byte](t, 2)
	bounded[[]string](t, 20)
	bounded[[]int](t, 10)
	bounded[[][]string](t, 50)
	bounded[nest](t, 60)
	bounded[tree](t, 60)
	bounded[chain](t, 60)
	bounded[graph](t, 250)
	bounded[map[string]int](t, 250)
	bounded[map[point][]string](t, 250)
	bounded[[]order](t, 100)
	bounded[[]maybe[string]](t, 40)
	bounded[foreigners](t, 100)
}

// TestDecodeShares: DecodeAlias lends, Decode does not, and nobody can grow into the buffer.
func TestDecodeShares(t *testing.T) {
	type text struct {
		S string
		B []byte
	}
	c := must[text](t)
	buf, err := c.Append(nil, &text{"hello", []byte("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	buf = append(buf, "behind"...)
	own, _, err1 := c.Decode(buf)
	lent, _, err2 := c.DecodeAlias(buf)
	clone, err3 := c.Clone(lent)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if _ = append(lent.B, '!'); string(buf[len(buf)-6:]) != "behind" {
		t.Error("appending to a lent slice wrote into the buffer")
	}
	clear(buf)
	for name, v := range map[string]text{"decoded": own, "cloned": clone} {
		if v.S != "hello" || string(v.B) != "bytes" {
			t.Errorf("the %s value is %q, %q after its buffer has changed", name, v.S, v.B)
		}
	}
	if lent.S == "hello" || string(lent.B) == "bytes" {
		t.Error("DecodeAlias copied")
	}
}

// TestMapBytes: equal maps have equal bytes in whatever order they were filled.
func TestMapBytes(t *testing.T) {
	c := must[map[string]int](t)
	up, down := map[string]int{}, map[string]int{}
	for i := range 1000 {
		up[fmt.Sprint(i)] = i
		down[fmt.Sprint(999-i)] = 999 - i
	}
	a, err1 := c.Append(nil, &up)
	b, err2 := c.Append(nil, &down)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
		t.Errorf("two orders give different bytes, error %v", err)
	}
}

func TestImmutable(t *testing.T) {
	tests := []struct {
		name string
		got  bool
		want bool
	}{
		{"int", must[int](t).Immutable(), true},
		{"string", must[string](t).Immutable(), true},
		{"time", must[time.Time](t).Immutable(), true},
		{"array of structs with strings", must[[3]pair[string, int]](t).Immutable(), true},
		{"own codec over a number", must[secret](t).Immutable(), true},
		{"bytes", must[[]byte](t).Immutable(), false},
		{"pointer", must[*string](t).Immutable(), false},
		{"map", must[map[string]int](t).Immutable(), false},
		{"array of slices", must[[2][]string](t).Immutable(), false},
		{"pair with bytes", must[pair[string, []byte]](t).Immutable(), false},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: Immutable is %v", tt.name, tt.got)
		}
	}
}

func TestPointerFree(t *testing.T) {
	tests := []struct {
		name string
		got  bool
		want bool
	}{
		{"int", must[int](t).PointerFree(), true},
		{"array of structs", must[[3]pair[point, degree]](t).PointerFree(), true},
		{"no elements", must[[0]string](t).PointerFree(), true},
		{"own codec over a number", must[secret](t).PointerFree(), true},
		{"string", must[string](t).PointerFree(), false},
		{"time, for its zone", must[time.Time](t).PointerFree(), false},
		{"pair with a string", must[pair[string, int]](t).PointerFree(), false},
		{"kinds", must[kinds](t).PointerFree(), false},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: PointerFree is %v", tt.name, tt.got)
		}
	}
}

// sized compares Size with what a clone of v allocates, and v itself.
func sized[T any](t *testing.T, name string, v T) {
	t.Helper()
	c := must[T](t)
	var err error
	real := int(reflect.TypeFor[T]().Size()) + allocated(func() { _, err = c.Clone(v) })
	if got := c.Size(&v); err != nil || got < real*6/10 || got > real*16/10 {
		t.Errorf("%s: Size is %d, a clone takes %d, error %v", name, got, real, err)
	}
}

func TestSize(t *testing.T) {
	many := make([]string, 1000)
	counts := make(map[string]int)
	places := make(map[point]degree)
	for i := range many {
		many[i] = fmt.Sprint("a string of some length ", i)
		counts[many[i]] = i
		places[point{int32(i), 1}] = 1
	}
	sized(t, "string", pair[string, int]{strings.Repeat("x", 10_000), 1})
	sized(t, "bytes", make([]byte, 10_000))
	sized(t, "strings", many)
	sized(t, "map", counts)
	sized(t, "map without pointers", places)
	sized(t, "list", chained(1000))
	sized(t, "array", [2][]string{many, many})
	sized(t, "grid", [][]int{make([]int, 1000), make([]int, 2000)})
	if n := must[kinds](t).Size(&kinds{}); n != int(reflect.TypeFor[kinds]().Size()) {
		t.Errorf("Size of a zero struct is %d", n)
	}
	ten := new(big.Int).Lsh(big.NewInt(1), 80_000) // ten thousand bytes
	if n := must[*big.Int](t).Size(&ten); n < 10_000 || n > 12_000 {
		t.Errorf("Size of a big number is %d", n)
	}
}

// TestAllocations: the calls of every record cost no memory.
func TestAllocations(t *testing.T) {
	type rec = pair[string, int]
	c, deep := must[rec](t), must[pair[rec, maybe[point]]](t)
	numbers := must[[3]point](t)
	texts, err1 := ForKey[word]()
	ints, err2 := ForKey[int32]()
	mixed, err3 := ForKey[pair[string, degree]]()
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 1024)
	key := strings.Repeat("k", 40)
	encoded, _ := c.Append(nil, &rec{key, 7})
	tests := map[string]func(){
		"Append":             func() { v := rec{key, math.MaxInt}; buf, _ = c.Append(buf[:0], &v) },
		"Append of nested":   func() { v := pair[rec, maybe[point]]{}; buf, _ = deep.Append(buf[:0], &v) },
		"DecodeAlias":        func() { _, _, _ = c.DecodeAlias(encoded) },
		"Size":               func() { v := rec{key, 1}; _ = c.Size(&v) },
		"Clone of numbers":   func() { _, _ = numbers.Clone([3]point{}) },
		"key of a string":    func() { buf, _ = texts.Append(buf[:0], word(key)) },
		"hash of a string":   func() { _, _ = texts.Hash(1, word(key)) },
		"hash of an integer": func() { _, _ = ints.Hash(1, 99) },
		"hash of a struct":   func() { _, _ = mixed.Hash(1, pair[string, degree]{key, 1.5}) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Clone(rec{key, 1}) }); n != 1 {
		t.Errorf("Clone of a record with one string allocates %v times, want 1", n)
	}
}
