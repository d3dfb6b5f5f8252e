package codec

import (
	"fmt"
	"reflect"
	"strings"
)

// A schemaWriter spells a plan out. seen numbers the groups in braces in the order in which they
// open; a group that comes again, in a recursive type, is only its number.
type schemaWriter struct {
	strings.Builder
	seen map[*plan]int
}

// schemaOf gives the schema of a root plan, as docs/FORMAT.md describes it.
func schemaOf(p *plan) string {
	w := schemaWriter{seen: make(map[*plan]int)}
	w.plan(p)
	return w.String()
}

func (w *schemaWriter) plan(p *plan) {
	if len(p.steps) == 1 && p.steps[0].name == "" && p.steps[0].elem == nil {
		w.step(&p.steps[0])
		return
	}
	if n, ok := w.seen[p]; ok {
		fmt.Fprintf(w, "#%d", n)
		return
	}
	w.seen[p] = len(w.seen) + 1
	w.WriteByte('{')
	for i := range p.steps {
		if i > 0 {
			w.WriteString("; ")
		}
		w.step(&p.steps[i])
	}
	w.WriteByte('}')
}

func (w *schemaWriter) step(s *step) {
	if s.name != "" {
		w.WriteString(s.name + " ")
	}
	switch s.op {
	case opByteArray:
		fmt.Fprintf(w, "[%d]byte", s.n)
		return
	case opArray:
		fmt.Fprintf(w, "[%d]", s.n)
	case opSlice:
		w.WriteString("[]")
	case opMap:
		w.WriteString("map[")
		w.plan(s.key)
		w.WriteByte(']')
	case opPointer:
		w.WriteByte('*')
	case opForeign, opProto:
		fmt.Fprintf(w, "%s(%s)", opNames[s.op], longName(s.typ))
		return
	default:
		w.WriteString(scalarWord(s))
		return
	}
	w.plan(s.elem)
}

// scalarWord is the word for a step without elements. An int has an int64's bytes on every machine.
func scalarWord(s *step) string {
	if s.typ != nil {
		switch s.typ.Kind() {
		case reflect.Int:
			return opNames[opInt64]
		case reflect.Uint, reflect.Uintptr:
			return opNames[opUint64]
		}
	}
	return opNames[s.op]
}

// longName is a type's name with its package's whole path.
func longName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() + "." + t.Name()
}
