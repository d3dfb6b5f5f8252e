package exec

import (
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// at gives "what at file:line", or what alone where there is no place: of what weir does of itself.
func at(what string, s Site) string {
	if place := s.String(); place != "" {
		return what + " at " + place
	}
	return what
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

// ours tells whether a frame belongs to weir or to Go itself: to the runtime and its iterators, which stand between the
// user's closure and the place where it was called, and to the rest of the standard library, which panics for what the
// user's code asked of it.
func ours(function, file string) bool {
	rest, ok := strings.CutPrefix(function, module)
	if !ok {
		return standard().has(function, file)
	}
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

// A library knows the frames of the standard library.
type library struct {
	// root is the folder of its packages, which begins the names of their files: "" in a binary built with -trimpath.
	root string
	// modules are the paths of the modules of the program.
	modules []string
}

// standard is the library that this program was built with.
var standard = sync.OnceValue(func() (l library) {
	file, _ := runtime.FuncForPC(reflect.ValueOf(runtime.GC).Pointer()).FileLine(0)
	l.root = strings.TrimSuffix(file, "runtime/"+path.Base(file))
	if info, ok := debug.ReadBuildInfo(); ok {
		l.modules = append(l.modules, info.Main.Path)
		for _, dep := range info.Deps {
			l.modules = append(l.modules, dep.Path)
		}
	}
	return l
})

// has goes by the folder of the file. Where files have none, what is in no module of the program and has a path without
// a domain is the library's.
func (l library) has(function, file string) bool {
	if l.root != "" {
		return strings.HasPrefix(file, l.root)
	}
	first, _, slash := strings.Cut(function, "/")
	if !slash {
		first, _, _ = strings.Cut(function, ".")
	}
	if first == "main" || strings.Contains(first, ".") && first != "vendor" {
		return false
	}
	return !slices.ContainsFunc(l.modules, func(m string) bool {
		rest, ok := strings.CutPrefix(function, m)
		return ok && m != "" && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/"))
	})
}
