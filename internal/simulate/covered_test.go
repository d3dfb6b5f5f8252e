package simulate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOperatorsAreCovered: each operator and action of packages rdd and dstream is tried by graphs or chains, or is an
// exception with a reason. What is tried is what the files here call: TestGraphsCover and TestChainsCover see to it
// that what they list is really drawn.
func TestOperatorsAreCovered(t *testing.T) {
	called := selectors(t)
	for pkg, datum := range map[string]string{"rdd": "RDD", "dstream": "DStream"} {
		ops := operatorsOf(t, "../../"+pkg, datum)
		if len(ops) < 50 {
			t.Errorf("package %s has only the operators %v", pkg, ops)
		}
		for _, op := range ops {
			name := pkg + "." + op
			reason, excepted := exceptions[name]
			method := strings.Contains(op, "(")
			tried := called[name] || method && called[op[strings.Index(op, ").")+2:]]
			switch {
			case !tried && !excepted:
				t.Errorf("%s is neither tried by graphs or chains nor an exception: add it to operators_test.go, "+
					"chainoperators_test.go or action_test.go, or say here why not", name)
			case tried && excepted:
				t.Errorf("%s is tried, and an exception (%s): drop the exception", name, reason)
			}
		}
		for name := range exceptions {
			if op, ok := strings.CutPrefix(name, pkg+"."); ok && !slices.Contains(ops, op) {
				t.Errorf("the exception %s is no operator", name)
			}
		}
	}
}

// operatorsOf lists the exported functions and methods of a package that take or give an RDD or a stream.
func operatorsOf(t *testing.T, dir, datum string) []string {
	t.Helper()
	ops := map[string]bool{}
	for _, file := range parse(t, dir, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			switch {
			case f.Recv == nil && mentions(f.Type, datum):
				ops[f.Name.Name] = true
			case f.Recv != nil && f.Type.Results != nil && mentions(f.Recv.List[0].Type, datum) &&
				mentions(f.Type.Results, datum):
				ops["("+datum+")."+f.Name.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ops))
}

// mentions tells whether a type is that of an RDD or a stream.
func mentions(n ast.Node, datum string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == datum
		return !found
	})
	return found
}

// selectors are the names that the files here call: functions with their package, and methods without.
func selectors(t *testing.T) map[string]bool {
	t.Helper()
	called := map[string]bool{}
	for _, file := range parse(t, ".", func(name string) bool { return name != "covered_test.go" }) {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			called[s.Sel.Name] = true
			if pkg, ok := s.X.(*ast.Ident); ok {
				called[pkg.Name+"."+s.Sel.Name] = true
			}
			return true
		})
	}
	return called
}

func parse(t *testing.T, dir string, wanted func(name string) bool) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !wanted(filepath.Base(name)) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// exceptions are what neither graphs nor chains try, and why.
var exceptions = map[string]string{
	"rdd.(RDD).Prefer":          "for operators of other packages; a wish that changes no answer",
	"rdd.(RDD).Handed":          "changes where what is made of an RDD says that it was made, and no element",
	"rdd.DerivePartitions":      "is for makers of operators; dstream's MapTry to dead letters is one",
	"dstream.DeadLetters":       "holds what left other streams; deadletter_test.go reads each way of that",
	"rdd.BinaryFiles":           "gives handles of files, not elements; files_test.go reads them",
	"rdd.BinaryRecords":         "needs a file of records; files_test.go writes one",
	"rdd.FromPartitionsLike":    "trusts its caller with how keys are dealt; windows by key are made of it",
	"rdd.FromPartitionsDealt":   "the same; windows of elements are made of it after a restart",
	"rdd.PartitionerOf":         "tells how an RDD is dealt, makes none",
	"rdd.Pipe":                  "starts processes, whose time no bubble makes virtual; example_transformation_test.go does",
	"rdd.WholeTextFiles":        "needs a folder of files; files_test.go makes one",
	"dstream.Find":              "finds streams, makes none",
	"dstream.Foreach":           "is ForeachPartition; its body alone cannot tell the attempts at an element apart",
	"dstream.Print":             "writes the first elements as a text; example_test.go reads it",
	"dstream.Range":             "tells what a batch took from a source",
	"dstream.SaveAsObjectFiles": "is the action SaveAsObjectFile, which chains try, a batch",
	"dstream.SaveAsTextFiles":   "is the action SaveAsTextFile, which chains try, a batch",
	"dstream.Slice":             "is asked from outside of a batch; slice_test.go does",
	"dstream.SourceOf":          "gives the source of a stream, makes none",
	"dstream.Substitute":        "replaces a source before the start; substitute_test.go does",
}
