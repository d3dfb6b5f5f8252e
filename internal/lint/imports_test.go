package lint

import (
	"slices"
	"strings"
	"testing"
)

// importing is a file that imports the given paths.
func importing(pkg string, paths ...string) string {
	src := "package " + pkg + "\n\n"
	for _, p := range paths {
		src += "import _ \"" + p + "\"\n"
	}
	return src
}

var importSamples = []sample{
	{"the chain downwards", map[string]string{
		"conf/conf.go":           importing("conf", "strings"),
		"internal/exec/task.go":  importing("exec", "example.org/m/conf", "example.org/m/internal/block"),
		"rdd/rdd.go":             importing("rdd", "example.org/m/internal/exec", "example.org/m/codec"),
		"dstream/dstream.go":     importing("dstream", "example.org/m/rdd", "example.org/m/internal/checkpoint"),
		"connector/kafka/sub.go": importing("kafka", "example.org/m/dstream"),
		"rdd/sub/sub.go":         importing("sub", "example.org/m/rdd", "example.org/m/conf"),
		"spark/runner.go":        importing("spark", "example.org/m/internal/spark"),
		"fs/s3/fs.go":            importing("s3", "example.org/m/internal/vfs", "github.com/aws/aws-sdk-go-v2/aws"),
		"ui/page.go":             importing("ui", "example.org/m/dstream"),
		"weir.go":                importing("weir", "example.org/m/dstream", "example.org/m/ui"),
		"cmd/weir/main.go":       importing("main", "example.org/m", "example.org/m/connector/kafka"),
		"examples/pi/main.go":    importing("main", "example.org/m", "example.org/m/rdd"),
		"internal/simulate/s.go": importing("simulate", "example.org/m/dstream", "example.org/m/internal/vfs"),
	}, nil},
	{"upwards", map[string]string{
		"codec/codec.go":        importing("codec", "example.org/m/rdd"),
		"internal/exec/task.go": importing("exec", "example.org/m/rdd"),
		"rdd/rdd.go":            importing("rdd", "example.org/m/dstream"),
	}, []string{
		"codec/codec.go:3: files of codec must not import example.org/m/rdd: they may import internal/spelling, internal/reference; ",
		"internal/exec/task.go:3: files of internal/exec must not import example.org/m/rdd: they may import conf, codec, ",
		"rdd/rdd.go:3: files of rdd must not import example.org/m/dstream: they may import conf, codec, internal/exec, ",
	}},
	{"base packages are strangers", map[string]string{
		"conf/conf.go": importing("conf", "example.org/m/codec"),
	}, []string{"conf/conf.go:3: files of conf must not import example.org/m/codec"}},
	{"connectors are strangers", map[string]string{
		"connector/kafka/a.go":           importing("kafka", "example.org/m/connector/socket"),
		"connector/kafka/b_test.go":      importing("kafka_test", "example.org/m/connector/socket"),
		"connector/kafka/kafkatest/c.go": importing("kafkatest", "example.org/m/connector/kafka"),
		"connector/kafka/internal/d.go":  importing("wire", "example.org/m/connector/kafka/kafkatest"),
		"connector/kafkatools/e.go":      importing("kafkatools", "example.org/m/connector/kafka"),
	}, []string{
		"connector/kafka/a.go:3: files of connector/kafka must not import example.org/m/connector/socket: ",
		"connector/kafka/b_test.go:3: tests of connector/kafka must not import example.org/m/connector/socket: ",
		"connector/kafkatools/e.go:3: files of connector/kafkatools must not import example.org/m/connector/kafka: ",
	}},
	{"the root takes values", map[string]string{
		"weir.go":      importing("weir", "example.org/m/connector/kafka", "example.org/m/spark", "example.org/m/fs/s3"),
		"weir_test.go": importing("weir_test", "example.org/m/connector/kafka", "example.org/m/fs/s3"),
	}, []string{
		"weir.go:3: files of . must not import example.org/m/connector/kafka: ",
		"weir.go:4: files of . must not import example.org/m/spark: ",
		"weir.go:5: files of . must not import example.org/m/fs/s3: ",
	}},
	{"only spark knows its client", map[string]string{
		"rdd/rdd.go":         importing("rdd", "example.org/m/internal/spark"),
		"dstream/dstream.go": importing("dstream", "example.org/m/internal/spark"),
	}, []string{
		"dstream/dstream.go:3: files of dstream must not import example.org/m/internal/spark",
		"rdd/rdd.go:3: files of rdd must not import example.org/m/internal/spark",
	}},
	{"clients have no back door", map[string]string{
		"ui/page.go":               importing("ui", "example.org/m/internal/exec"),
		"cmd/weir/main.go":         importing("main", "example.org/m/internal/vfs", "example.org/m/internal/cmd/demo"),
		"cmd/weir/main_test.go":    importing("main", "example.org/m/internal/vfs"),
		"examples/pi/main.go":      importing("main", "example.org/m/internal/cmd/demo", "example.org/m/examples/other"),
		"examples/pi/main_test.go": importing("main", "example.org/m/internal/exec"),
	}, []string{
		"cmd/weir/main.go:3: files of cmd/weir must not import example.org/m/internal/vfs",
		"examples/pi/main.go:3: files of examples/pi must not import example.org/m/internal/cmd/demo",
		"examples/pi/main.go:4: files of examples/pi must not import example.org/m/examples/other",
		"ui/page.go:3: files of ui must not import example.org/m/internal/exec",
	}},
	{"tests may import suites", map[string]string{
		"rdd/rdd_test.go":         importing("rdd_test", "example.org/m/weirtest", "example.org/m/internal/simulate"),
		"rdd/rdd.go":              importing("rdd", "example.org/m/weirtest"),
		"rdd/up_test.go":          importing("rdd_test", "example.org/m/dstream"),
		"connector/sql/a_test.go": importing("sql_test", "example.org/m", "example.org/m/internal/conformance"),
	}, []string{
		"rdd/rdd.go:3: files of rdd must not import example.org/m/weirtest",
		"rdd/up_test.go:3: tests of rdd must not import example.org/m/dstream",
	}},
	{"no layer", map[string]string{
		"internal/thing/a.go": importing("thing", "example.org/m/rdd"),
		"internal/thing/b.go": importing("thing", "testing"),
		"connector/base.go":   importing("connector"),
		"rddx/rdd.go":         importing("rddx"),
	}, []string{
		"connector: the package belongs to no layer; ",
		"internal/thing: the package belongs to no layer; ",
		"rddx: the package belongs to no layer; ",
	}},
	{"outside packages at home", map[string]string{
		"connector/kafka/a.go":             importing("kafka", "github.com/twmb/franz-go/pkg/kgo"),
		"connector/kafka/kafkatest/b.go":   importing("kafkatest", "github.com/twmb/franz-go/pkg/kfake"),
		"connector/kafka/c_test.go":        importing("kafka", "github.com/twmb/franz-go/pkg/kfake", "log"),
		"cmd/weir/broker.go":               importing("main", "github.com/twmb/franz-go/pkg/kfake"),
		"connector/sql/d.go":               importing("sql", "database/sql", "github.com/jackc/pgx/v5"),
		"dstream/e.go":                     importing("dstream", "log/slog", "math/rand/v2"),
		"internal/realkafka/kafka_test.go": importing("realkafka", "github.com/twmb/franz-go/pkg/kadm"),
	}, nil},
	{"outside packages astray", map[string]string{
		"connector/kafka/a.go": importing("kafka", "github.com/twmb/franz-go/pkg/kfake"),
		"dstream/b.go":         importing("dstream", "github.com/twmb/franz-go/pkg/kgo", "database/sql/driver"),
		"rdd/c_test.go":        importing("rdd", "github.com/stretchr/testify/assert"),
		"weir.go":              importing("weir", "log", "math/rand", "github.com/spf13/cobra"),
	}, []string{
		"connector/kafka/a.go:3: imports github.com/twmb/franz-go/pkg/kfake, which only connector/kafka/kafkatest, cmd, ",
		"dstream/b.go:3: imports github.com/twmb/franz-go/pkg/kgo, which only connector/kafka, ",
		"dstream/b.go:4: imports database/sql/driver, which only connector/sql may; ",
		"rdd/c_test.go:3: imports github.com/stretchr/testify/assert, which nothing here may; ",
		"weir.go:3: imports log, which nothing here may; ",
		"weir.go:4: imports math/rand, which nothing here may; ",
		"weir.go:5: imports github.com/spf13/cobra, which only cmd, internal/cmd may; ",
	}},
}

// TestLayers holds that the table means what it says: its rows name each other rightly, and no layer
// imports one that stands above it, which would allow cycles between layers.
func TestLayers(t *testing.T) {
	var below []string
	for _, l := range layers {
		below = append(below, l.name)
		if l.instead == "" && !slices.Contains(l.imports, "*") {
			t.Errorf("%s offers no remedy", l.name)
		}
		for _, name := range l.imports {
			// tools stand beside cmd, which is made of them
			if name != "*" && name != "tools" && !slices.Contains(below, name) {
				t.Errorf("%s imports %s, which is not below it", l.name, name)
			}
		}
		for _, name := range l.tests {
			if name != "*" && !slices.ContainsFunc(layers, func(l layer) bool { return l.name == name }) {
				t.Errorf("tests of %s import %s, which is no layer", l.name, name)
			}
		}
		for _, p := range l.paths {
			if got, _, ok := place(strings.Replace(p, "*", "x", 1)); !ok || got.name != l.name {
				t.Errorf("%s lies in layer %q, want %q", p, got.name, l.name)
			}
		}
	}
}
