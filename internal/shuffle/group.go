package shuffle

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
)

// Groups numbers the keys of one or more sides by the order in which they first came, side after side. One side
// makes a groupByKey, two a cogroup or a join, more a cogroup of more.
//
// When the sides do not fit into memory their rows are dealt to splits on disk by a hash of their keys. The splits are
// grouped one at a time, and divided again if they do not fit either, and the groups are merged by the position of each
// key's first row: keys come in the same order, and a key's values in theirs. The values of one key must fit.
type Groups[K comparable] struct {
	numbers *Table[K, uint32]
	sides   []groupSide[K]

	sp    *Space
	keys  *codec.Codec[K]
	held  *share
	bytes int64 // of the sides in memory
	// canDeal tells that there are codecs for keys and all values.
	canDeal bool
	dealt   *dealt[K] // nil as long as everything is in memory
}

// A groupSide is a Side, whose values are of any type.
type groupSide[K comparable] interface {
	// deal has the side's rows, which lie in memory, dealt to splits.
	deal(to *dealt[K])
	// pass has the rows of split p dealt once more.
	pass(from *dealt[K], p int, to *dealt[K])
	// load brings the rows of split p into memory.
	load(from *dealt[K], p int, l *loading[K])
	// show makes the values of a loaded key the current ones.
	show(number int)
	// write appends the current values, and read makes those the current ones that were written.
	write(dst []byte) ([]byte, error)
	read(src []byte) (rest []byte, err error)
}

// NewGroups makes an empty numbering. clone is that of NewTable.
func NewGroups[K comparable](clone func(K) K) *Groups[K] {
	return &Groups[K]{numbers: NewTable[K, uint32](clone)}
}

// Within bounds the memory to what the space grants; without codecs of keys and values, though, everything stays in
// memory.
func (g *Groups[K]) Within(sp *Space, keys *codec.Codec[K]) {
	g.sp, g.keys, g.held, g.canDeal = sp, keys, sp.share(), keys != nil
}

// Len returns the number of distinct keys of all sides, as long as they are in memory.
func (g *Groups[K]) Len() int { return g.numbers.Len() }

// Keys yields each key with its number, in the order of the numbers: 0, 1, 2 ... Side.Of gives the values of a key
// while it is yielded, and with what is in memory afterwards, too.
func (g *Groups[K]) Keys() iter.Seq2[int, K] {
	return func(yield func(int, K) bool) {
		if g.dealt != nil {
			n := -1
			g.eachDealt(g.dealt, func(_ uint64, k K) bool { n++; return yield(n, k) })
			return
		}
		for k, n := range g.numbers.AllPtr() {
			if !yield(int(*n), k) {
				return
			}
		}
	}
}

// room asks for memory for the sides and the table; without it everything goes to disk.
func (g *Groups[K]) room() bool {
	if g.sp == nil || g.held.Reach(g.bytes+g.numbers.soon(lookMax)) {
		return true
	}
	if g.canDeal {
		return false
	}
	g.held.Force(g.bytes + g.numbers.soon(lookMax))
	return true
}

// A Side holds the values of one side by the numbers of their keys.
type Side[K comparable, V any] struct {
	g    *Groups[K]
	wire Wire[K, V]
	grouped[V]
	number  int // of the side
	current []V // the values of the key that is yielded, if they come from disk
}

// grouped are values by the numbers of their keys.
type grouped[V any] struct {
	ends   []uint32 // values of key i end at ends[i] and begin where those of key i-1 end
	values []V
}

// AddSide takes all rows of one side, parts in the order of the map partitions. It takes one look-up a row and
// two passes: the first numbers and counts, the second puts each value into its place in one array that
// all keys share, so that a value costs no allocation and no second copy.
func AddSide[K comparable, V any](g *Groups[K], w Wire[K, V], in iter.Seq[Part[K, V]]) (*Side[K, V], error) {
	s := &Side[K, V]{g: g, wire: w, number: len(g.sides)}
	l := &numbering[K, V]{s: s, counts: make([]uint32, g.Len())}
	if g.canDeal = g.canDeal && w.Values != nil; !g.canDeal && g.dealt != nil {
		return nil, fmt.Errorf("group values of type %v, which no codec can write, with others that do not fit into "+
			"weir.memory.budget: raise that, or give the type MarshalBinary and UnmarshalBinary", reflect.TypeFor[V]())
	}
	for p := range in {
		switch {
		case p.Len() == 0:
		case g.dealt != nil:
			l.deal(p)
		case !l.number(p):
			l.spill()
			l.deal(p)
		}
	}
	g.sides = append(g.sides, s)
	if g.dealt != nil {
		return s, g.dealt.finish(s.number)
	}
	if l.rows > math.MaxUint32 { // what grouped.ends can name
		return nil, fmt.Errorf("group of %d rows: %w", l.rows, ErrTooLarge)
	}
	if err := g.numbers.Err(); err != nil {
		return nil, fmt.Errorf("group of %d map outputs: %w", len(l.held), err)
	}
	s.grouped = l.scatter()
	return s, nil
}

// A numbering is a side that is being read.
type numbering[K comparable, V any] struct {
	s      *Side[K, V]
	counts []uint32 // by key
	rows   uint64
	held   []numbered[K, V]
	slab   []uint32
}

// A numbered bucket is rows in memory with the numbers of their keys.
type numbered[K, V any] struct {
	Bucket[K, V]
	numbers []uint32
}

// slabMin is how many numbers are made room for at a time at least, once there were as many.
const slabMin = 4096

// number takes a part into memory; false says that there is no room.
func (l *numbering[K, V]) number(p Part[K, V]) bool {
	g := l.s.g
	n := int64(p.Len())
	g.bytes += n * (4 + sizeOf[V]() + p.heap())
	if !g.room() {
		return false
	}
	b, there := p.whole(g.sp, l.s.wire)
	if !there {
		g.bytes += n * (sizeOf[K]() + sizeOf[V]())
		if !g.room() {
			return false
		}
	}
	if len(l.slab) < b.Len() {
		l.slab = make([]uint32, max(b.Len(), int(min(l.rows, slabMin))))
	}
	numbers := l.slab[:b.Len():b.Len()]
	l.slab = l.slab[b.Len():]
	for from := 0; from < b.Len(); from += pieceLen {
		if from > 0 && !g.room() {
			return false
		}
		to := min(from+pieceLen, b.Len())
		l.counts = countKeys(g.numbers, l.counts, b.Keys[from:to], numbers[from:to])
	}
	l.rows += uint64(n)
	l.held = append(l.held, numbered[K, V]{b, numbers})
	return true
}

// countKeys numbers keys by the places of their entries, which follow the order in which they came, and counts them.
func countKeys[K comparable](t *Table[K, uint32], counts []uint32, keys []K, numbers []uint32) []uint32 {
	for len(keys) > 0 {
		n := min(len(keys), placesLen)
		for i, at := range t.places(keys[:n]) {
			if at&freshPlace != 0 {
				if at == noPlace {
					return counts // The table's Err tells.
				}
				at &^= freshPlace
				*t.value(at) = uint32(len(counts))
				counts = append(counts, 0)
			}
			number := *t.value(at)
			counts[number]++
			numbers[i] = number
		}
		keys, numbers = keys[n:], numbers[n:]
	}
	return counts
}

// scatter puts the values into the places of their keys, in input order for each key.
func (l *numbering[K, V]) scatter() grouped[V] {
	// counts becomes where the next value of each key goes, and so, at the end, where its values end.
	next := uint32(0)
	for i, n := range l.counts {
		l.counts[i] = next
		next += n
	}
	values := make([]V, l.rows)
	for _, b := range l.held {
		for i, v := range b.Values {
			n := b.numbers[i]
			values[l.counts[n]] = v
			l.counts[n]++
		}
	}
	return grouped[V]{ends: l.counts, values: values}
}

// spill has all that is in memory dealt to splits: the sides before this one, and what was held of this one.
func (l *numbering[K, V]) spill() {
	g := l.s.g
	d := newDealt(g, 0)
	for i, s := range g.sides {
		s.deal(d)
		g.sp.must(d.finish(i))
	}
	d.next = uint64(g.Len()) // A key's number is its position.
	g.dealt = d
	held := l.held
	l.held, l.slab, l.counts = nil, nil, nil
	for _, b := range held {
		l.dealBucket(b.Bucket)
	}
	g.numbers.Reset()
	g.numbers, g.bytes = NewTable[K, uint32](nil), 0
	_ = g.held.Close()
}

func (l *numbering[K, V]) deal(p Part[K, V]) {
	p.pieces(l.s.g.sp, l.s.wire, true, func(b Bucket[K, V]) bool {
		l.dealBucket(b)
		return true
	})
}

func (l *numbering[K, V]) dealBucket(b Bucket[K, V]) {
	d := l.s.g.dealt
	for i := range b.Keys {
		dealRow(d, l.s.number, d.next, l.s.wire, &b.Keys[i], &b.Values[i])
		d.next++
	}
}

// Of returns the values of the key with the given number in input order; it is empty if this side does not have
// the key. Appending to it never writes into another key's values, yet all keys' values are one array: who keeps
// a few of them should copy them.
func (s *Side[K, V]) Of(number int) []V {
	if s.g.dealt != nil {
		return s.current
	}
	return s.grouped.of(number)
}

func (s *grouped[V]) of(number int) []V {
	if number >= len(s.ends) {
		return nil
	}
	from := uint32(0)
	if number > 0 {
		from = s.ends[number-1]
	}
	to := s.ends[number]
	return s.values[from:to:to]
}

// Len returns the number of values in memory.
func (s *Side[K, V]) Len() int { return len(s.values) }

// deal implements groupSide. Values of a key lie together, which is as good as any order that keeps theirs.
func (s *Side[K, V]) deal(to *dealt[K]) {
	for k, n := range s.g.numbers.AllPtr() {
		for _, v := range s.grouped.of(int(*n)) {
			dealRow(to, s.number, uint64(*n), s.wire, &k, &v)
		}
	}
	s.grouped = grouped[V]{}
}

// pass implements groupSide.
func (s *Side[K, V]) pass(from *dealt[K], p int, to *dealt[K]) {
	eachPlaced(s.g.sp, from.file, from.split(s.number, p), func(pos uint64, src []byte) ([]byte, error) {
		k, v, rest, err := s.wire.row(src, true)
		if err == nil {
			dealRow(to, s.number, pos, s.wire, &k, &v)
		}
		return rest, err
	})
	s.g.sp.must(to.finish(s.number))
}

// load implements groupSide.
func (s *Side[K, V]) load(from *dealt[K], p int, l *loading[K]) {
	in := from.split(s.number, p)
	n := &numbering[K, V]{s: s, counts: make([]uint32, l.numbers.Len())}
	values := make([]V, 0, in.rows)
	numbers := make([]uint32, 0, in.rows)
	eachPlaced(s.g.sp, from.file, in, func(pos uint64, src []byte) ([]byte, error) {
		k, v, rest, err := s.wire.row(src, true)
		if err != nil {
			return rest, err
		}
		i, fresh := l.numbers.Slot(k)
		if fresh {
			*i = uint32(len(n.counts))
			n.counts, l.first = append(n.counts, 0), append(l.first, pos)
		}
		n.counts[*i]++
		numbers, values = append(numbers, *i), append(values, v)
		return rest, nil
	})
	n.rows = uint64(len(values))
	n.held = []numbered[K, V]{{Bucket[K, V]{Values: values}, numbers}}
	s.grouped = n.scatter()
}

// show implements groupSide.
func (s *Side[K, V]) show(number int) { s.current = s.grouped.of(number) }

// write implements groupSide.
func (s *Side[K, V]) write(dst []byte) (_ []byte, err error) {
	dst = binary.AppendUvarint(dst, uint64(len(s.current)))
	for i := range s.current {
		if dst, err = s.wire.Values.Append(dst, &s.current[i]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// read implements groupSide.
func (s *Side[K, V]) read(src []byte) ([]byte, error) {
	n, size := binary.Uvarint(src)
	if size <= 0 {
		return nil, fmt.Errorf("%w: a group begins with no count", block.ErrDamaged)
	}
	src = src[size:]
	s.current = slices.Grow([]V(nil), int(n))
	for range n {
		v, rest, err := s.wire.Values.DecodeAlias(src)
		if err != nil {
			return nil, err
		}
		s.current, src = append(s.current, v), rest
	}
	s.current = s.current[:n:n]
	return src, nil
}
