package lint

import "fmt"

// A Check is one rule: its name, and what looks for breaches of it.
type Check struct {
	Name string
	Find func(*Tree) []Finding
}

// Checks are all rules that are decided from the files alone.
var Checks = []Check{
	{"imports", importRule},
	{"format", format},
	{"lines", longLines},
	{"files", longFiles},
	{"functions", longFunctions},
	{"names", names},
	{"dead", deadFiles},
	{"words", words},
	{"docs", docs},
	{"mentions", documented},
	{"init", initFunctions},
	{"globals", globals},
	{"sleep", sleeps},
	{"print", prints},
}

// A Finding is one breach of a rule.
type Finding struct {
	// Path and Line are the place; Line is 0 where the whole file or folder is meant.
	Path string
	Line int
	// What is wrong, and what to write instead.
	What, Instead string
}

// String gives the finding as compilers do, so that editors can jump to it.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s; %s", f.Path, f.What, f.Instead)
	}
	return fmt.Sprintf("%s:%d: %s; %s", f.Path, f.Line, f.What, f.Instead)
}
