// Package shuffle holds the typed tables and buckets between the two sides of a shuffle.
//
// On the map side a task deals its rows into one [Bucket] for each reduce partition: with a map-side
// combine through [Combine], which keeps one row a key, and without one through [Rows]. On the reduce side
// the buckets of all map partitions, taken in the order of the map partitions, are folded by [Merge] or
// [Fold], or collected a key at a time by [Group] and [Groups]. Under all of them lies [Table], a hash table
// that is made for one look-up a record.
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
// Nothing here is safe for use by several goroutines at once, but for buckets, which may be read by many.
package shuffle
