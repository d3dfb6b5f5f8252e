package rdd

import "iter"

// Range makes an RDD of the numbers start, start+step, start+2*step and so on, up to end and without it, in n
// partitions of nearly equal length (DefaultParallelism if n is not given). step may be negative and must not be 0. No
// memory: the numbers are counted, not kept.
func Range(sc *Context, start, end, step int64, n ...int) *RDD[int64] {
	parts := sc.DefaultParallelism()
	if len(n) > 0 {
		parts = n[0]
	}
	length := rangeLength(start, end, step)
	r := FromPartitions(sc, "range", max(parts, 1), func(tc *TaskContext, p int) iter.Seq[int64] {
		from, to := share(length, p, parts), share(length, p+1, parts)
		return func(yield func(int64) bool) {
			v := start + int64(from)*step
			for i := from; i < to; i++ {
				if i%1024 == 0 {
					tc.Check()
				}
				if !yield(v) {
					return
				}
				v += step
			}
		}
	})
	r.setBatch(func(tc *TaskContext, p int) batches[int64] {
		return func(yield func([]int64) bool) {
			from, to := share(length, p, parts), share(length, p+1, parts)
			buf := make([]int64, batchLen)
			for v := start + int64(from)*step; from < to; {
				tc.Check()
				b := buf[:min(batchLen, to-from)]
				for i := range b {
					b[i] = v
					v += step
				}
				if from += uint64(len(b)); !yield(b) {
					return
				}
			}
		}
	})
	switch {
	case parts < 1:
		r.refuse("range needs at least one partition, not %d", parts)
	case step == 0:
		r.refuse("range needs a step other than 0")
	}
	return r
}

// rangeLength is how many numbers a range has; unsigned, for from the least to the largest number there are more than
// an int64 holds.
func rangeLength(start, end, step int64) uint64 {
	switch {
	case step > 0 && start < end:
		return (uint64(end)-uint64(start)-1)/uint64(step) + 1
	case step < 0 && start > end:
		return (uint64(start)-uint64(end)-1)/uint64(-step) + 1
	}
	return 0
}

// share gives where part p of n begins in a whole of the given length, without overflow.
func share(length uint64, p, n int) uint64 {
	q, r := length/uint64(n), length%uint64(n)
	return q*uint64(p) + r*uint64(p)/uint64(n)
}
