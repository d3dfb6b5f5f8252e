// Package shuffle holds the typed tables and buckets between the two sides of a shuffle.
//
// On the map side a task deals its rows into one [Bucket] for each reduce partition: with a map-side combine through
// [Combine], which keeps one row a key, and without one through [Rows]; a [Sorter] makes one sorted run. On the reduce
// side the parts of all map partitions, taken in the order of the map partitions, are folded by [Merge], or collected a
// key at a time by [Groups], or merged by [MergeSorted]. Under the first two lies [Table], a hash table that is made
// for one look-up a record.
//
// # Order
//
// Recovery, replay and exactly-once rest on this: what comes out is a function of what went in, order
// included. A table iterates in the order in which keys first came, a bucket holds its rows in the order in
// which they (or their keys) first came, and values of one key are folded and collected in input order. The
// hash that places a key in a table is seeded at random, because keys come from strangers; nothing that can
// be seen depends on it. The function that deals keys to reduce partitions is another one, stable across
// processes, and is handed in by the caller.
//
// # Memory
//
// A record's strings often lie in a fetch buffer that is as large as a thousand records. What these types keep
// never holds on to such a buffer: types of string kind are copied into arenas, all others by clone
// functions of the caller, where a nil function says that the type holds no memory of others.
//
// What lives as long as a task or an output is counted against a budget, by way of a [Space]. Memory is asked for in
// steps, and granted or refused at once. Whoever is refused writes to disk: a table the rows of keys that it does not
// hold, dealt by a hash, to be folded later; a writer of rows or a sorter what it has so far; the groups all rows,
// dealt by a hash. Outputs of map tasks are written when others ask for their memory. None of this changes the order of
// what comes out, or which values are folded with which. The buffers of the files come on top: up to a MiB for each
// time that rows are dealt, and 100 KiB or so for each run that is merged.
//
// Nothing here is safe for use by several goroutines at once, but for buckets, which may be read by many.
package shuffle
