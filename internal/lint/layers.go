package lint

import "strings"

// A layer is a row of packages of one standing. Its packages import what the row names and nothing
// else of this module. A path that ends in /* stands for each folder there, with all that is below
// it: those folders are strangers to one another, so connector/kafka may import its own
// connector/kafka/kafkatest, and no connector may import another.
type layer struct {
	name  string
	paths []string
	// imports are the names of the layers below. A layer that names itself lets its packages
	// import each other. "*" is everything.
	imports []string
	// tests are the layers that _test.go files may import besides, on top of everyTest.
	tests []string
	// instead is the remedy for those who want more.
	instead string
}

// everyTest may be imported by the tests of every layer: runners, suites and brokers are made for
// tests. External test packages keep that from becoming a cycle.
var everyTest = []string{"weirtest", "suites"}

// layers is the import rule, lowest first:
//
//	internal/{spelling,reference} <- conf, codec
//	conf, codec <- internal/{exec,shuffle,block,checkpoint,vfs,spark} <- rdd <- dstream
//	dstream <- {connector/*, spark, fs/*, state/*, ui, weirtest};   ui, dstream <- weir <- cmd, examples
//
// internal/spark stands alone, for only spark may know it: a program that does not name that package
// must not link its client. The page and the command line get no engine packages: what they cannot
// do through the public API, users cannot do either. Examples are there to be copied, and nobody
// outside can import internal.
var layers = []layer{
	{
		name: "words", paths: []string{"internal/spelling", "internal/reference"},
		instead: "internal/spelling and internal/reference work on texts and know nothing of what these mean",
	},
	{
		name: "base", paths: []string{"conf", "codec"}, imports: []string{"words"},
		instead: "conf and codec stand below all others and know neither them nor each other: " +
			"take the value as an argument",
	},
	{
		name: "engine",
		paths: []string{
			"internal/exec", "internal/shuffle", "internal/block", "internal/checkpoint", "internal/vfs",
		},
		imports: []string{"base", "engine"},
		instead: "the engine knows no types of users: let rdd or dstream hand in a function",
	},
	{
		name: "spark client", paths: []string{"internal/spark"},
		imports: []string{"base", "engine"},
		instead: "the client is a Runner and no more: let the package spark hand in what it needs",
	},
	{
		name: "rdd", paths: []string{"rdd"}, imports: []string{"base", "engine"},
		instead: "an RDD knows no batches: move it to dstream, or take a function",
	},
	{
		name: "dstream", paths: []string{"dstream"}, imports: []string{"base", "engine", "rdd"},
		instead: "dstream knows connectors and pages by its contracts only: take a Source, Receiver, " +
			"Sink or listener",
	},
	{
		name: "connector", paths: []string{"connector/*"},
		imports: []string{"words", "base", "engine", "rdd", "dstream"}, tests: []string{"weir"},
		instead: "connectors are clients of dstream's Source, Receiver and Sink and know nothing of " +
			"each other: what two of them share belongs below, or is written twice",
	},
	{
		name: "spark", paths: []string{"spark"},
		imports: []string{"base", "engine", "spark client", "rdd", "dstream"},
		tests:   []string{"weir", "connector", "fs"},
		instead: "the Runner is a value handed to Main or Run, so it needs nothing above dstream",
	},
	{
		name: "fs", paths: []string{"fs/*"},
		imports: []string{"base", "engine", "rdd", "dstream"}, tests: []string{"weir"},
		instead: "a file system satisfies internal/vfs and knows nothing of its callers",
	},
	{
		name: "state", paths: []string{"state/*"},
		imports: []string{"base", "rdd", "dstream"}, tests: []string{"engine", "weir"},
		instead: "a store of states satisfies dstream.StateStore and knows nothing of its callers",
	},
	{
		name: "ui", paths: []string{"ui"}, imports: []string{"base", "rdd", "dstream"},
		instead: "the page is a client of the public API: give dstream what it lacks",
	},
	{
		name: "weirtest", paths: []string{"weirtest"},
		imports: []string{"base", "engine", "rdd", "dstream"}, tests: []string{"connector", "weir"},
		instead: "weirtest knows the contracts only: let the user's test hand in the connector",
	},
	{
		name: "weir", paths: []string{"."},
		imports: []string{"words", "base", "engine", "rdd", "dstream", "ui"},
		tests:   []string{"connector", "spark", "fs", "state"},
		instead: "Main and Run take connectors, runners and file systems as values: an option such as " +
			"spark.Runner() brings the package in, and only for programs that name it",
	},
	{
		name: "examples", paths: []string{"examples/*"},
		imports: []string{"base", "rdd", "dstream", "connector", "spark", "fs", "state", "ui", "weir"},
		tests:   []string{"*"},
		instead: "an example is copied by users, who cannot import internal: use the public packages",
	},
	{
		name: "cmd", paths: []string{"cmd/*"},
		imports: []string{
			"words", "base", "rdd", "dstream", "connector", "spark", "fs", "state", "ui", "weir", "weirtest",
			"examples", "tools",
		},
		tests: []string{"*"},
		instead: "the command line is a client of the public API: add what it lacks there, or put a " +
			"tool's own parts into internal/cmd",
	},
	{
		name: "tools", paths: []string{"internal/cmd/*", "internal/lint", "bench"},
		imports: []string{"*"},
	},
	{
		name:    "suites",
		paths:   []string{"internal/conformance", "internal/simulate", "internal/realkafka", "internal/realsql"},
		imports: []string{"*"},
	},
}

// place finds the layer of a folder and the unit within it: the part of the folder's path that its
// layer's path covers. Folders of one unit may import each other.
func place(dir string) (l layer, unit string, ok bool) {
	for _, l := range layers {
		for _, pattern := range l.paths {
			if unit, ok := covers(pattern, dir); ok {
				return l, unit, true
			}
		}
	}
	return layer{}, "", false
}

func covers(pattern, dir string) (unit string, ok bool) {
	parent, each := strings.CutSuffix(pattern, "/*")
	if !each {
		return pattern, dir == pattern || strings.HasPrefix(dir, pattern+"/")
	}
	rest, below := strings.CutPrefix(dir, parent+"/")
	first, _, _ := strings.Cut(rest, "/")
	return parent + "/" + first, below
}

// pathsOf lists the folders of layers for a message.
func pathsOf(names []string) string {
	var paths []string
	for _, name := range names {
		if name == "*" {
			return "everything"
		}
		for _, l := range layers {
			if l.name == name {
				paths = append(paths, l.paths...)
			}
		}
	}
	if len(paths) == 0 {
		return "nothing of this module"
	}
	return strings.Join(paths, ", ")
}
