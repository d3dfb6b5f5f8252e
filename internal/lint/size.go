package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits. A function of 70 lines fits a screen; a test's table may take more of them, for it is
// read as data.
const (
	columnsMax       = 120
	tabColumns       = 4
	linesMax         = 800
	functionLinesMax = 70
	testLinesMax     = 120
)

// longByReason are the functions that may be longer than the limit: "path:name" (methods as
// Type.name), with the reason why cutting them up would make them worse.
var longByReason = map[string]string{}

// longLines holds the width of Go lines. Three kinds of lines cannot be broken, or not without
// harm: directives, those that hold a URL, and in tests those that string literals make long.
func longLines(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() {
			continue
		}
		var quoted map[int]int
		if f.Test() {
			quoted = t.quoted(f)
		}
		n := 0
		for line := range strings.Lines(string(f.Source)) {
			n++
			line = strings.TrimRight(line, "\n")
			width := columns(line)
			if width <= columnsMax || strings.HasPrefix(line, "//go:") || strings.Contains(line, "://") {
				continue
			}
			if width-quoted[n] <= columnsMax {
				continue
			}
			found = append(found, Finding{
				Path: f.Path, Line: n, What: fmt.Sprintf("the line has %d columns", width),
				Instead: fmt.Sprintf("break it before column %d (a tab counts %d)", columnsMax, tabColumns),
			})
		}
	}
	return found
}

func columns(line string) int {
	return utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tabColumns-1)
}

// quoted gives the columns that string literals take of each line. A literal over several lines
// takes all of each, but for what comes before it on its first line and after it on its last.
func (t *Tree) quoted(f *File) map[int]int {
	cols := map[int]int{}
	ast.Inspect(f.Go, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		line := t.line(lit.Pos())
		for part := range strings.Lines(lit.Value) {
			cols[line] += columns(strings.TrimRight(part, "\n"))
			line++
		}
		return true
	})
	return cols
}

// longFiles holds the length of Go files.
func longFiles(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() {
			continue
		}
		if n := strings.Count(string(f.Source), "\n"); n > linesMax {
			found = append(found, Finding{
				Path: f.Path, What: fmt.Sprintf("the file has %d lines", n),
				Instead: fmt.Sprintf("move one of its nouns into a file of its own; the limit is %d", linesMax),
			})
		}
	}
	return found
}

// longFunctions holds the length of functions, and of function literals that package variables hold.
// Literals within a function count with it.
func longFunctions(t *Tree) []Finding { return longFunctionsBut(t, longByReason) }

func longFunctionsBut(t *Tree, but map[string]string) []Finding {
	var found []Finding
	stale := maps.Clone(but)
	for _, f := range t.Files {
		if !f.Written() {
			continue
		}
		for name, node := range functions(f.Go) {
			limit := functionLinesMax
			if f.Test() && entry(name) {
				limit = testLinesMax
			}
			n := t.line(node.End()) - t.line(node.Pos()) + 1
			if n <= limit {
				continue
			}
			if key := f.Path + ":" + name; but[key] != "" {
				delete(stale, key)
				continue
			}
			found = append(found, Finding{
				Path: f.Path, Line: t.line(node.Pos()),
				What:    fmt.Sprintf("%s has %d lines", name, n),
				Instead: fmt.Sprintf("give a step of it a name of its own; the limit here is %d", limit),
			})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(stale)) {
		found = append(found, Finding{
			Path: key, What: "is listed as a long function and is none",
			Instead: "take its row out of longByReason in internal/lint/size.go",
		})
	}
	return found
}

// entry tells whether go test calls a function of this name.
func entry(name string) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// functions yields the outermost functions of a file with their names.
func functions(file *ast.File) iter.Seq2[string, ast.Node] {
	return func(yield func(string, ast.Node) bool) {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				// a FuncDecl begins at the word func: the comment above is not counted
				if !yield(functionName(d), d) {
					return
				}
			case *ast.GenDecl:
				for _, lit := range literals(d) {
					if !yield("a function literal", lit) {
						return
					}
				}
			}
		}
	}
}

// literals are the outermost function literals below n.
func literals(n ast.Node) []*ast.FuncLit {
	var found []*ast.FuncLit
	ast.Inspect(n, func(n ast.Node) bool {
		lit, ok := n.(*ast.FuncLit)
		if ok {
			found = append(found, lit)
		}
		return !ok
	})
	return found
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	return receiver(d) + "." + d.Name.Name
}

// receiver is the name of a method's type, without the star and the type parameters.
func receiver(d *ast.FuncDecl) string {
	for expr := d.Recv.List[0].Type; ; {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return "?"
		}
	}
}
