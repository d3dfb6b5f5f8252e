// Package checkpoint keeps what a streaming program must not forget: the log of its batches, and the segments that
// received records and changes of state are written to. docs/FORMAT.md fixes the bytes.
//
// The log is slots 0, 1, 2 ..., each a file that is put if it is absent. An owner takes the log over with an entry of
// its own, and so takes the slot that its predecessor would write next: who wakes up late finds its slot taken and can
// log nothing. Each slot whose number is a multiple of [Options.Every] begins with the state of the log before it, so
// that whoever opens the log reads that slot and those behind it, and what lies further back can go.
package checkpoint
