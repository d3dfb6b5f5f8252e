package kafka

import (
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// Values gives the value of each record. Narrow.
func Values[K, V any](d *dstream.DStream[Record[K, V]]) *dstream.DStream[V] {
	return dstream.Map(d, func(r Record[K, V]) V { return r.Value })
}

// Pairs gives key and value of each record as a pair. Narrow.
func Pairs[K, V any](d *dstream.DStream[Record[K, V]]) *dstream.DStream[rdd.Pair[K, V]] {
	return dstream.Map(d, func(r Record[K, V]) rdd.Pair[K, V] { return rdd.KV(r.Key, r.Value) })
}
