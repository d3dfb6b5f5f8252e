package main

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// A weirModule is where a new project has weir from: a folder of its sources, or a version.
type weirModule struct {
	source, version string
	mod, sums       []byte // of the sources
}

// leastGo is the Go that a project needs if the sources do not say.
const leastGo = "1.26.0"

// findWeir finds weir's sources: where the user says, around the working folder, or where this binary was built.
// Without any a release is required by its version.
func findWeir(flag string) (weirModule, error) {
	if flag != "" {
		dir, err := filepath.Abs(flag)
		if err != nil {
			return weirModule{}, err
		}
		if moduleIn(dir) != modulePath {
			return weirModule{}, usagef("--weir must be the folder of weir's sources, and %s has no go.mod of %s", dir,
				modulePath)
		}
		return sources(dir)
	}
	wd, err := os.Getwd()
	if err != nil {
		return weirModule{}, err
	}
	if root := moduleRoot(wd); root != "" && moduleIn(root) == modulePath {
		return sources(root)
	}
	// The compiler wrote the path of this file into the binary, unless it was told to trim it.
	if _, self, _, ok := runtime.Caller(0); ok {
		root := filepath.Join(filepath.Dir(self), "..", "..")
		if filepath.IsAbs(root) && moduleIn(root) == modulePath {
			return sources(root)
		}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || !published(info.Main.Version) {
		return weirModule{}, usagef("this weir was built from a working tree that is not here: say where weir's " +
			"sources are with --weir DIR")
	}
	return weirModule{version: info.Main.Version}, nil
}

// published tells whether a version is one that the go command could fetch.
func published(version string) bool {
	return version != "" && version != unversioned && !strings.Contains(version, "+dirty")
}

func sources(dir string) (w weirModule, err error) {
	w.source, w.version = dir, "v0.0.0"
	if w.mod, err = os.ReadFile(filepath.Join(dir, "go.mod")); err != nil {
		return weirModule{}, err
	}
	w.sums, err = os.ReadFile(filepath.Join(dir, "go.sum"))
	return w, err
}

// moduleRoot is the nearest folder with a go.mod, from dir upwards, as the go command looks for it; "" if there is
// none.
func moduleRoot(dir string) string {
	for {
		if moduleIn(dir) != "" {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// moduleIn is the path of the module whose go.mod is in the folder, "" if there is none.
func moduleIn(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], `"`)
		}
	}
	return "an unnamed module"
}

// kfakeModule is the module that a project's tests import beside weir.
const kfakeModule = "github.com/twmb/franz-go/pkg/kfake"

// goMod is a project's go.mod. Of sources it requires all that weir does, in the same versions, so that with weir's
// go.sum nothing has to be looked up, and no network is needed; go mod tidy drops what the project does not use.
func (w weirModule) goMod(module string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\nrequire (\n", module, w.goVersion())
	var indirect bytes.Buffer
	for path, version := range w.requirements() {
		if path == kfakeModule {
			fmt.Fprintf(&b, "\t%s %s\n", path, version)
		} else {
			fmt.Fprintf(&indirect, "\t%s %s // indirect\n", path, version)
		}
	}
	fmt.Fprintf(&b, "\t%s %s\n)\n", modulePath, w.version)
	if indirect.Len() > 0 {
		fmt.Fprintf(&b, "\nrequire (\n%s)\n", indirect.String())
	}
	if w.source != "" {
		fmt.Fprintf(&b, "\nreplace %s => %s\n", modulePath, modWord(filepath.ToSlash(w.source)))
	}
	return b.Bytes()
}

// goVersion is the Go that weir's sources ask for.
func (w weirModule) goVersion() string {
	for line := range strings.Lines(string(w.mod)) {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			return strings.TrimSpace(version)
		}
	}
	return leastGo
}

// requirements yields the modules that weir's sources require, with their versions.
func (w weirModule) requirements() iter.Seq2[string, string] {
	return func(yield func(path, version string) bool) {
		block := false
		for line := range strings.Lines(string(w.mod)) {
			line, _, _ = strings.Cut(line, "//")
			fields := strings.Fields(line)
			if len(fields) > 0 && fields[0] == "require" {
				fields = fields[1:]
				block = fmt.Sprint(fields) == "[(]"
			} else if fmt.Sprint(fields) == "[)]" {
				block = false
			} else if !block {
				continue
			}
			if len(fields) == 2 && !yield(fields[0], fields[1]) {
				return
			}
		}
	}
}

// modWord quotes what stands in go.mod, where it needs that.
func modWord(s string) string {
	if strings.ContainsAny(s, " \t\"'`()[]{},") || strings.Contains(s, "//") {
		return strconv.Quote(s)
	}
	return s
}
