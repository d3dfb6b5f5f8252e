package lint

import (
	"os"
	"testing"
	"testing/fstest"
)

// TestPrograms asks the go command what the promised programs link, and weighs their binaries.
func TestPrograms(t *testing.T) {
	fsys := os.DirFS(moduleRoot)
	tree, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs(tree.Module) {
		t.Run(p.dir, func(t *testing.T) {
			skip, err := p.unavailable(fsys)
			if err != nil {
				t.Fatal(err)
			}
			if skip != "" {
				t.Skip(skip)
			}
			deps, err := p.deps(t.Context(), moduleRoot)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range p.findings(deps) {
				t.Error(f)
			}
			if p.bytesMax == 0 {
				return
			}
			size, err := p.size(t.Context(), moduleRoot, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("stripped: %d bytes", size)
			if size > p.bytesMax {
				t.Errorf("the stripped binary has %d bytes; the limit is %d: look for what it links with go list -deps",
					size, p.bytesMax)
			}
		})
	}
}

func TestProgramUnavailable(t *testing.T) {
	here := &fstest.MapFile{Data: []byte("package main\n")}
	example := program{dir: "examples/kafka_word_count", due: "examples"}
	root := program{dir: ".", due: "cmd"}
	for _, c := range []struct {
		name string
		p    program
		fsys fstest.MapFS
		want string
	}{
		{"neither", example, fstest.MapFS{"rdd/rdd.go": here}, "skip"},
		{"other examples only", example, fstest.MapFS{"examples/spark_pi/main.go": here}, "error"},
		{"a folder without Go", example, fstest.MapFS{"examples/kafka_word_count/README.md": here}, "error"},
		{"there", example, fstest.MapFS{"examples/kafka_word_count/main.go": here}, "run"},
		{"no root yet", root, fstest.MapFS{"rdd/rdd.go": here}, "skip"},
		{"no root, but commands", root, fstest.MapFS{"cmd/weir/main.go": here}, "error"},
		{"root", root, fstest.MapFS{"weir.go": here}, "run"},
	} {
		skip, err := c.p.unavailable(c.fsys)
		got := "run"
		switch {
		case err != nil:
			got = "error"
		case skip != "":
			got = "skip"
		}
		if got != c.want {
			t.Errorf("%s: %s (%q, %v), want %s", c.name, got, skip, err, c.want)
		}
	}
}

func TestProgramFindings(t *testing.T) {
	const m = "example.org/m"
	deps := []string{
		"bytes", "database/sql/driver", "database/sqlite", "github.com/aws/smithy-go", "github.com/apache/arrow-go/v18/arrow",
		"github.com/colinmarc/hdfs/v2", "github.com/twmb/franz-go/pkg/kgo", "google.golang.org/grpc",
		"google.golang.org/grpcx", "google.golang.org/protobuf/proto", m, m + "/connector/kafka", m + "/spark",
		m + "/sparkle", m + "/fs/s3",
	}
	heavy := []string{
		"links database/sql/driver (SQL)", "links github.com/aws/smithy-go (AWS)",
		"links github.com/apache/arrow-go/v18/arrow (Arrow)", "links github.com/colinmarc/hdfs/v2 (HDFS)",
	}
	own := []string{
		"links github.com/twmb/franz-go/pkg/kgo (Kafka)", "links google.golang.org/grpc (gRPC)",
		"links " + m + "/connector/kafka (a connector)", "links " + m + "/spark (the Spark client)",
		"links " + m + "/fs/s3 (a file system)",
	}
	for _, p := range programs(m) {
		var want []string
		for _, w := range heavy {
			want = append(want, p.dir+": "+w)
		}
		switch p.dir {
		case ".":
			for _, w := range own {
				want = append(want, p.dir+": "+w)
			}
		case "connector/files", "weirtest": // without Kafka
			want = append(want, p.dir+": "+own[0], p.dir+": "+own[1])
		default:
			want = append(want, p.dir+": "+own[1])
		}
		diff(t, p.findings(deps), want)
	}
}

func TestGoCommandSaysWhy(t *testing.T) {
	_, err := program{dir: "internal/lint/no/such/folder"}.deps(t.Context(), moduleRoot)
	if err == nil {
		t.Fatal("a folder that is not there was listed")
	}
	if got := err.Error(); len(got) < len("go list -deps") || got[:len("go list -deps")] != "go list -deps" {
		t.Errorf("the error does not begin with the command: %s", got)
	}
}
