package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// initFunctions finds init(): what runs at import runs for those who did not ask for it, in an order
// that nobody wrote down.
func initFunctions(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() {
			continue
		}
		for _, decl := range f.Go.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" {
				found = append(found, Finding{
					Path: f.Path, Line: t.line(d.Pos()), What: "init runs at import",
					Instead: "hand the thing in as a value, use sync.OnceValue, or TestMain in tests",
				})
			}
		}
	}
	return found
}

// globals finds package variables that hold a channel or a timer or start a goroutine: they would
// belong to the testing/synctest bubble that happens to touch them first, and fail in the next.
func globals(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() {
			continue
		}
		pkg := f.local("time")
		for _, decl := range f.Go.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				if what := lively(s, pkg); what != "" {
					found = append(found, Finding{
						Path: f.Path, Line: t.line(s.Pos()),
						What:    fmt.Sprintf("the package variable %s holds %s", s.Names[0].Name, what),
						Instead: "keep it in a value that a context or a job owns and closes",
					})
				}
			}
		}
	}
	return found
}

// lively names what a variable's type or first value holds that lives in a bubble, or "". What a
// function literal does when it is called later is its caller's.
func lively(s *ast.ValueSpec, timePkg string) string {
	what := ""
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if lit, ok := n.Fun.(*ast.FuncLit); ok && starts(lit) {
				what = "the work of a goroutine"
			}
		case *ast.FuncLit, *ast.FuncType:
			return false
		case *ast.ChanType:
			what = "a channel"
		}
		if refers(n, timePkg, "NewTimer", "NewTicker", "After", "AfterFunc", "Tick", "Timer", "Ticker") {
			what = "a timer"
		}
		return true
	}
	if s.Type != nil {
		ast.Inspect(s.Type, look)
	}
	for _, v := range s.Values {
		ast.Inspect(v, look)
	}
	return what
}

func starts(lit *ast.FuncLit) bool {
	found := false
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		_, ok := n.(*ast.GoStmt)
		found = found || ok
		return !found
	})
	return found
}

// sleepsByReason are the folders whose tests may call time.Sleep, with the reason.
var sleepsByReason = map[string]string{
	"internal/realkafka": "real brokers are other processes: their state can only be polled",
}

// sleeps finds time.Sleep in tests. A sleep within a function literal given to synctest.Test, or to a
// row of weirtest, is none: time in the bubble is virtual, and passes when all else in it waits.
func sleeps(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() || !f.Test() || mayPoll(f.Dir()) {
			continue
		}
		pkg, bubble, rows := f.local("time"), f.local("testing/synctest"), f.local(t.Module+"/weirtest")
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok &&
				(refers(call.Fun, bubble, "Test") || refers(call.Fun, rows, "Op", "Op2", "Run")) {
				return false
			}
			if refers(n, pkg, "Sleep") {
				found = append(found, Finding{
					Path: f.Path, Line: t.line(n.Pos()), What: "the test waits by the clock",
					Instead: "wait for the event itself, or run in synctest.Test, where time is virtual",
				})
			}
			return true
		})
	}
	return found
}

func mayPoll(dir string) bool {
	for folder := range sleepsByReason {
		if under(dir, []string{folder}) {
			return true
		}
	}
	return false
}

// prints finds what writes to standard output in libraries. Commands, tests and the examples, whose
// work is to print, may.
func prints(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Written() || f.Test() || f.Go.Name.Name == "main" || strings.HasPrefix(f.Path, "examples/") {
			continue
		}
		pkg := f.local("fmt")
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if refers(n, pkg, "Print", "Printf", "Println") {
				found = append(found, Finding{
					Path: f.Path, Line: t.line(n.Pos()), What: "a library writes to standard output",
					Instead: "write to an io.Writer that was handed in (fmt.Fprint), or to the slog.Logger",
				})
			}
			return true
		})
	}
	return found
}
