package exec

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A Site is a place in the user's program: the call that made an operator or started an action. One made by
// Caller finds out file and line when it is asked: a stream makes the nodes of its RDDs in each batch, and
// hardly any of them is ever asked.
type Site struct {
	File     string
	Line     int
	Function string
	callers  *callers
}

// callers are the return addresses of a call, as many as may stand between it and the user's frame.
type callers struct {
	pcs [32]uintptr
	n   int
}

// String gives file and line, the file without its folders; "" for no place.
func (s Site) String() string {
	if s.callers != nil {
		s = firstUserFrame(s.callers.pcs[:s.callers.n])
	}
	if s.File == "" {
		return ""
	}
	return filepath.Base(s.File) + ":" + strconv.Itoa(s.Line)
}

const module = "github.com/weirstream/weir"

// libraries are the folders of the module whose frames are weir's own; the command line, the examples
// and every test are users of them.
var libraries = []string{"rdd", "dstream", "connector/", "internal/", "codec", "conf", "ui", "weirtest"}

// Caller gives the nearest place outside of weir's own packages.
func Caller() Site {
	c := &callers{}
	c.n = runtime.Callers(2, c.pcs[:])
	return Site{callers: c}
}

func firstUserFrame(pcs []uintptr) Site {
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if f.File != "" && !ours(f.Function, f.File) {
			return Site{File: f.File, Line: f.Line, Function: f.Function}
		}
		if !more {
			return Site{}
		}
	}
}

// ours tells whether a frame belongs to weir or to the Go runtime and its iterators, which stand between
// the user's closure and the place where it was called.
func ours(function, file string) bool {
	if rest, ok := strings.CutPrefix(function, module); ok {
		if strings.HasSuffix(file, "_test.go") {
			return false
		}
		if strings.HasPrefix(rest, ".") {
			return true
		}
		for _, l := range libraries {
			if strings.HasPrefix(rest, "/"+l) {
				return true
			}
		}
		return false
	}
	for _, std := range []string{"runtime.", "runtime/", "iter.", "slices.", "maps.", "strings.", "reflect."} {
		if strings.HasPrefix(function, std) {
			return true
		}
	}
	return false
}
