package rdd

import "iter"

// Parallelize makes an RDD of the elements of vs in n partitions of nearly equal length (DefaultParallelism
// if n is not given): element i lies in partition i*n/len(vs), as in Spark. vs is not copied and must not be
// changed as long as the RDD is in use.
func Parallelize[T any](sc *Context, vs []T, n ...int) *RDD[T] {
	parts := sc.DefaultParallelism()
	if len(n) > 0 {
		parts = n[0]
	}
	r := FromPartitions(sc, "parallelize", max(parts, 1), func(tc *TaskContext, p int) iter.Seq[T] {
		part := vs[p*len(vs)/parts : (p+1)*len(vs)/parts]
		return func(yield func(T) bool) {
			for i, v := range part {
				if i%1024 == 0 {
					tc.Check()
				}
				if !yield(v) {
					return
				}
			}
		}
	})
	r.setBatch(func(tc *TaskContext, p int) batches[T] {
		return inParts(tc, vs[p*len(vs)/parts:(p+1)*len(vs)/parts])
	})
	if parts < 1 {
		r.refuse("parallelize needs at least one partition, not %d", parts)
	}
	return r
}

// Empty makes an RDD without partitions.
func Empty[T any](sc *Context) *RDD[T] {
	return FromPartitions(sc, "empty", 0, func(*TaskContext, int) iter.Seq[T] { return func(func(T) bool) {} })
}
