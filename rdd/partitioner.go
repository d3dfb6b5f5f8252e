package rdd

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/weirstream/weir/codec"
)

// A Partitioner deals the keys of a shuffle to partitions. Two RDDs that were dealt by equal partitioners are
// joined without a shuffle; partitioners are equal if they are the same comparable value, or if the one's
// method Equal(any) bool says so of the other.
type Partitioner[K any] interface {
	// NumPartitions is at least 1.
	NumPartitions() int
	// Partition gives the number of k's partition, from 0. It must depend on k alone.
	Partition(k K) int
}

// A ShuffleOption of the operators that shuffle.
type ShuffleOption func(*shuffleOptions)

type shuffleOptions struct {
	n          int
	by         any
	dealt      bool // n or by was given
	descending bool
	apart      bool // rows are not combined before they are sent
	err        error
}

// WithoutMapSideCombine has CombineByKey send each value as it is and make combiners on the reduce side only: for
// combiners that are no smaller than what they are made of, such as lists. Other operators pass it over.
func WithoutMapSideCombine() ShuffleOption { return func(o *shuffleOptions) { o.apart = true } }

// Descending has a sort begin with the largest element. It is for the sorting operators only.
func Descending() ShuffleOption { return func(o *shuffleOptions) { o.descending = true } }

func newShuffleOptions(opts []ShuffleOption) (o shuffleOptions) {
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Partitions sets the number of partitions after the shuffle. Without it, and without a Partitioner, an
// upstream partitioning is re-used if there is one, else it is spark.default.parallelism if that is set, else
// the largest number of partitions upstream.
func Partitions(n int) ShuffleOption {
	return func(o *shuffleOptions) { o.n, o.by, o.dealt, o.err = n, nil, true, nil }
}

// PartitionsLater is Partitions whose number is asked for when the shuffle is made: for the stream engine, which may
// learn it from a checkpoint, when the program's graph is made already.
func PartitionsLater(n func() int) ShuffleOption {
	return func(o *shuffleOptions) { o.n, o.by, o.dealt, o.err = n(), nil, true, nil }
}

// DealingOf tells how shuffles with these options deal keys: to how many partitions, 0 if the options do not say, and
// by what kind of partitioner, "" for the stable hash. It is for the stream engine, which writes it down.
func DealingOf(opts ...ShuffleOption) (n int, partitioner string) {
	o := newShuffleOptions(opts)
	if d := (&dealing{n: o.n, by: o.by}); !d.hashes() {
		partitioner = fmt.Sprintf("%T", o.by)
	}
	return o.n, partitioner
}

// PartitionBy has p deal the keys. Its key type is checked when the graph is built. How many partitions p has is asked
// once, here.
func PartitionBy[K any](p Partitioner[K]) ShuffleOption {
	if p == nil {
		return Partitions(0)
	}
	n, err := inDriver(fmt.Sprintf("NumPartitions of the partitioner %T", p), p.NumPartitions)
	return func(o *shuffleOptions) { o.n, o.by, o.dealt, o.err = n, p, true, err }
}

// A dealing is how the keys of an RDD were dealt to its partitions: by the stable hash of package codec under a seed,
// or by a user's partitioner.
type dealing struct {
	n    int
	by   any
	seed *dealSeed
}

func (d *dealing) same(e *dealing) bool {
	if d == nil || e == nil || d.n != e.n {
		return false
	}
	if d.hashes() || e.hashes() {
		return d.hashes() && e.hashes() && d.seed.same(e.seed)
	}
	if !d.atHand() || !e.atHand() {
		return Dealing{d}.Kind() == Dealing{e}.Kind()
	}
	if eq, ok := d.by.(interface{ Equal(other any) bool }); ok {
		// One that panics is as good as another: a shuffle more is right, too.
		equal, err := inDriver("Equal", func() bool { return eq.Equal(e.by) })
		return equal && err == nil
	}
	return reflect.ValueOf(d.by).Comparable() && reflect.ValueOf(e.by).Comparable() && d.by == e.by
}

// hashes tells whether keys are dealt by their stable hash: a HashPartitioner deals as none does.
func (d *dealing) hashes() bool {
	_, ok := stableHash(d.by)
	return ok || d.by == nil
}

// stableHash tells whether a partitioner is a HashPartitioner, and not one that embeds one, and gives its seed: nil if
// it has none of its own.
func stableHash(by any) (seed *dealSeed, ok bool) {
	h, ok := by.(interface {
		stableHash() (self any, seed *dealSeed)
	})
	if !ok {
		return nil, false
	}
	self, seed := h.stableHash()
	return seed, self == by
}

// PartitionerOf gives the partitioner by which r's keys are dealt to its partitions, for [PartitionBy] to deal others
// alike; false if nothing is known of how they are, as after Map, and for the result of a sort, whose ranges are found
// when it runs. Operators that were given no partitioner deal by a [HashPartitioner]. It runs no job.
func PartitionerOf[K comparable, V any](r *RDD[Pair[K, V]]) (Partitioner[K], bool) {
	if r.dealt == nil {
		return nil, false
	}
	if r.dealt.hashes() {
		p, err := NewHashPartitioner[K](r.dealt.n)
		if err == nil {
			p.seed = r.dealt.seed
		}
		return p, err == nil
	}
	p, ok := r.dealt.by.(Partitioner[K])
	return p, ok
}

// defaultDealing chooses how a shuffle deals: as its options say, else as its parents are dealt already.
func defaultDealing(sc *Context, opts []ShuffleOption, parents ...parent) (*dealing, error) {
	o := newShuffleOptions(opts)
	if o.err != nil {
		return nil, o.err
	}
	if o.descending {
		return nil, errors.New("Descending is for SortBy and SortByKey; nothing is sorted here")
	}
	if o.dealt {
		if o.n < 1 {
			return nil, fmt.Errorf("a shuffle needs at least one partition, not %d (a nil partitioner has none)", o.n)
		}
		return sc.dealing(o.n, o.by), nil
	}
	var best *dealing
	widest := 1
	for _, p := range parents {
		widest = max(widest, p.partitions)
		// One under another seed, of an RDD whose keys were dealt before the stream began, is left: whether they were
		// may be otherwise in the process that runs a batch again.
		if p.dealt != nil && sc.dealsAs(p.dealt) && (best == nil || p.dealt.n > best.n) {
			best = p.dealt
		}
	}
	best = sc.fit(best, parents)
	n := sc.parallelism.now().Shuffles
	if n == 0 {
		n = widest
	}
	// An existing partitioning is worth keeping unless it is narrower than the data by an order of magnitude.
	if best != nil && (best.n*10 > widest || best.n >= n) {
		return best, nil
	}
	return sc.dealing(n, nil), nil
}

// fit gives what can deal in the place of d, which some of the parents have: a partitioner of which only the name is
// known is none for others, whose keys the stable hash then deals to as many partitions.
func (sc *Context) fit(d *dealing, parents []parent) *dealing {
	if d == nil || d.atHand() {
		return d
	}
	alike := true
	for _, p := range parents {
		if !p.dealt.same(d) {
			alike = false
		} else if p.dealt.atHand() {
			return p.dealt
		}
	}
	if alike {
		return d
	}
	return sc.dealing(d.n, nil)
}

// A parent is what defaultDealing looks at.
type parent struct {
	partitions int
	dealt      *dealing
}

func (r *RDD[T]) asParent() parent { return parent{r.node.Partitions, r.dealt} }

// CheckShuffle tells what is wrong with a shuffle of keys of type K and values of type V with the given options,
// nil if nothing is: what the operators find when they make an RDD, for those who make RDDs later, in each batch.
func CheckShuffle[K comparable, V any](opts ...ShuffleOption) error {
	d, err := defaultDealing(nil, append([]ShuffleOption{Partitions(1)}, opts...))
	if err != nil {
		return err
	}
	if d.n > maxPartitions {
		return tooMany("each batch", d.n)
	}
	if _, err := dealer[K](d); err != nil {
		return err
	}
	if _, err := codec.For[K](); err != nil {
		return err
	}
	_, err = codec.For[V]()
	return err
}

// dealer makes, for a task, the function that deals keys of type K. A key that cannot be dealt fails the task.
func dealer[K comparable](d *dealing) (func(tc *TaskContext) func(K) int, error) {
	p, ok := d.by.(Partitioner[K])
	if !ok && d.by != nil {
		return nil, fmt.Errorf("the partitioner %T does not deal keys of type %v", d.by, reflect.TypeFor[K]())
	}
	if !d.hashes() {
		return func(tc *TaskContext) func(K) int {
			return func(k K) int {
				i := p.Partition(k)
				if i < 0 || i >= d.n {
					tc.Fail(fmt.Errorf("the partitioner %T gave partition %d for key %v: it must be from 0 to %d",
						d.by, i, k, d.n-1))
				}
				return i
			}
		}, nil
	}
	c, err := codec.ForKey[K]()
	if err != nil {
		return nil, err
	}
	return func(tc *TaskContext) func(K) int {
		seed := d.seed.value()
		return func(k K) int {
			if d.n == 1 && k == k {
				return 0
			}
			h, err := c.Hash(seed, k)
			if err != nil {
				tc.Fail(err) // NaN, which equals no key, not even itself
			}
			return codec.Partition(h, d.n)
		}
	}, nil
}

// partitionOf gives the partition that a key was dealt to.
func partitionOf[K comparable](d *dealing, k K) (int, error) {
	if !d.hashes() {
		p, ok := d.by.(Partitioner[K])
		if !ok {
			return 0, fmt.Errorf("the partitioner %T does not deal keys of type %v", d.by, reflect.TypeFor[K]())
		}
		if i := p.Partition(k); i >= 0 && i < d.n {
			return i, nil
		}
		return 0, fmt.Errorf("the partitioner %T gave no partition from 0 to %d for key %v", d.by, d.n-1, k)
	}
	c, err := codec.ForKey[K]()
	if err != nil {
		return 0, err
	}
	h, err := c.Hash(d.seed.value(), k)
	if err != nil {
		return 0, err
	}
	return codec.Partition(h, d.n), nil
}

// A HashPartitioner deals keys as shuffles do that are given no partitioner: by the stable hash of package codec. The
// hash has a seed, which is 0 but in a stream with a checkpoint, where the checkpoint keeps one that was drawn at
// random: shuffles that are given a partitioner of [NewHashPartitioner] take the stream's.
type HashPartitioner[K comparable] struct {
	n    int
	keys *codec.KeyCodec[K]
	seed *dealSeed // nil for that of the shuffle
}

// NewHashPartitioner makes the partitioner of n partitions. The error says why K cannot be a key. Asked itself, it
// deals under the seed 0; how the keys of a stream's RDDs are dealt, [PartitionerOf] tells.
func NewHashPartitioner[K comparable](n int) (*HashPartitioner[K], error) {
	if n < 1 {
		return nil, fmt.Errorf("a partitioner needs at least one partition, not %d", n)
	}
	keys, err := codec.ForKey[K]()
	if err != nil {
		return nil, err
	}
	return &HashPartitioner[K]{n: n, keys: keys}, nil
}

func (h *HashPartitioner[K]) stableHash() (self any, seed *dealSeed) {
	if h == nil { // One embeds it, and has not set it.
		return nil, nil
	}
	return h, h.seed
}

// NumPartitions implements Partitioner.
func (h *HashPartitioner[K]) NumPartitions() int { return h.n }

// Partition implements Partitioner. It panics for a NaN, which equals no key, not even itself.
func (h *HashPartitioner[K]) Partition(k K) int {
	hash, err := h.keys.Hash(h.seed.value(), k)
	if err != nil {
		panic(err)
	}
	return codec.Partition(hash, h.n)
}

// Equal tells that two hash partitioners deal alike: they have the same number of partitions, and the same seed.
func (h *HashPartitioner[K]) Equal(other any) bool {
	o, ok := other.(*HashPartitioner[K])
	return ok && o.n == h.n && (o.seed == h.seed || o.seed.value() == h.seed.value())
}
