package avro

import (
	"fmt"
	"slices"
	"strings"

	twmb "github.com/twmb/avro"
)

// fit returns the schema with which what writer wrote is decoded into a Go type, of which fields is
// the schema. It is the writer's own, except where Go and writer differ in ways that matter: a field
// that only Go has gets its default, and a renamed one its new name. Types stay the writer's, for they
// say more than Go's do (which unit a timestamp has, which symbols an enum) and the codec turns them
// into Go's. missing names the fields that Go has, the writer lacks, and nothing stands in for.
func fit(writer *twmb.Schema, fields *twmb.SchemaNode) (fitted *twmb.Schema, missing []string, err error) {
	root := writer.Root()
	f := newFitter(root, fields)
	f.change = true
	f.value(root, fields, "")
	if !f.changed || len(f.missing) > 0 {
		return writer, f.missing, nil
	}
	reader, err := root.Schema(lax)
	if err == nil {
		fitted, err = twmb.Resolve(writer, reader)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("fitting it to the Go type: %w: give avro.Reader a schema", err)
	}
	return fitted, nil, nil
}

// uncovered names the fields that Go has and a schema lacks. With all it names those too that may be
// absent (pointers, slices and maps), which is what matters in writing: their values would be lost.
func uncovered(s *twmb.Schema, fields *twmb.SchemaNode, all bool) []string {
	if fields == nil {
		return nil
	}
	root := s.Root()
	f := newFitter(root, fields)
	f.all = all
	f.value(root, fields, "")
	return f.missing
}

// A fitter walks a writer's schema and a Go type's side by side.
type fitter struct {
	change bool // whether the writer's tree may be changed
	all    bool // whether an absent field counts that Go can do without

	written, read map[string]*twmb.SchemaNode // the named types of either side
	// owner is the Go record for which a writer's record was changed. The same record may stand where
	// another Go type reads it, which then has to do with the changes made for the first.
	owner map[*twmb.SchemaNode]*twmb.SchemaNode
	// seen ends the walk in types that contain themselves.
	seen    map[[2]*twmb.SchemaNode]bool
	changed bool
	missing []string
}

func newFitter(written, read *twmb.SchemaNode) *fitter {
	f := &fitter{
		written: map[string]*twmb.SchemaNode{}, read: map[string]*twmb.SchemaNode{},
		owner: map[*twmb.SchemaNode]*twmb.SchemaNode{}, seen: map[[2]*twmb.SchemaNode]bool{},
	}
	room := index(read, f.read, "", 0)
	index(written, f.written, "", room)
	return f
}

// index collects the named types of a tree, in which references may be short within a namespace, and
// counts its fields. With room it changes the tree: references get their full names, and each record
// room for more fields, for those that are added must not move the ones whose addresses are kept.
func index(n *twmb.SchemaNode, named map[string]*twmb.SchemaNode, namespace string, room int) (fields int) {
	switch {
	case n.Name != "":
		full := fullName(n)
		named[full], namespace = n, full[:max(strings.LastIndexByte(full, '.'), 0)]
	case room > 0 && namespace != "" && named[namespace+"."+n.Type] != nil:
		n.Type = namespace + "." + n.Type
	}
	if room > 0 {
		n.Fields = slices.Grow(n.Fields, room)
	}
	for i := range n.Fields {
		fields += 1 + index(&n.Fields[i].Type, named, namespace, room)
	}
	for i := range n.Branches {
		fields += index(&n.Branches[i], named, namespace, room)
	}
	for _, inner := range []*twmb.SchemaNode{n.Items, n.Values} {
		if inner != nil {
			fields += index(inner, named, namespace, room)
		}
	}
	return fields
}

// value fits one type to another. What is no record, and holds none, fits or not as each value does.
func (f *fitter) value(w, g *twmb.SchemaNode, path string) {
	w, g = resolve(w, f.written), notNull(resolve(g, f.read), f.read)
	if w.Type == "union" {
		if w = branchLike(w, g, f.written); w == nil {
			return
		}
	}
	switch kind := kindOf(w); {
	case kind == "" || kind != kindOf(g):
	case kind == "record":
		f.record(w, g, path)
	case kind == "array":
		f.value(w.Items, g.Items, path+"[]")
	case kind == "map":
		f.value(w.Values, g.Values, path+"[]")
	}
}

func (f *fitter) record(w, g *twmb.SchemaNode, path string) {
	pair := [2]*twmb.SchemaNode{w, g}
	if f.seen[pair] {
		return
	}
	f.seen[pair] = true
	if f.owner[w] == nil {
		f.owner[w] = g
	}
	change := f.change && f.owner[w] == g
	for i := range g.Fields {
		field := &g.Fields[i]
		at := field.Name
		if path != "" {
			at = path + "." + field.Name
		}
		mine := find(w, field.Name)
		if mine == nil && change {
			mine = f.rename(w, field)
		}
		switch {
		case mine != nil:
			f.value(&mine.Type, &field.Type, at)
		case optional(field) && !f.all:
			// Go's nil stands for it, and stays nil if nothing is decoded there.
		case change && field.HasDefault:
			w.Fields = append(w.Fields, twmb.SchemaField{
				Name: field.Name, Type: field.Type, Default: field.Default, HasDefault: true,
			})
			f.changed = true
		default:
			f.missing = append(f.missing, at)
		}
	}
}

// rename gives the writer's field that bears one of the Go field's aliases the Go field's name, and
// returns it, or nil if there is none.
func (f *fitter) rename(w *twmb.SchemaNode, field *twmb.SchemaField) *twmb.SchemaField {
	for _, alias := range field.Aliases {
		if old := find(w, alias); old != nil {
			old.Aliases = append(slices.Clone(old.Aliases), old.Name)
			old.Name = field.Name
			f.changed = true
			return old
		}
	}
	return nil
}

func find(record *twmb.SchemaNode, name string) *twmb.SchemaField {
	for i := range record.Fields {
		if record.Fields[i].Name == name {
			return &record.Fields[i]
		}
	}
	return nil
}

// optional says whether Go has a value for a field that is not there: nil.
func optional(field *twmb.SchemaField) bool {
	if field.HasDefault && field.Default == nil {
		return true // a pointer
	}
	return !field.HasDefault && (field.Type.Type == "array" || field.Type.Type == "map")
}

// kindOf is record, array or map, or "" for a type that has no fields anywhere.
func kindOf(n *twmb.SchemaNode) string {
	switch n.Type {
	case "record", "error":
		return "record"
	case "array", "map":
		return n.Type
	}
	return ""
}

// resolve follows a reference to a named type.
func resolve(n *twmb.SchemaNode, named map[string]*twmb.SchemaNode) *twmb.SchemaNode {
	if n.Name == "" {
		if definition := named[n.Type]; definition != nil {
			return definition
		}
	}
	return n
}

// notNull is what a pointer points to: Go's only unions are those of null and another type.
func notNull(n *twmb.SchemaNode, named map[string]*twmb.SchemaNode) *twmb.SchemaNode {
	if n.Type == "union" && len(n.Branches) == 2 && n.Branches[0].Type == "null" {
		return resolve(&n.Branches[1], named)
	}
	return n
}

// branchLike is the one branch of a union that is of g's kind, or nil. If there are several, which of
// them a record has is known only when it is read.
func branchLike(union, g *twmb.SchemaNode, named map[string]*twmb.SchemaNode) *twmb.SchemaNode {
	var like *twmb.SchemaNode
	for i := range union.Branches {
		branch := resolve(&union.Branches[i], named)
		if kindOf(branch) == "" || kindOf(branch) != kindOf(g) {
			continue
		}
		if like != nil {
			return nil
		}
		like = branch
	}
	return like
}
