package dstream

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/conf"
)

// TestIDSettings: each id can be named in each of the settings that name ids, also beside others.
func TestIDSettings(t *testing.T) {
	ids := []string{"a", "a b", "map[func(int, string) bool](x,y)", "a=b", "a => b", "a;b", `"a"`, `a "b"`, " a ", ";", "=",
		"struct { A int; B string }", `struct { A int "json:\"a;b\"" }`, "\n", "ä\\"}
	for _, id := range ids {
		for _, other := range ids {
			if id == other {
				continue
			}
			ssc := &Context{conf: conf.New().
				Set(conf.CheckpointRename.Name(), idSetting(id)+"=>"+idSetting(other)+" ; x => y;").
				Set(conf.CheckpointDrop.Name(), "z;"+idSetting(other)).
				Set(conf.SinkAccept.Name(), idSetting(other)+"=loss;"+idSetting(id)+" = duplicates")}
			got, err := ssc.renames()
			if want := fmt.Sprint(map[string]string{id: other, "x": "y", "z": "", other: ""}); err != nil ||
				fmt.Sprint(got) != want {
				t.Errorf("%q, %q: %v, %v; want %s", id, other, got, err, want)
			}
			if a, b := ssc.accepted(id), ssc.accepted(other); a != acceptDuplicates || b != acceptLoss ||
				ssc.mayAccept() != nil {
				t.Errorf("%q, %q: accepted %s, %s (%v)", id, other, a, b, ssc.mayAccept())
			}
		}
	}
}

// TestNamesAreLiteral: a name is an id as it is, whatever signs it has, and no other node gets it.
func TestNamesAreLiteral(t *testing.T) {
	ssc := &Context{}
	add := func(name, op string, parents ...*node) *node {
		n := &node{ssc: ssc, name: name, op: op, typ: "int", parents: parents}
		ssc.nodes = append(ssc.nodes, n)
		return n
	}
	a1, a2 := add("a#1", "source"), add("a#2", "source")
	m1, m2 := add("", "map", a1), add("", "map", a2)
	first, second, third := add("", "map", a1), add("", "map", a1), add("", "map", a2)
	twin, named := add("", "filter", a1), add("filter[int](a#1)", "map", a2)
	late := add("map[int](a#1)#2", "map", a2)
	ids := ssc.operatorIDs()
	for n, want := range map[*node]string{
		a1: "a#1", a2: "a#2", m1: "map[int](a#1)", m2: "map[int](a#2)", first: "map[int](a#1)#3", second: "map[int](a#1)#4",
		third: "map[int](a#2)#2", twin: "filter[int](a#1)#1", named: "filter[int](a#1)", late: "map[int](a#1)#2",
	} {
		if ids[n] != want {
			t.Errorf("%q at the place of %q", ids[n], want)
		}
	}
	told := func(nodes ...*node) bool {
		ssc.outputs = nil
		for _, n := range nodes {
			ssc.outputs = append(ssc.outputs, &Output{node: n})
		}
		return ssc.mustTell() == nil
	}
	if !told(a1, a2) || !told(m1, m2) || !told(a1, late, m1) || told(m1, first) || told(m2, third) ||
		told(first, second) {
		t.Error("what differs by names is alike, or what differs by numbers is not")
	}
	for _, pair := range [][2]string{{"a#1", "a#1"}, {"a#1", "a"}, {"f(a#1)#2", "f(a#1)"}, {"f(a#1#3)", "f(a#1)"},
		{"f(a,b#2)", "f(a,b)"}, {"", ""}} {
		if !numbered(pair[0], pair[1]) {
			t.Errorf("%q is not %q with numbers", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{"a#2", "a#1"}, {"a", "a#1"}, {"f(a#2)", "f(a#1)"}, {"a#", "a"}, {"ab", "a"}, {"a", "ab"},
		{"a#2b", "a"}, {"", "a"}, {"a", ""}, {"#2", "a"}} {
		if numbered(pair[0], pair[1]) {
			t.Errorf("%q is taken for %q with numbers", pair[0], pair[1])
		}
	}
}
