package lint

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A confined row names outside packages, by the beginning of their import paths, and the folders
// that may import them. In the list "*" stands for every folder and "." for the root alone.
type confined struct {
	prefix  string
	in      []string
	tests   []string // folders whose _test.go files may import them too
	instead string
}

// kafkaFolders may speak Kafka's protocol; beside the connector they are the programs that carry a
// broker of their own or measure against the bare client.
var kafkaFolders = []string{"connector/kafka", "cmd", "internal/cmd", "internal/realkafka",
	"internal/conformance", "internal/simulate", "bench"}

var outside = []confined{
	{"github.com/twmb/franz-go", kafkaFolders, []string{".", "examples", "weirtest", "ui"},
		"use connector/kafka, whose options take dialers and hooks"},
	{"github.com/twmb/franz-go/pkg/kfake", append([]string{"connector/kafka/kafkatest"}, kafkaFolders[1:]...),
		[]string{"connector/kafka", ".", "examples", "weirtest", "ui"},
		"the broker in memory is for tests and programs: use connector/kafka/kafkatest"},
	{"github.com/aws", []string{"fs/s3", "connector/kinesis"}, nil,
		"take fs/s3 or connector/kinesis as a value"},
	{"github.com/colinmarc/hdfs", []string{"fs/hdfs"}, nil, "take fs/hdfs as a value"},
	{"google.golang.org/grpc", []string{"internal/spark"}, nil, "take spark.Runner() as a value"},
	{"github.com/apache/arrow", []string{"internal/spark"}, nil, "take spark.Runner() as a value"},
	{"github.com/jackc/pgx", []string{"connector/sql", "examples"}, nil, "take connector/sql as a value"},
	{"github.com/cockroachdb", []string{"state/pebble"}, nil, "take pebble.Store() of state/pebble as a value"},
	{"database/sql", []string{"connector/sql"}, nil, "take connector/sql as a value"},
	{"github.com/prometheus", nil, []string{"ui"},
		"it puts expvar into the default mux of all who link it: ui writes the text format itself"},
	{"github.com/spf13/cobra", []string{"cmd", "internal/cmd"}, nil,
		"the library's flags are weir.Main's own; subcommands belong to cmd"},
	{"github.com/stretchr/testify", nil, nil, "write if got != want { t.Errorf(...) }"},
	{"github.com/pkg/errors", nil, nil, "use fmt.Errorf with %w, errors.Is and errors.As"},
	{"golang.org/x/exp", nil, nil, "use slices, maps, cmp and iter of the standard library"},
	{"io/ioutil", nil, nil, "use io and os"},
	{"math/rand", nil, nil, "use math/rand/v2 with a seed that the plan record or the test prints"},
	{"log", nil, []string{"*"}, "use log/slog, through the logger that was handed in"},
}

// exact are the prefixes that are whole packages: log must not match log/slog.
var exact = []string{"log", "math/rand"}

// importRule holds the table of layers and the table of outside packages.
func importRule(t *Tree) []Finding {
	var found []Finding
	homeless := map[string]bool{}
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		from, unit, ok := place(f.Dir())
		if !ok && !homeless[f.Dir()] {
			homeless[f.Dir()] = true
			found = append(found, Finding{
				Path: f.Dir(), What: "the package belongs to no layer",
				Instead: "move it into one, or give it a row in internal/lint/layers.go",
			})
		}
		for _, spec := range f.Go.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the parser has accepted it, so this cannot be
			}
			var breach *Finding
			if dir, ours := t.inside(p); ours {
				if ok {
					breach = between(f, from, unit, dir, p)
				}
			} else {
				breach = confine(f, p)
			}
			if breach != nil {
				breach.Path, breach.Line = f.Path, t.line(spec.Pos())
				found = append(found, *breach)
			}
		}
	}
	return found
}

// inside gives the folder of an import path of this module.
func (t *Tree) inside(importPath string) (dir string, ok bool) {
	if importPath == t.Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.Module+"/")
}

// between judges an import within the module. A folder without a layer is reported at its own files.
func between(f *File, from layer, unit, dir, importPath string) *Finding {
	to, toUnit, ok := place(dir)
	if !ok || unit == toUnit {
		return nil
	}
	may := from.imports
	if f.Test() {
		may = slices.Concat(may, from.tests, everyTest)
	}
	if slices.Contains(may, "*") || slices.Contains(may, to.name) {
		return nil
	}
	kind := "files"
	if f.Test() {
		kind = "tests"
	}
	return &Finding{
		What: fmt.Sprintf("%s of %s must not import %s: they may import %s",
			kind, unit, importPath, pathsOf(may)),
		Instead: from.instead,
	}
}

// confine judges an import from outside the module.
func confine(f *File, importPath string) *Finding {
	for _, row := range outside {
		if !row.matches(importPath) || under(f.Dir(), row.in) || f.Test() && under(f.Dir(), row.tests) {
			continue
		}
		where := "nothing here may"
		if len(row.in) > 0 {
			where = "only " + strings.Join(row.in, ", ") + " may"
		}
		return &Finding{What: fmt.Sprintf("imports %s, which %s", importPath, where), Instead: row.instead}
	}
	return nil
}

func (c confined) matches(importPath string) bool {
	if slices.Contains(exact, c.prefix) {
		return importPath == c.prefix
	}
	return strings.HasPrefix(importPath, c.prefix)
}

func under(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return folder == "*" || dir == path.Clean(folder) || strings.HasPrefix(dir, folder+"/")
	})
}
