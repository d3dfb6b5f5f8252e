package lint

import "maps"

var mentionSource = map[string]string{
	"rdd/rdd.go": `package rdd

// An RDD is a list.
type RDD[T any] struct{ Level int }

// Named gives it a name.
func (r *RDD[T]) Named(name string) *RDD[T] { return r }

// A Partitioner deals.
type Partitioner interface{ NumPartitions() int }

// Map gives f of each.
func Map() {}

// The levels.
var (
	MemoryOnly, DiskOnly int
)
`,
	"cmd/weir/main.go":         "package main\n\nfunc main() {}\n",
	"docs/decisions/old.md":    "`rdd.Gone` went.\n",
	"connector/kafka/gone.md":  "`rdd.Gone` went.\n",
	"rdd/rdd_internal_test.go": "package rdd\n\nfunc Tested() {}\n",
}

var mentionSamples = []sample{
	{"names that are there", with(mentionSource, "README.md",
		"Use `rdd.Map(r, f)`, `*rdd.RDD[T]`, `rdd.RDD.Named`, `rdd.RDD.Level`, `rdd.Partitioner.NumPartitions`,\n"+
			"`rdd.DiskOnly.String()` and `rdd.map`; rdd.Gone is no code, `other.Gone` no package, `github.com/a/rdd.Gone` not ours.\n"+
			"```go\nrdd.Gone()\n```\n"), nil},
	{"names that are not", with(mentionSource, "docs/spark.md",
		"| `gone` | `rdd.Gone`, `rdd.Map` | |\n| `a` | `rdd.RDD.Gone` or `f(rdd.Tested)` | |\n"), []string{
		"docs/spark.md:1: it speaks of rdd.Gone, which is not there; ",
		"docs/spark.md:2: it speaks of rdd.RDD.Gone, which is not there; ",
		"docs/spark.md:2: it speaks of rdd.Tested, which is not there; ",
	}},
}

// with adds a file to those of a sample.
func with(files map[string]string, name, content string) map[string]string {
	out := maps.Clone(files)
	out[name] = content
	return out
}
