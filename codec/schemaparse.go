package codec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Schema is how the values of a type are written, read from the line that [Codec.Schema] gives: for who has such
// values and not their type. It shows them as JSON, and reads them from it (docs/FORMAT.md, "Values as JSON"). It is
// immutable, and any number of goroutines may use it.
type Schema struct {
	text       string
	value, key *form
	opaqueKey  bool
}

// ParseSchema reads a schema.
func ParseSchema(text string) (*Schema, error) {
	s := &Schema{text: text}
	var err error
	if s.value, _, err = parseSchema(text, false); err == nil {
		s.key, s.opaqueKey, err = parseSchema(text, true)
	}
	if err != nil {
		return nil, fmt.Errorf("codec: %q is not a schema: %w", text, err)
	}
	return s, nil
}

// String gives the line.
func (s *Schema) String() string { return s.text }

// A form is what a plan is, without a type: how one thing is written.
type form struct {
	op        op
	record    bool // a struct, which has fields and no op
	fields    []formField
	n         int // elements of an array
	key, elem *form
}

type formField struct {
	name string
	form *form
}

// A schemaReader reads what a schemaWriter wrote.
type schemaReader struct {
	rest   string
	groups []*form // in the order in which their braces open
	open   map[*form]int
	depth  int
	away   int  // how many pointers, slices and maps lie around what is read
	opaque bool // there is a type with methods of its own
}

// The bounds of what is taken for a schema: no type comes near them.
const (
	schemaDepth = 200
	arrayMax    = 1 << 26
)

func parseSchema(text string, asKey bool) (f *form, opaque bool, err error) {
	r := &schemaReader{rest: text, open: map[*form]int{}}
	if f, err = r.plan(asKey); err == nil && r.rest != "" {
		err = fmt.Errorf("%q is left over", r.rest)
	}
	if err != nil {
		return nil, false, fmt.Errorf("at byte %d: %w", len(text)-len(r.rest), err)
	}
	return f, r.opaque, nil
}

func (r *schemaReader) take(prefix string) bool {
	rest, ok := strings.CutPrefix(r.rest, prefix)
	r.rest = rest
	return ok
}

// plan reads a word, a group in braces, or the number of one.
func (r *schemaReader) plan(asKey bool) (*form, error) {
	if r.depth++; r.depth > schemaDepth {
		return nil, errDepth
	}
	defer func() { r.depth-- }()
	switch {
	case r.take("#"):
		n, err := r.number()
		if err != nil || n < 1 || n > len(r.groups) {
			return nil, errors.New("there is no group of that number before it")
		}
		g := r.groups[n-1]
		if at, open := r.open[g]; open && at == r.away {
			return nil, errors.New("a group holds itself")
		}
		return g, nil
	case !r.take("{"):
		return r.step(asKey)
	}
	g := &form{record: true}
	r.groups, r.open[g] = append(r.groups, g), r.away
	defer delete(r.open, g)
	for !r.take("}") {
		if len(g.fields) > 0 && !r.take("; ") {
			return nil, errors.New("a ; or } is missing")
		}
		name := r.name()
		f, err := r.step(asKey)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return r.alone(g, f)
		}
		if err := g.add(strings.Split(name, "."), f); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// alone is a group that is there because what it holds is not one word.
func (r *schemaReader) alone(g, f *form) (*form, error) {
	if f == g || len(g.fields) > 0 || !r.take("}") {
		return nil, errors.New("a field has no name")
	}
	*g = *f
	return g, nil
}

// add adds a field, which lies in structs whose names come first in path.
func (f *form) add(path []string, field *form) error {
	i := slices.IndexFunc(f.fields, func(x formField) bool { return x.name == path[0] })
	switch {
	case i >= 0 && (i != len(f.fields)-1 || len(path) == 1 || !f.fields[i].form.record):
		return fmt.Errorf("the field %s comes twice", path[0])
	case len(path) == 1:
		f.fields = append(f.fields, formField{path[0], field})
		return nil
	case i < 0:
		f.fields = append(f.fields, formField{path[0], &form{record: true}})
		i = len(f.fields) - 1
	}
	return f.fields[i].form.add(path[1:], field)
}

// name takes the name of a field, if there is one: a word in front of a blank.
func (r *schemaReader) name() string {
	end := strings.IndexAny(r.rest, " ;}]{[(*#")
	if end <= 0 || r.rest[end] != ' ' {
		return ""
	}
	name := r.rest[:end]
	r.rest = r.rest[end+1:]
	return name
}

func (r *schemaReader) number() (int, error) {
	end := 0
	for end < len(r.rest) && '0' <= r.rest[end] && r.rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(r.rest[:end])
	r.rest = r.rest[end:]
	return n, err
}

// step reads one thing that is not a struct by itself.
func (r *schemaReader) step(asKey bool) (*form, error) {
	switch {
	case r.take("map["):
		key, err := r.plan(true)
		if err == nil && !r.take("]") {
			err = errors.New("a ] is missing")
		}
		if err != nil {
			return nil, err
		}
		elem, err := r.inside(asKey)
		return &form{op: opMap, key: key, elem: elem}, err
	case r.take("[]"):
		elem, err := r.inside(asKey)
		return &form{op: opSlice, elem: elem}, err
	case r.take("*"):
		elem, err := r.inside(asKey)
		return &form{op: opPointer, elem: elem}, err
	case r.take("["):
		return r.array(asKey)
	case strings.HasPrefix(r.rest, "own("), strings.HasPrefix(r.rest, "proto("):
		return r.methods()
	}
	return r.word(asKey)
}

// inside reads what lies in memory of its own, so that a group may hold itself there.
func (r *schemaReader) inside(asKey bool) (*form, error) {
	r.away++
	defer func() { r.away-- }()
	return r.plan(asKey)
}

func (r *schemaReader) array(asKey bool) (*form, error) {
	n, err := r.number()
	if err != nil || n > arrayMax || !r.take("]") {
		return nil, errors.New("an array has no length, or one that no array has")
	}
	if !strings.HasPrefix(r.rest, "bytes") && r.take("byte") {
		return &form{op: opByteArray, n: n}, nil
	}
	elem, err := r.plan(asKey)
	return &form{op: opArray, n: n, elem: elem}, err
}

// methods reads a type that has methods of its own: all that is known of it is its name.
func (r *schemaReader) methods() (*form, error) {
	f := &form{op: opForeign}
	if strings.HasPrefix(r.rest, "proto(") {
		f.op = opProto
	}
	r.opaque = true
	open := 0
	for i, c := range r.rest {
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				r.rest = r.rest[i+1:]
				return f, nil
			}
		}
	}
	return nil, errors.New("a ) is missing")
}

// opOf gives the things that stand for themselves by their words.
var opOf = func() map[string]op {
	all := map[string]op{}
	for o := opBool; o <= opComplex128; o++ {
		if o != opByteArray {
			all[opNames[o]] = o
		}
	}
	for o := opTime; o <= opPrefix; o++ {
		all[opNames[o]] = o
	}
	return all
}()

func (r *schemaReader) word(asKey bool) (*form, error) {
	end := 0
	for end < len(r.rest) && !strings.ContainsRune(" ;}]", rune(r.rest[end])) {
		end++
	}
	o, ok := opOf[r.rest[:end]]
	if !ok {
		return nil, fmt.Errorf("%q is not a word of schemas", r.rest[:end])
	}
	r.rest = r.rest[end:]
	if asKey {
		o = keyOp(o)
	}
	return &form{op: o}, nil
}
