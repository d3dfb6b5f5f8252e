//lint:file-ignore U1000 the fields are there for what the types are, not to be read

package shuffle

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

type word string

type padded struct {
	a int8
	b int64
}

type blank struct {
	a int32
	_ int32
}

type dense struct {
	a, b int32
	c    [2]uint16
	d    uint32
}

type texts struct {
	host string
	code int
}

type half struct{ f float32 }

func TestKind(t *testing.T) {
	rows := []struct {
		name      string
		got, want kind
	}{
		{"string", kindOf[string](), kindText},
		{"named string", kindOf[word](), kindText},
		{"int", kindOf[int](), kindWord8},
		{"rune", kindOf[rune](), kindWord4},
		{"uint16", kindOf[uint16](), kindWord2},
		{"bool", kindOf[bool](), kindWord1},
		{"[16]byte", kindOf[[16]byte](), kindBytes},
		{"[8]byte", kindOf[[8]byte](), kindWord8},
		{"dense struct", kindOf[dense](), kindBytes},
		{"empty struct", kindOf[struct{}](), kindBytes},
		{"padded struct", kindOf[padded](), kindOther},
		{"blank field", kindOf[blank](), kindOther},
		{"struct with a string", kindOf[texts](), kindOther},
		{"struct with a float", kindOf[half](), kindOther},
		{"array of strings", kindOf[[2]string](), kindOther},
		{"float64", kindOf[float64](), kindOther},
		{"complex128", kindOf[complex128](), kindOther},
		{"interface", kindOf[fmt.Stringer](), kindOther},
		{"pointer", kindOf[*int](), kindOther},
		{"unsafe pointer", kindOf[unsafe.Pointer](), kindOther},
		{"channel", kindOf[chan int](), kindOther},
	}
	for _, row := range rows {
		if row.got != row.want {
			t.Errorf("%s: kind %d, want %d", row.name, row.got, row.want)
		}
	}
}

// keysBy makes n keys of a type from their numbers.
func keysBy[K any](n int, of func(i int) K) []K {
	out := make([]K, n)
	for i := range out {
		out[i] = of(i)
	}
	return out
}

// TestTable compares tables of every kind of key with the model, under several hash seeds.
func TestTable(t *testing.T) {
	t.Run("string", func(t *testing.T) { testTable(t, nastyStrings()) })
	t.Run("named string", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) word { return word(strconv.Itoa(i * i)) }))
	})
	t.Run("int", func(t *testing.T) { testTable(t, keysBy(500, func(i int) int { return (i - 250) << 20 })) })
	t.Run("int32", func(t *testing.T) { testTable(t, keysBy(500, func(i int) int32 { return int32(-i) })) })
	t.Run("uint16", func(t *testing.T) { testTable(t, keysBy(500, func(i int) uint16 { return uint16(i * 131) })) })
	t.Run("uint8", func(t *testing.T) { testTable(t, keysBy(256, func(i int) uint8 { return uint8(i) })) })
	t.Run("bool", func(t *testing.T) { testTable(t, []bool{true, false}) })
	t.Run("uuid", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) (k [16]byte) { k[i%16] = byte(i); return k }))
	})
	t.Run("long array", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) (k [40]byte) { k[i%40] = byte(i / 40); return k }))
	})
	t.Run("dense", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) dense { return dense{a: int32(i & 1), d: uint32(i)} }))
	})
	t.Run("empty", func(t *testing.T) { testTable(t, []struct{}{{}}) })
	t.Run("padded", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) padded { return padded{int8(i), int64(i / 3)} }))
	})
	t.Run("blank", func(t *testing.T) { testTable(t, keysBy(500, func(i int) blank { return blank{a: int32(i)} })) })
	t.Run("texts", func(t *testing.T) {
		testTable(t, keysBy(500, func(i int) texts { return texts{strconv.Itoa(i % 40), i / 40} }))
	})
	t.Run("float64", func(t *testing.T) {
		keys := keysBy(500, func(i int) float64 { return float64(i-250) / 3 })
		testTable(t, append(keys, 0, math.Copysign(0, -1), math.Inf(1), math.SmallestNonzeroFloat64))
	})
	t.Run("interface", func(t *testing.T) {
		testTable(t, []any{1, "1", 1.0, int8(1), [1]int{1}, nil, texts{"1", 1}, ""})
	})
}

func testTable[K comparable](t *testing.T, keys []K) {
	for n := range uint64(8) {
		r := rand.New(rand.NewPCG(n, 1))
		table := NewTable[K, string](nil)
		table.seed = fixed(n)
		if n == 0 {
			table.seed.a, table.seed.b = 0, 0 // as bad as a seed can be: words all collide
		}
		for round := range 3 {
			var m model[K, string]
			for i, k := range shuffled(r, keys, 1+round*len(keys)) {
				v, before := strconv.Itoa(i), len(m.keys)
				m.fold(k, func() string { return v }, func(old string) string { return old + v })
				p, fresh := table.Slot(k)
				if fresh != (len(m.keys) > before) || fresh != (*p == "") {
					t.Fatalf("seed %d: key %v: fresh is %v, value %q", n, k, fresh, *p)
				}
				*p += v
			}
			want := Bucket[K, string]{Keys: m.keys, Values: m.values}
			sameRows(t, fmt.Sprintf("seed %d", n), rowsOf(table.All()), want)
			for i, k := range m.keys {
				if p := table.Find(k); p == nil || *p != m.values[i] {
					t.Fatalf("seed %d: Find(%v) is %v, want %q", n, k, p, m.values[i])
				}
			}
			if err := table.Err(); err != nil {
				t.Fatal(err)
			}
			table.Reset()
			for _, k := range keys {
				if table.Find(k) != nil {
					t.Fatalf("seed %d: %v is there after Reset", n, k)
				}
			}
		}
	}
}

// TestTableGrowth looks at every key after each insertion around the sizes at which index and pages grow.
func TestTableGrowth(t *testing.T) {
	edge := func(n int) bool {
		for _, size := range []int{16, 24, 32, 48, 96, 512, 768, 1024, 1536, 2048, 3072} {
			if n >= size-1 && n <= size+2 {
				return true
			}
		}
		return false
	}
	ints := NewTable[int, int](nil)
	texts := NewTable[string, int](nil)
	for n := 1; n <= 3100; n++ {
		if p, fresh := ints.Slot(n); !fresh || *p != 0 {
			t.Fatalf("int %d: fresh %v, value %d", n, fresh, *p)
		} else {
			*p = n
		}
		if p, fresh := texts.Slot(strconv.Itoa(n)); !fresh || *p != 0 {
			t.Fatalf("text %d: fresh %v, value %d", n, fresh, *p)
		} else {
			*p = n
		}
		if !edge(n) {
			continue
		}
		for i := 1; i <= n; i++ {
			p, q := ints.Find(i), texts.Find(strconv.Itoa(i))
			if p == nil || *p != i || q == nil || *q != i {
				t.Fatalf("with %d keys: key %d is at %v and %v", n, i, p, q)
			}
		}
		if ints.Find(n+1) != nil || texts.Find(strconv.Itoa(n+1)) != nil {
			t.Fatalf("with %d keys: key %d was found", n, n+1)
		}
		if ints.Len() != n || texts.Len() != n {
			t.Fatalf("with %d keys: Len %d and %d", n, ints.Len(), texts.Len())
		}
	}
}

// TestTableCollisions has keys that are equal in hash, length, first and last eight bytes: the secret is the
// first word of all keys, so that their first block folds to zero whatever else is in it.
func TestTableCollisions(t *testing.T) {
	table := NewTable[string, int](nil)
	table.seed.a = 0x6161616161616161 // "aaaaaaaa"
	key := func(i int) string {
		return "aaaaaaaa" + fmt.Sprintf("%08d", i) + strings.Repeat("z", 24)
	}
	first := table.seed.bytes([]byte(key(0)))
	for i := range 100 {
		if h := table.seed.bytes([]byte(key(i))); h != first {
			t.Fatalf("the keys were to collide: %x and %x", first, h)
		}
		p, fresh := table.Slot(key(i))
		if !fresh {
			t.Fatalf("key %d was taken for key %d", i, *p)
		}
		*p = i
	}
	for i := range 100 {
		if p := table.Find(key(i)); p == nil || *p != i {
			t.Fatalf("key %d is at %v", i, p)
		}
		if p, fresh := table.Slot(key(i)); fresh || *p != i {
			t.Fatalf("key %d is new", i)
		}
	}
}

// TestTableOwnsKeys overwrites the memory of the keys that were put in, and resets the table under the keys
// that it gave.
func TestTableOwnsKeys(t *testing.T) {
	table := NewTable[word, int](nil)
	want := nastyStrings()
	for _, k := range want {
		buf := []byte(k)
		alias := unsafe.String(unsafe.SliceData(buf), len(buf))
		table.Slot(word(alias))
		for i := range buf {
			buf[i] = '!'
		}
	}
	var got []word
	for k := range table.All() {
		got = append(got, k)
	}
	table.Reset()
	for i := range 5000 {
		table.Slot(word(strconv.Itoa(i)))
	}
	seen := map[string]bool{}
	i := 0
	for _, k := range want {
		if seen[k] {
			continue
		}
		seen[k] = true
		if string(got[i]) != k {
			t.Fatalf("key %d is %.40q, want %.40q", i, got[i], k)
		}
		i++
	}
}

func TestTableClonesOnce(t *testing.T) {
	calls := 0
	table := NewTable[texts, int](func(k texts) texts {
		calls++
		return texts{strings.Clone(k.host), k.code}
	})
	buf := []byte("host")
	k := texts{unsafe.String(unsafe.SliceData(buf), len(buf)), 7}
	for range 3 {
		table.Slot(k)
	}
	copy(buf, "!!!!")
	if got := rowsOf(table.All()).Keys; len(got) != 1 || got[0] != (texts{"host", 7}) || calls != 1 {
		t.Fatalf("keys %v after %d clones", got, calls)
	}
}

func TestTableNaN(t *testing.T) {
	table := NewTable[float64, int](nil)
	nan := math.NaN()
	for i := range 1000 {
		if p, fresh := table.Slot(nan); !fresh {
			t.Fatalf("NaN %d was found with value %d", i, *p)
		}
		table.Slot(1)
	}
	if !errors.Is(table.Err(), ErrNaN) || table.Len() != 1001 || table.Find(nan) != nil {
		t.Fatalf("error %v, %d keys", table.Err(), table.Len())
	}
	table.Reset()
	if table.Err() != nil || table.Len() != 0 {
		t.Fatalf("after Reset: error %v, %d keys", table.Err(), table.Len())
	}
}

func TestTableTooLarge(t *testing.T) {
	ints, strs, full := NewTable[int, int](nil), NewTable[string, int](nil), NewTable[string, int](nil)
	ints.max, strs.max = 3, 3
	full.Slot("a short one fits")
	full.arena.chunks = append(full.arena.chunks, make([][]byte, placesMax-1)...)
	for i := range 5 {
		p, _ := ints.Slot(i)
		q, _ := strs.Slot(strconv.Itoa(i))
		r, fresh := full.Slot(strings.Repeat("x", loneMin+i))
		if *p != 0 || *q != 0 || *r != 0 || !fresh {
			t.Fatalf("key %d: the slot of a refused key holds %d, %d, %d", i, *p, *q, *r)
		}
		*p, *q, *r = 1, 1, 1
	}
	full.Slot(strings.Repeat("y", chunkMin))
	for _, err := range []error{ints.Err(), strs.Err(), full.Err()} {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v", err)
		}
	}
	if ints.Len() != 3 || strs.Len() != 3 || full.Len() != 1 {
		t.Errorf("%d, %d and %d keys, want 3, 3 and 1", ints.Len(), strs.Len(), full.Len())
	}
	if p, fresh := ints.Slot(2); fresh || *p != 1 {
		t.Errorf("a full table must still find its keys")
	}
}

// TestTableAllocs: a key that is there costs no allocation, nor does a batch after the first but for its arena.
func TestTableAllocs(t *testing.T) {
	strs := keysBy(3000, func(i int) string { return strings.Repeat("k", i%30) + strconv.Itoa(i) })
	t.Run("string", func(t *testing.T) { testAllocs(t, strs, 20) })
	t.Run("int", func(t *testing.T) { testAllocs(t, keysBy(3000, func(i int) int { return i }), 0) })
	t.Run("uuid", func(t *testing.T) { testAllocs(t, keysBy(3000, func(i int) [2]int { return [2]int{i} }), 0) })
	t.Run("texts", func(t *testing.T) {
		testAllocs(t, keysBy(3000, func(i int) texts { return texts{strs[i], i} }), 0)
	})
	t.Run("float64", func(t *testing.T) {
		testAllocs(t, keysBy(3000, func(i int) float64 { return float64(i) }), 0)
	})
}

func testAllocs[K comparable](t *testing.T, keys []K, batchMax float64) {
	table := NewTable[K, int](nil)
	add := func() {
		for _, k := range keys {
			if p, fresh := table.Slot(k); fresh {
				*p = 1
			} else {
				*p++
			}
			table.Find(k)
		}
	}
	add()
	if n := testing.AllocsPerRun(5, add); n != 0 {
		t.Errorf("%v allocations for %d known keys", n, len(keys))
	}
	if n := testing.AllocsPerRun(5, func() { table.Reset(); add() }); n > batchMax {
		t.Errorf("%v allocations for a batch of %d keys, want at most %v", n, len(keys), batchMax)
	}
}

func TestTableBytes(t *testing.T) {
	table := NewTable[string, int](nil)
	last := table.Bytes()
	if last > 1024 {
		t.Errorf("an empty table takes %d bytes", last)
	}
	total := 0
	for i := range 100_000 {
		k := strconv.Itoa(i)
		total += len(k)
		table.Slot(k)
		if b := table.Bytes(); b < last {
			t.Fatalf("with %d keys: %d bytes after %d", i, b, last)
		} else {
			last = b
		}
	}
	low, high := int64(total+100_000*(8+32)), int64(2*total+100_000*(8*3+64))
	if last < low || last > high {
		t.Errorf("100,000 keys take %d bytes, want %d to %d", last, low, high)
	}
	// After a small batch the memory of the large one goes.
	for range 30 {
		table.Reset()
		table.Slot("one")
	}
	if b := table.Bytes(); b > 1<<17 {
		t.Errorf("%d bytes are held after many small batches", b)
	}
}

func TestTableStopsEarly(t *testing.T) {
	ints, strs := NewTable[int, int](nil), NewTable[string, int](nil)
	for i := range 3000 {
		ints.Slot(i)
		strs.Slot(strconv.Itoa(i))
	}
	for _, n := range []int{1, 1024, 1025, 2999} {
		i, j := 0, 0
		for range ints.All() {
			if i++; i == n {
				break
			}
		}
		for range strs.AllPtr() {
			if j++; j == n {
				break
			}
		}
		if i != n || j != n {
			t.Errorf("stopped at %d: %d and %d", n, i, j)
		}
	}
}

// FuzzTable reads operations from bytes: lengths and offsets into the bytes are the keys.
func FuzzTable(f *testing.F) {
	f.Add([]byte("the quick brown fox jumps over the lazy dog"), uint64(1))
	f.Add([]byte("\x00\x00\x00\x01\x01\x00\x00\xff\xfe"), uint64(0))
	f.Add([]byte(strings.Repeat("abab", 30)), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, n uint64) {
		data = data[:min(len(data), 512)]
		text, num := NewTable[string, int](nil), NewTable[uint16, int](nil)
		text.seed, num.seed = fixed(n), fixed(n+1)
		wantText, wantNum := map[string]int{}, map[uint16]int{}
		var order []string
		for i, c := range data {
			k := string(data[i:min(i+int(c%41), len(data))])
			if wantText[k] == 0 {
				order = append(order, k)
			}
			wantText[k]++
			p, fresh := text.Slot(k)
			if *p++; *p != wantText[k] || fresh != (*p == 1) {
				t.Fatalf("%q: %d, fresh %v, want %d", k, *p, fresh, wantText[k])
			}
			w := uint16(c) << (i % 9)
			wantNum[w]++
			q, _ := num.Slot(w)
			if *q++; *q != wantNum[w] {
				t.Fatalf("%d: %d, want %d", w, *q, wantNum[w])
			}
		}
		i := 0
		for k, v := range text.All() {
			if k != order[i] || v != wantText[k] {
				t.Fatalf("row %d: %q %d, want %q %d", i, k, v, order[i], wantText[order[i]])
			}
			i++
		}
		if i != len(order) || num.Len() != len(wantNum) {
			t.Fatalf("%d and %d keys, want %d and %d", i, num.Len(), len(order), len(wantNum))
		}
	})
}
