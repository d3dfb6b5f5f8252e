package simulate

import (
	"context"
	"strconv"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// makeInput makes the stream of an input.
func makeInput[T any](x *execution, in *input) any {
	if x.life != nil && in.how == wholeQueue {
		r := &delivery[T]{in: in, life: x.life, interval: x.interval}
		return dstream.ReceiverStream(x.ssc, "delivery", dstream.Receiver[T](r))
	}
	if x.life != nil && in.how != constant {
		return dstream.FromSource(x.ssc, "stock", dstream.Source[T](&stock[T]{in, x.life}))
	}
	switch in.how {
	case source:
		return dstream.FromSource(x.ssc, "entries", dstream.Source[T](&entries[T]{in}))
	case constant:
		s := entries[T]{in}
		return dstream.ConstantStream(x.ssc, s.Read(x.ssc.RDD(), []byte("0")))
	}
	q := dstream.NewQueue[T]()
	for _, e := range in.entries {
		if in.how == rddQueue {
			q.AddRDD(rdd.Parallelize(x.ssc.RDD(), e.rows.([]T), e.partitions))
		} else {
			q.Add(e.rows.([]T)...)
		}
	}
	if in.how == wholeQueue {
		return dstream.QueueStream(x.ssc, q, dstream.AllAtOnce())
	}
	return dstream.QueueStream(x.ssc, q)
}

// entries is a source of one entry a batch. A range is the entry's number.
type entries[T any] struct{ in *input }

// Resolve implements dstream.Source.
func (s *entries[T]) Resolve(context.Context, []byte) ([]byte, error) { return []byte("-1"), nil }

// Plan implements dstream.Source.
func (s *entries[T]) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	n, err := strconv.Atoi(string(from))
	if err != nil || n+1 >= len(s.in.entries) {
		return []byte(strconv.Itoa(n + 1)), 0, err
	}
	rows, _ := s.in.entries[n+1].rows.([]T)
	return []byte(strconv.Itoa(n + 1)), int64(len(rows)), nil
}

// Read implements dstream.Source.
func (s *entries[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	n, err := strconv.Atoi(string(rng))
	if err != nil || n >= len(s.in.entries) || s.in.entries[n].rows == nil {
		return rdd.Empty[T](sc)
	}
	return rdd.Parallelize(sc, s.in.entries[n].rows.([]T), s.in.entries[n].partitions)
}

// Committed implements dstream.Source.
func (s *entries[T]) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (s *entries[T]) Released(context.Context, []byte) error { return nil }

// A clock is a source that no output reads: it notes the batches. A listener would do, but cost more than the batches.
type clock struct {
	entries[int]
	x *execution
}

// Plan implements dstream.Source.
func (c *clock) Plan(context.Context, []byte, dstream.Limit) ([]byte, int64, error) {
	return nil, 0, nil
}

// Committed implements dstream.Source.
func (c *clock) Committed(_ context.Context, b *dstream.Batch, _ []byte) error {
	c.x.batches = append(c.x.batches, batch{b.Time, b.Sequence})
	return nil
}
