package dstream_test

import (
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func ExampleConstantStream() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.Pair[int, string]]] {
		names := rdd.Parallelize(d.Context().RDD(), []rdd.Pair[string, string]{rdd.KV("odd", "impair")})
		return dstream.Join(dstream.Map(d, parity), dstream.ConstantStream(d.Context(), names))
	})
	// Output:
	// [(odd,(1,impair)) (odd,(3,impair))] <nil>
	// [] <nil>
}

func ExampleTransformAll() {
	run(func(d *stream) *stream {
		return dstream.TransformAll([]*stream{d, d}, func(rs []*rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
			return rdd.Distinct(rdd.Union(rs[0], rs[1:]...))
		})
	})
	// Output:
	// [1 2 3] <nil>
	// [4] <nil>
}
