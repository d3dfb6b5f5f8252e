package rdd

import (
	"fmt"

	"github.com/weirstream/weir/codec"
)

// A KeyDealer tells where a shuffle deals keys to, for those that keep values by key between shuffles.
type KeyDealer[K comparable] struct {
	n    int
	seed uint64
	by   Partitioner[K]
	// hashes tells that the partition is that of the hash under the seed: by is nil, or has no seed of its own.
	hashes bool
	keys   *codec.KeyCodec[K]
}

// NewKeyDealer makes the dealer of shuffles with the given options, which must say how many partitions there are or
// give a partitioner, while [Context.DealUnder] has the hash deal under the seed.
func NewKeyDealer[K comparable](seed uint64, opts ...ShuffleOption) (*KeyDealer[K], error) {
	if err := CheckShuffle[K, struct{}](opts...); err != nil {
		return nil, err
	}
	keys, err := codec.ForKey[K]()
	if err != nil {
		return nil, err
	}
	o := newShuffleOptions(opts)
	d := &KeyDealer[K]{n: o.n, seed: seed, keys: keys}
	if o.by != nil {
		d.by = o.by.(Partitioner[K]) // CheckShuffle has looked.
	}
	own, hashes := stableHash(o.by)
	d.hashes = d.by == nil || hashes && own == nil
	return d, nil
}

// NumPartitions is the number of partitions.
func (d *KeyDealer[K]) NumPartitions() int { return d.n }

// Partitioned tells that there is a partitioner.
func (d *KeyDealer[K]) Partitioned() bool { return d.by != nil }

// Seed is the seed of the hash.
func (d *KeyDealer[K]) Seed() uint64 { return d.seed }

// Deal gives the partition of a key, and the hash of its canonical bytes.
func (d *KeyDealer[K]) Deal(k K) (partition int, hash uint64, err error) {
	hash, err = d.keys.Hash(d.seed, k)
	if err != nil {
		return 0, 0, err
	}
	if d.hashes {
		return codec.Partition(hash, d.n), hash, nil
	}
	if partition = d.by.Partition(k); partition < 0 || partition >= d.n {
		err = fmt.Errorf("the partitioner %T gave partition %d for key %v: it must be from 0 to %d", d.by, partition, k,
			d.n-1)
	}
	return partition, hash, err
}
