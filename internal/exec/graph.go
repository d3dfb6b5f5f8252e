package exec

import (
	"context"
	"errors"
)

// pending lists the shuffles below n whose outputs are missing, each once, parents first.
func pending(n *Node) []*Shuffle {
	var (
		order   []*Shuffle
		seen    = map[*Node]bool{}
		visited = map[*Shuffle]bool{}
		visit   func(*Node)
	)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		deps := n.Deps()
		for _, p := range deps.Narrow {
			visit(p)
		}
		for _, sh := range deps.Shuffles {
			if visited[sh] || sh.Complete() {
				continue
			}
			visited[sh] = true
			visit(sh.Parent)
			order = append(order, sh)
		}
	}
	visit(n)
	return order
}

// hold keeps the outputs of all shuffles below n until free is called: a job may be reading when they are released.
func hold(n *Node) (free func()) {
	var held []*Shuffle
	Below(n, func(*Node) bool { return true }, func(sh *Shuffle) {
		sh.hold()
		held = append(held, sh)
	})
	return func() {
		for _, sh := range held {
			sh.free()
		}
	}
}

// Below gives f each shuffle below n once, where enter says whether to go on from a node to its parents. It is asked
// once for each node, n too.
func Below(n *Node, enter func(*Node) bool, f func(*Shuffle)) {
	var (
		seen    = map[*Node]bool{}
		visited = map[*Shuffle]bool{}
		visit   func(*Node)
	)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		if seen[n] = true; !enter(n) {
			return
		}
		deps := n.Deps()
		for _, p := range deps.Narrow {
			visit(p)
		}
		for _, sh := range deps.Shuffles {
			if !visited[sh] {
				visited[sh] = true
				f(sh)
				visit(sh.Parent)
			}
		}
	}
	visit(n)
}

// invalid joins what the user did wrong anywhere below n.
func invalid(n *Node) error {
	var (
		errs  []error
		seen  = map[*Node]bool{}
		visit func(*Node)
	)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		deps := n.Deps()
		for _, p := range deps.Narrow {
			visit(p)
		}
		for _, sh := range deps.Shuffles {
			visit(sh.Parent)
		}
		if n.Err != nil {
			errs = append(errs, n.Err)
		}
	}
	visit(n)
	return errors.Join(errs...)
}

// Mark has f found by Marked; nil takes that back.
func (n *Node) Mark(f *func(context.Context) error) { n.mark.Store(f) }

// Marked gives what the marked nodes that are nearest to n, or n itself, want to have called; none below those.
func (n *Node) Marked() (fs []func(context.Context) error) {
	seen := map[*Node]bool{}
	var visit func(*Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if f := n.mark.Load(); f != nil {
			fs = append(fs, *f)
			return
		}
		deps := n.Deps()
		for _, p := range deps.Narrow {
			visit(p)
		}
		for _, sh := range deps.Shuffles {
			visit(sh.Parent)
		}
	}
	visit(n)
	return fs
}
