package exec

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// A Node is a vertex of the graph of RDDs: a number of partitions, each computed from the same stage's
// parents (narrow) or from the outputs of a map stage (shuffle). The function that computes a partition
// is typed and lives with the RDD; the scheduler needs only the edges.
type Node struct {
	// ID numbers nodes within a context in the order of their making.
	ID int
	// Op is the operator's name as the user calls it, such as "reduceByKey".
	Op string
	// Name is what the user called the node, or "".
	Name string
	// Site is the user's call that made the node.
	Site Site
	// Partitions is the number of tasks of a stage that ends here.
	Partitions int
	// Err is what the user did wrong when the node was made; an action returns it.
	Err error

	// deps and hosts change once more when a checkpoint cuts the lineage, while jobs may be looking at them.
	deps  atomic.Pointer[Deps]
	hosts atomic.Pointer[func(p int) []string]
	// placed tells that the engine has placed the node and makes more of it; unplaced that the node was made of such a
	// one, and stands at its place until what it is a part of is placed.
	placed   atomic.Bool
	unplaced bool
	// mark is called after a job that the node is part of.
	mark atomic.Pointer[func(context.Context) error]
}

// Deps are the parents of a node.
type Deps struct {
	// Narrow are the parents computed in the same task.
	Narrow []*Node
	// Shuffles are the parents beyond a stage boundary.
	Shuffles []*Shuffle
}

// Place gives the node the name and place of what it stands for, and the place to the nodes that were made on the way
// to it. What is made of it stands at that place, too.
func (n *Node) Place(op string, site Site) {
	n.Op = op
	n.place(site)
	n.placed.Store(true)
}

func (n *Node) place(site Site) {
	n.Site, n.unplaced = site, false
	deps := n.Deps()
	for _, p := range deps.Narrow {
		if p.unplaced {
			p.place(site)
		}
	}
	for _, s := range deps.Shuffles {
		if s.Parent.unplaced {
			s.Parent.place(site)
		}
	}
}

// Handed says that what is made of the node from now on is made by users.
func (n *Node) Handed() { n.placed.Store(false) }

// MadeOf finds the place of a new node that is made of others, some of which may be nil: that of one which the engine
// has placed, else the user's call, whose search costs more than all else about the node.
func (n *Node) MadeOf(from []*Node) {
	for _, p := range from {
		if p != nil && (p.placed.Load() || p.unplaced) {
			n.Site, n.unplaced = p.Site, true
			return
		}
	}
	n.Site = Caller()
}

// Prefer has hosts list those on which a partition would best be computed; nil for no preference.
func (n *Node) Prefer(hosts func(p int) []string) { n.hosts.Store(&hosts) }

// Preferred lists the hosts on which a partition would best be computed; it is nil for no preference.
func (n *Node) Preferred() func(p int) []string {
	if f := n.hosts.Load(); f != nil {
		return *f
	}
	return nil
}

// Deps gives the node's parents.
func (n *Node) Deps() Deps {
	if d := n.deps.Load(); d != nil {
		return *d
	}
	return Deps{}
}

// SetDeps makes d the node's parents, and gives the node.
func (n *Node) SetDeps(d Deps) *Node {
	n.deps.Store(&d)
	return n
}

// AddNarrow adds parents that are computed in the same task, while the node is being made.
func (n *Node) AddNarrow(parents ...*Node) {
	d := n.Deps()
	d.Narrow = append(d.Narrow[:len(d.Narrow):len(d.Narrow)], parents...)
	n.SetDeps(d)
}

// AddShuffle adds a parent beyond a stage boundary, while the node is being made.
func (n *Node) AddShuffle(sh *Shuffle) {
	d := n.Deps()
	d.Shuffles = append(d.Shuffles[:len(d.Shuffles):len(d.Shuffles)], sh)
	n.SetDeps(d)
}

// A Shuffle is the edge between a map stage and the stages that read it. Its outputs live as long as the
// edge itself, so a second job over the same RDD does not run the map stage again, and dropping the RDD
// frees them.
type Shuffle struct {
	// Parent is the node whose partitions the map tasks compute.
	Parent *Node
	// Buckets is the number of reduce partitions.
	Buckets int
	// Write computes map partition p and deals its records to buckets.
	Write func(t *Task, p int) (MapOutput, error)
	// Encode and Decode carry one bucket across a process boundary. The honest mode uses them in one
	// process, so that what a cluster would refuse is found on a laptop.
	Encode func(bucket any) ([]byte, error)
	Decode func(data []byte) (bucket any, err error)
	// Decide, if not nil, is called once with the outputs of all map partitions, in their order, before any bucket is
	// asked for: the buckets of a sort can be cut only when all keys are known.
	Decide func(outputs []MapOutput) error

	mu      sync.Mutex
	outputs []MapOutput
	missing int
	started bool
	decided bool
	turn    chan struct{} // held by the job that runs the map stage
	holders int           // jobs that may read the outputs
	over    bool          // the outputs are to go when nobody holds them
}

// MapOutput is what one map task wrote: a bucket for each reduce partition. A bucket is a typed
// collection behind any: one box a bucket, none a record. An output that holds memory of a budget or a file has a
// method Release, which gives it back.
type MapOutput interface {
	Bucket(reduce int) any
}

func release(out MapOutput) {
	if r, ok := out.(interface{ Release() }); ok {
		r.Release()
	}
}

// A Store is how tasks write and read shuffle data.
type Store interface {
	// Put publishes the output of one map partition; one that is there stays.
	Put(s *Shuffle, mapPartition int, out MapOutput) error
	// Get gives the buckets of a reduce partition in the order of the map partitions. An error is the last that it
	// gives.
	Get(s *Shuffle, reduce int) iter.Seq2[any, error]
}

// Complete tells whether every map partition has published.
func (s *Shuffle) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started && s.missing == 0 && (s.decided || s.Decide == nil)
}

// Release gives back what the map tasks wrote, when the jobs that read it have ended. A job that needs it later
// computes it again.
func (s *Shuffle) Release() {
	s.mu.Lock()
	s.over = true
	outputs := s.letGo()
	s.mu.Unlock()
	releaseAll(outputs)
}

// hold keeps what the map tasks wrote, or will write, until free is called as often.
func (s *Shuffle) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders++
}

func (s *Shuffle) free() {
	s.mu.Lock()
	s.holders--
	outputs := s.letGo()
	s.mu.Unlock()
	releaseAll(outputs)
}

// letGo forgets the outputs if they were released and nobody holds them; mu is held.
func (s *Shuffle) letGo() (outputs []MapOutput) {
	if !s.over || s.holders > 0 {
		return nil
	}
	outputs = s.outputs
	s.outputs, s.missing, s.started, s.decided, s.over = nil, 0, false, false, false
	return outputs
}

func releaseAll(outputs []MapOutput) {
	for _, out := range outputs {
		if out != nil {
			release(out)
		}
	}
}

// errMissing is the error of a task that reads a shuffle before all its map tasks have published.
func (s *Shuffle) errMissing() error {
	return fmt.Errorf("outputs of %s at %s are missing", s.Parent.Op, s.Parent.Site)
}

// decide has the buckets cut, when all outputs are there. It is called by the job that has the claim.
func (s *Shuffle) decide() error {
	s.mu.Lock()
	outputs, wanted, there := s.outputs, s.Decide != nil && !s.decided, s.started && s.missing == 0
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	if !there {
		return s.errMissing()
	}
	if err := s.Decide(outputs); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decided = true
	return nil
}

// claim gives the right to run the map stage, which one job has at a time: the others find its outputs. It waits until
// ctx ends, and then gives nil.
func (s *Shuffle) claim(ctx context.Context) (release func()) {
	s.mu.Lock()
	if s.turn == nil {
		s.turn = make(chan struct{}, 1)
	}
	turn := s.turn
	s.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }
	case <-ctx.Done():
		return nil
	}
}

// absent lists the map partitions that have not published.
func (s *Shuffle) absent() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	var ps []int
	for p, out := range s.outputs {
		if out == nil {
			ps = append(ps, p)
		}
	}
	return ps
}

func (s *Shuffle) begin() {
	if !s.started {
		s.started = true
		s.outputs = make([]MapOutput, s.Parent.Partitions)
		s.missing = s.Parent.Partitions
	}
}

func (s *Shuffle) put(p int, out MapOutput) {
	if !s.publish(p, out) {
		release(out)
	}
}

// publish makes out the output of a map partition, unless there is one, which readers may hold.
func (s *Shuffle) publish(p int, out MapOutput) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	if s.outputs[p] != nil {
		return false
	}
	s.missing--
	s.outputs[p] = out
	return true
}

// buckets gives the buckets of a reduce partition.
func (s *Shuffle) buckets(reduce int) iter.Seq2[any, error] {
	s.mu.Lock()
	outputs, there := s.outputs, s.started && s.missing == 0
	s.mu.Unlock()
	return func(yield func(any, error) bool) {
		if !there {
			yield(nil, s.errMissing())
			return
		}
		for _, out := range outputs {
			if !yield(out.Bucket(reduce), nil) {
				return
			}
		}
	}
}

// Memory keeps buckets typed, in this process: nothing is encoded.
type Memory struct{}

// Put implements Store.
func (Memory) Put(s *Shuffle, p int, out MapOutput) error { s.put(p, out); return nil }

// Get implements Store.
func (Memory) Get(s *Shuffle, reduce int) iter.Seq2[any, error] { return s.buckets(reduce) }

// Honest is Memory that carries each bucket through its encoding, as a cluster would: when it is written, or where the
// buckets are cut later, when it is read.
type Honest struct{}

// Put implements Store.
func (Honest) Put(s *Shuffle, p int, out MapOutput) error {
	if s.Decide != nil {
		s.put(p, out)
		return nil
	}
	defer release(out)
	enc := make(encoded, s.Buckets)
	for i := range enc {
		data, err := s.Encode(out.Bucket(i))
		if err != nil {
			return err
		}
		enc[i] = data
	}
	s.put(p, enc)
	return nil
}

// Get implements Store.
func (Honest) Get(s *Shuffle, reduce int) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		s.buckets(reduce)(func(b any, err error) bool {
			data, written := b.([]byte)
			if err == nil && !written {
				data, err = s.Encode(b)
			}
			if err == nil {
				b, err = s.Decode(data)
			}
			return yield(b, err) && err == nil
		})
	}
}

type encoded [][]byte

func (e encoded) Bucket(i int) any { return e[i] }
