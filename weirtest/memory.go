package weirtest

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// memory is a source of batches that are known beforehand. A range is the number of a batch.
type memory[T any] struct {
	batches  [][]T
	failures int
}

func place(batch uint64) []byte { return binary.BigEndian.AppendUint64(nil, batch) }

// Resolve implements dstream.Source. A position is the number of the batch before.
func (m *memory[T]) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return place(0), nil
	}
	return from, nil
}

// Plan implements dstream.Source.
func (m *memory[T]) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	next := binary.BigEndian.Uint64(from) + 1
	return place(next), int64(len(m.batch(next))), nil
}

// batch gives the elements of a batch, counted from 1.
func (m *memory[T]) batch(number uint64) []T {
	if number > uint64(len(m.batches)) {
		return nil
	}
	return m.batches[number-1]
}

// Read implements dstream.Source. There are always as many partitions as tasks may run with, so that some are empty.
func (m *memory[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	vs := m.batch(binary.BigEndian.Uint64(rng))
	return failing(rdd.Parallelize(sc, vs, sc.DefaultParallelism()), m.failures)
}

// Committed implements dstream.Source.
func (m *memory[T]) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (m *memory[T]) Released(context.Context, []byte) error { return nil }

var errWanted = errors.New("weirtest.FailTasks wants this attempt to fail")

// failing has the first n attempts at each partition fail.
func failing[T any](r *rdd.RDD[T], n int) *rdd.RDD[T] {
	if n <= 0 {
		return r
	}
	return rdd.MapPartitions(r, func(tc *rdd.TaskContext, in iter.Seq[T]) iter.Seq[T] {
		return func(yield func(T) bool) {
			for v := range in {
				if !yield(v) {
					return
				}
				if tc.AttemptNumber() < n {
					tc.Fail(errWanted)
				}
			}
			if tc.AttemptNumber() < n {
				tc.Fail(errWanted)
			}
		}
	})
}
