package rdd

import "strings"

// A StorageLevel says how the partitions of an RDD are kept once they were computed. The names are Spark's. Copies on
// other machines (_2, _3) have no meaning in one process, and memory off the heap is memory here: the levels that ask
// for them are the same as those that do not.
type StorageLevel struct {
	// Disk takes what does not fit into memory; Memory keeps partitions there as long as there is room.
	Disk, Memory bool
	// Serialized keeps them encoded: smaller, without work for the garbage collector, and decoded at each use.
	Serialized bool
}

// The storage levels.
var (
	NotPersisted      = StorageLevel{}
	MemoryOnly        = StorageLevel{Memory: true}
	MemoryOnlySer     = StorageLevel{Memory: true, Serialized: true}
	MemoryAndDisk     = StorageLevel{Memory: true, Disk: true}
	MemoryAndDiskSer  = StorageLevel{Memory: true, Disk: true, Serialized: true}
	DiskOnly          = StorageLevel{Disk: true, Serialized: true}
	MemoryOnly2       = MemoryOnly
	MemoryOnlySer2    = MemoryOnlySer
	MemoryAndDisk2    = MemoryAndDisk
	MemoryAndDiskSer2 = MemoryAndDiskSer
	DiskOnly2         = DiskOnly
	DiskOnly3         = DiskOnly
	OffHeap           = MemoryAndDiskSer
)

// String gives the level as Spark's name.
func (l StorageLevel) String() string {
	if l == (StorageLevel{}) {
		return "NONE"
	}
	var words []string
	if l.Memory {
		words = append(words, "MEMORY")
	}
	if l.Disk {
		words = append(words, "DISK")
	}
	name := strings.Join(words, "_AND_")
	if len(words) == 1 {
		name += "_ONLY"
	}
	if l.Serialized && l.Memory {
		name += "_SER"
	}
	return name
}
