package vfs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Join gives the name of an entry of a directory. Scheme and host of a name stay as they are.
func Join(dir, entry string) string {
	if dir == "" || strings.HasSuffix(dir, "/") {
		return dir + entry
	}
	return dir + "/" + entry
}

// Base is the last part of a name.
func Base(name string) string {
	name = strings.TrimRight(name, "/")
	return name[strings.LastIndexByte(name, '/')+1:]
}

// Dir is a name without its last part: "" for a name of one part, which lies in the working directory.
func Dir(name string) string {
	name = strings.TrimRight(name, "/")
	i := strings.LastIndexByte(name, '/')
	if i == 0 {
		return "/"
	}
	return name[:max(i, 0)]
}

// Hidden tells whether readers of directories leave a file out: its name begins with . or _, as Hadoop has it.
func Hidden(name string) bool {
	b := Base(name)
	return b == "" || b[0] == '.' || b[0] == '_'
}

// Systems finds the file system of a name: the local disk for names without a scheme and those of file:, else one that
// was handed in.
type Systems struct {
	local  FS
	others []FS
}

// NewSystems knows the local disk and the given ones.
func NewSystems(others ...FS) *Systems { return &Systems{local: Local{}, others: others} }

var schemed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):/`)

// Find gives the file system of a name, and the name as that file system knows it.
func (s *Systems) Find(name string) (FS, string, error) {
	if name == "" {
		return nil, "", fmt.Errorf("the path is empty: name a file or a directory")
	}
	scheme := ""
	if m := schemed.FindStringSubmatch(name); m != nil {
		scheme = strings.ToLower(m[1])
	}
	switch {
	case scheme == "file":
		return s.local, fileURL(name), nil
	case scheme == "" && runtime.GOOS == "windows":
		return s.local, filepath.ToSlash(name), nil
	case scheme == "":
		return s.local, name, nil
	}
	for _, f := range s.others {
		if slices.Contains(f.Schemes(), scheme) {
			return f, name, nil
		}
	}
	return nil, "", fmt.Errorf("%s: no file system for %s: was handed in: hand in one that knows it "+
		"by WithFileSystem, or use a path of this machine's disk", name, scheme)
}

// fileURL gives the path of file:/path, file:///path and file://localhost/path.
func fileURL(name string) string {
	p := name[len("file:"):]
	if rest, ok := strings.CutPrefix(p, "//"); ok {
		p = rest
		if i := strings.IndexByte(p, '/'); i > 0 && p[:i] == "localhost" {
			p = p[i:]
		}
	}
	return p
}
