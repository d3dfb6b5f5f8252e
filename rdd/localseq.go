package rdd

import (
	"context"
	"iter"
)

// ToLocalSeq yields all elements in the driver, the partitions in order, each by a job of its own when the one before
// it has been read: the driver holds one partition at a time. Persist r if it costs anything to compute. An error ends
// the sequence; it comes with the zero element.
func ToLocalSeq[T any](ctx context.Context, r *RDD[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for p := range max(r.node.Partitions, 1) {
			var part []T
			err := run(ctx, r, "toLocalSeq", r.all()[p:min(p+1, r.node.Partitions)], gather[T](-1),
				func(_ int, vs []T) error { part = vs; return nil })
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range part {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}
