package conf

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every exported Setting variable is in the table that Validate and the documentation go by: one that
// was forgotten there would be refused as unknown.
func TestEverySettingIsListed(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var declared, listed []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if settingLiteral(value) {
						declared = append(declared, n.Names[i].Name)
					}
				}
			case *ast.FuncDecl:
				if n.Name.Name == "definitions" {
					listed = identifiers(n.Body)
				}
			}
			return true
		})
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if len(declared) < 50 || !slices.Equal(declared, listed) {
		t.Errorf("declared settings\n%q\nlisted ones\n%q", declared, listed)
	}
}

func settingLiteral(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return false
	}
	index, ok := lit.Type.(*ast.IndexExpr)
	if !ok {
		return false
	}
	name, ok := index.X.(*ast.Ident)
	return ok && name.Name == "Setting"
}

// identifiers are the elements of the composite literal in a body.
func identifiers(body *ast.BlockStmt) (names []string) {
	ast.Inspect(body, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok {
			for _, e := range lit.Elts {
				names = append(names, e.(*ast.Ident).Name)
			}
		}
		return true
	})
	return names
}

// No name is in two tables, and none in a family is unreachable.
func TestNamesAreInOneTable(t *testing.T) {
	seen := map[string]bool{}
	for d := range Settings() {
		if seen[d.Name] {
			t.Errorf("%s is listed twice", d.Name)
		}
		seen[d.Name] = true
		if strings.TrimSpace(d.Doc) == "" || d.Class == Acts && (d.Why == "" || d.Default == "" || d.Type == "") {
			t.Errorf("%s is not described whole: %+v", d.Name, d)
		}
	}
	prefixes := map[string]bool{}
	for f := range Families() {
		if prefixes[f.Prefix] || slices.Contains(closedFamilies, f.Prefix) {
			t.Errorf("family %s is listed twice, or closed", f.Prefix)
		}
		prefixes[f.Prefix] = true
	}
}

// Every default is a value that the setting's own rules allow, and its text is read back as itself.
func TestDefaultsAreValid(t *testing.T) {
	for _, d := range definitions() {
		if err := d.(interface{ checkDefault() error }).checkDefault(); err != nil {
			t.Errorf("%s: %v", d.Name(), err)
		}
	}
}

func (s Setting[T]) checkDefault() error {
	text := s.kind.format(s.def)
	v, err := s.kind.parse(text, s.unit)
	if err == nil && s.check != nil {
		err = s.check(v)
	}
	if err == nil && !reflect.DeepEqual(v, s.def) {
		err = fmt.Errorf("the default %v, written as %q, is read as %v", s.def, text, v)
	}
	return err
}

// What Spark 3.5.1's core knows by name is known here: it acts, or has no meaning, or is refused with
// a reason other than that nobody knows it.
func TestSparkNamesAreKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/spark-3.5.1-names.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(data))
	if len(names) < 500 {
		t.Fatalf("only %d names", len(names))
	}
	for _, name := range names {
		c := New().SetFrom("names", name, "1")
		_, err := newVerifier(c).judge(name)
		if err != nil && strings.Contains(err.Error(), "weir knows no setting") {
			t.Error(err)
		}
	}
}

// The zero Setting of a type is no setting; it must not panic.
func TestZeroSetting(t *testing.T) {
	var s Setting[int]
	if got := s.Get(New().Set("", "3")); got != 0 {
		t.Errorf("Get of the zero Setting = %d, want 0", got)
	}
	if !reflect.DeepEqual(s.Default(), 0) || s.Name() != "" || s.Unit() != "" || s.Doc() != "" {
		t.Error("the zero Setting is not empty")
	}
}

// The reason that is given for a name is about that name, and not about its neighbours.
func TestReasonsFit(t *testing.T) {
	for name, want := range map[string]string{
		"spark.files":                         "one binary",
		"spark.files.overwrite":               "one binary",
		"spark.files.ignoreCorruptFiles":      "damaged",
		"spark.files.maxPartitionBytes":       "cut into partitions",
		"spark.rdd.compress":                  "lz4",
		"spark.rdd.parallelListingThreshold":  "lists files",
		"spark.cleaner.periodicGC.interval":   "frees",
		"spark.hadoop.validateOutputSpecs":    "a directory that is there",
		"spark.hadoop.fs.s3a.connection.ssl":  "Hadoop",
		"spark.storage.replication.proactive": "executors",
	} {
		if f, ok := familyOf(name); !ok || !strings.Contains(f.Reason, want) {
			t.Errorf("%s: %q does not say %q", name, f.Reason, want)
		}
	}
}
