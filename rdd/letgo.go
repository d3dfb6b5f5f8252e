package rdd

import (
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/exec"
)

// Memory is what shuffles, persisted RDDs and received records share. Its type is known only within the module.
func (sc *Context) Memory() *block.Budget { return sc.budget }

// Disk is where what does not fit into memory is written. Its type is known only within the module.
func (sc *Context) Disk() *block.Disk { return sc.disk }

// NextID is the ID that the next RDD of the context will have.
func (sc *Context) NextID() int { return int(sc.nodes.Load()) }

// LetGo gives back what the shuffles hold that r and its parents read, once the jobs that read it have ended; an action
// that needs it later computes it again. It stops at RDDs older than the ID first and at those that stay: it is for the
// stream engine, whose batches end.
func (r *RDD[T]) LetGo(first int, stays func(id int) bool) {
	exec.Below(r.node, func(n *exec.Node) bool { return n.ID >= first && !stays(n.ID) }, (*exec.Shuffle).Release)
}
