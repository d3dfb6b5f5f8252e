package dstream

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// operatorIDs gives every node the id by which logs know it: its name, else what it is (kind, type, ids of
// its parents), never a counter, so that adding an operator elsewhere changes no id. Unnamed nodes that are
// alike in all of this are told apart by their order.
func (ssc *Context) operatorIDs() map[*node]string {
	ids := make(map[*node]string, len(ssc.nodes))
	taken := map[string]int{}
	for _, n := range ssc.nodes {
		id := n.name
		if id == "" {
			parents := make([]string, len(n.parents))
			for i, p := range n.parents {
				parents[i] = ids[p]
			}
			id = fmt.Sprintf("%s[%s](%s)", n.op, n.typ, strings.Join(parents, ","))
			if len(id) > 200 {
				// A long chain is named by its end and a hash of the rest.
				id = fmt.Sprintf("%s[%s](%016x)", n.op, n.typ, hash(id))
			}
		}
		taken[id]++
		if taken[id] > 1 {
			id = fmt.Sprintf("%s#%d", id, taken[id])
		}
		ids[n] = id
	}
	return ids
}

func (ssc *Context) inputIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.inputs))
	for i, in := range ssc.inputs {
		ids[i] = all[in.node]
	}
	return ids
}

func (ssc *Context) outputIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.outputs))
	for i, o := range ssc.outputs {
		ids[i] = all[o.node]
	}
	return ids
}

func (ssc *Context) stateIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.states))
	for i, k := range ssc.states {
		ids[i] = all[k.node]
	}
	return ids
}

// fingerprint tells graphs apart: ids, kinds, types and edges.
func (ssc *Context) fingerprint() uint64 {
	ids := ssc.operatorIDs()
	var b strings.Builder
	for _, n := range ssc.nodes {
		fmt.Fprintf(&b, "%s|%s|%s|%d", ids[n], n.op, n.typ, n.slide.Milliseconds())
		for _, p := range n.parents {
			b.WriteString("|" + ids[p])
		}
		b.WriteByte('\n')
	}
	return hash(b.String())
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
