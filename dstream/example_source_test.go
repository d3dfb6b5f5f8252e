package dstream_test

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A counter is a source of the numbers 0, 1, 2 and so on, of which each batch takes a few. A range is the first number
// and the one after the last, as plain data: whoever has it can read it again, in another process, too.
type counter struct{ each int64 }

func numbersRange(from, until int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(from)), uint64(until))
}

func parseNumbers(rng []byte) (from, until int64) {
	return int64(binary.BigEndian.Uint64(rng)), int64(binary.BigEndian.Uint64(rng[8:]))
}

// Resolve says where to begin: at 0, or after a restart where the last range ended.
func (c counter) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from != nil {
		return from, nil
	}
	return numbersRange(0, 0), nil
}

// Plan takes what follows the range before, within the limit.
func (c counter) Plan(_ context.Context, from []byte, l dstream.Limit) ([]byte, int64, error) {
	_, at := parseNumbers(from)
	n := min(c.each, l.Records)
	return numbersRange(at, at+n), n, nil
}

// Read gives a range as an RDD. It does nothing itself: its tasks do.
func (c counter) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int64] {
	from, until := parseNumbers(rng)
	return rdd.FromPartitions(sc, "counter", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int64] {
		return func(yield func(int64) bool) {
			for v := from; v < until; v++ {
				if v%1024 == 0 {
					tc.Check()
				}
				if !yield(v) {
					return
				}
			}
		}
	})
}

// Committed and Released are for sources that others watch, or that keep what was read.
func (c counter) Committed(context.Context, *dstream.Batch, []byte) error { return nil }
func (c counter) Released(context.Context, []byte) error                  { return nil }

func ExampleFromSource() {
	run(func(d *stream) *dstream.DStream[int64] {
		return dstream.FromSource[int64](d.Context(), "counter", counter{each: 3})
	})
	// Output:
	// [0 1 2] <nil>
	// [3 4 5] <nil>
}
