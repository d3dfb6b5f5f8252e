package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A program is a package whose whole list of dependencies is promised to users.
type program struct {
	// dir is relative to the module's root.
	dir string
	// due is the folder with which the program must have come: until then it may be absent.
	due string
	// forbids are what the program must not link.
	forbids []forbidden
	// bytesMax bounds the stripped binary; 0 for packages that are no commands.
	bytesMax int64
}

// A forbidden row is the beginning of import paths, and what stands behind them.
type forbidden struct{ prefix, kind string }

// programs are those that are measured. The root is the library that every program links.
func programs(module string) []program {
	own := []forbidden{
		{module + "/connector/", "a connector"}, {module + "/spark/", "the Spark client"},
		{module + "/fs/", "a file system"}, {module + "/state/", "a store of states"}, kafkaClient[0],
		// A service that embeds a program finds nothing in its default mux and registries.
		{"net/http/pprof/", "profiles in the default mux"}, {"expvar/", "variables in the default mux"},
		{"github.com/prometheus/", "the default registry of metrics, and expvar"},
		// They keep every method of every type in the binary.
		{"html/template/", "templates"}, {"text/template/", "templates"},
	}
	return []program{
		{dir: ".", due: "cmd", forbids: slices.Concat(heavy, own)},
		{dir: "connector/kafka/avro", due: "connector/kafka", forbids: heavy},
		{dir: "connector/kafka/protobuf", due: "connector/kafka", forbids: heavy},
		{dir: "connector/kafka/registry", due: "connector/kafka", forbids: heavy},
		{dir: "examples/kafka_word_count", due: "examples", forbids: heavy, bytesMax: 20_000_000},
		{dir: "examples/kafka_exactly_once", due: "examples", forbids: heavy},
		{dir: "connector/files", due: "connector", forbids: slices.Concat(heavy, kafkaClient)},
		{dir: "weirtest", due: "weirtest", forbids: slices.Concat(heavy, kafkaClient)},
	}
}

// heavy are the clients that only those programs link that name their package.
var heavy = []forbidden{
	{"github.com/aws/", "AWS"},
	{"github.com/minio/", "S3"},
	{"github.com/colinmarc/hdfs", "HDFS"},
	{"google.golang.org/grpc/", "gRPC"},
	{"github.com/apache/arrow", "Arrow"},
	{"database/sql/", "SQL"},
	{"github.com/jackc/", "SQL"},
	{"github.com/lib/pq/", "SQL"},
	{"github.com/go-sql-driver/", "SQL"},
	{"modernc.org/sqlite/", "SQL"},
	{"github.com/mattn/go-sqlite", "SQL"},
	{"github.com/cockroachdb/", "Pebble"},
}

// kafkaClient is what programs without Kafka do not link.
var kafkaClient = []forbidden{{"github.com/twmb/franz-go/", "Kafka"}}

// unavailable says why a program cannot be examined: skip while the tree has no code yet that would
// need it, and an error once it has.
func (p program) unavailable(fsys fs.FS) (skip string, err error) {
	files, err := fs.Glob(fsys, path.Join(p.dir, "*.go"))
	if err != nil {
		return "", err
	}
	if len(files) > 0 {
		return "", nil
	}
	if _, statErr := fs.Stat(fsys, p.due); statErr == nil {
		return "", fmt.Errorf("%s is there but %s holds no Go file: its dependencies are promised to users",
			p.due, p.dir)
	}
	return fmt.Sprintf("%s holds no Go file; it is due when %s is there", p.dir, p.due), nil
}

// findings judges a list of dependencies.
func (p program) findings(deps []string) []Finding {
	var found []Finding
	for _, dep := range deps {
		for _, f := range p.forbids {
			if strings.HasPrefix(dep+"/", f.prefix) {
				found = append(found, Finding{
					Path: p.dir, What: fmt.Sprintf("links %s (%s)", dep, f.kind),
					Instead: "find who imports it with go list -deps -json ./" + p.dir + " and take it as a value",
				})
			}
		}
	}
	return found
}

// deps asks the go command for the import paths of all that the program links.
func (p program) deps(ctx context.Context, root string) ([]string, error) {
	out, err := goCommand(ctx, root, "list", "-deps", "./"+p.dir)
	return strings.Fields(out), err
}

// size builds the program stripped, in a temporary folder, and gives the binary's bytes.
func (p program) size(ctx context.Context, root, tmp string) (int64, error) {
	binary := filepath.Join(tmp, "program")
	if _, err := goCommand(ctx, root, "build", "-ldflags=-s -w", "-o", binary, "./"+p.dir); err != nil {
		return 0, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func goCommand(ctx context.Context, root string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = root, &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", errors.Join(fmt.Errorf("go %s: %w", strings.Join(args, " "), err), errors.New(stderr.String()))
	}
	return string(out), nil
}
