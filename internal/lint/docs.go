package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"iter"
	"strings"
	"unicode/utf8"
)

// docs holds that each exported declaration outside tests has a comment that begins with its name,
// after an article if it likes. Constants and variables in parentheses may share the comment of
// their group. Methods of unexported types and fields are left to judgement.
func docs(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() || f.Test() {
			continue
		}
		for _, decl := range f.Go.Decls {
			for name, doc := range exported(decl) {
				if begins(doc, name.Name) {
					continue
				}
				what := name.Name + " has no comment"
				if doc.Text() != "" {
					what = fmt.Sprintf("the comment of %s does not begin with its name", name.Name)
				}
				found = append(found, Finding{
					Path: f.Path, Line: t.line(name.Pos()), What: what,
					Instead: fmt.Sprintf("begin %q and say meaning, units and errors", "// "+name.Name+" "),
				})
			}
		}
	}
	return found
}

// exported yields the exported names that a declaration makes, with the comment that must speak of
// each. Names that their group's comment covers are not yielded.
func exported(decl ast.Decl) iter.Seq2[*ast.Ident, *ast.CommentGroup] {
	return func(yield func(*ast.Ident, *ast.CommentGroup) bool) {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
				yield(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, named := range exportedBy(d, spec) {
					if !yield(named.name, named.doc) {
						return
					}
				}
			}
		}
	}
}

type named struct {
	name *ast.Ident
	doc  *ast.CommentGroup
}

func exportedBy(d *ast.GenDecl, spec ast.Spec) []named {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		doc := s.Doc
		if doc == nil && !d.Lparen.IsValid() {
			doc = d.Doc
		}
		if s.Name.IsExported() {
			return []named{{s.Name, doc}}
		}
	case *ast.ValueSpec:
		if d.Lparen.IsValid() && d.Doc.Text() != "" {
			return nil
		}
		doc := s.Doc
		if !d.Lparen.IsValid() {
			doc = d.Doc
		}
		// var A, B = f(): the first exported name stands for all
		for _, name := range s.Names {
			if name.IsExported() {
				return []named{{name, doc}}
			}
		}
	}
	return nil
}

// begins tells whether a comment begins with a name, as a whole word.
func begins(doc *ast.CommentGroup, name string) bool {
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	rest, ok := strings.CutPrefix(text, name)
	if !ok {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return !token.IsIdentifier("x" + string(next)) // else the comment speaks of a longer name
}
