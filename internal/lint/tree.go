package lint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Tree is the module's files as the checks see them. It is read once and never written to.
type Tree struct {
	// Module is the module's path, from go.mod.
	Module string
	// Fset holds the positions of all files.
	Fset *token.FileSet
	// Files are in order of their paths.
	Files []*File
}

// A File is one file of the tree.
type File struct {
	// Path is relative to the module's root, with slashes.
	Path string
	// Source is the content as read.
	Source []byte
	// Go is nil for what is not Go, and for Go that does not parse; Err then says why.
	Go  *ast.File
	Err error
}

// textual are the endings of the files that are read beside Go's; the rest of the tree (data, test
// transcripts, keys) is nobody's prose.
var textual = []string{".go", ".md", ".sh", ".yml", ".yaml"}

// Load reads the module whose root is fsys. It leaves out what the go command leaves out (testdata,
// names that begin with a dot or an underscore), but for .ci.
func Load(fsys fs.FS) (*Tree, error) {
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read the module's path: %w", err)
	}
	module, err := modulePath(mod)
	if err != nil {
		return nil, err
	}
	tree := &Tree{Module: module, Fset: token.NewFileSet()}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // deleted since its folder was listed
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case d.Type().IsRegular() && read(name):
			return tree.add(fsys, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	return tree, nil
}

func modulePath(mod []byte) (string, error) {
	for lines := bufio.NewScanner(bytes.NewReader(mod)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", errors.New("go.mod has no module line")
}

func skipped(dir string) bool {
	base := path.Base(dir)
	if dir == "." || dir == ".ci" {
		return false
	}
	return base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

func read(name string) bool {
	return slices.Contains(textual, path.Ext(name)) || path.Dir(name) == ".ci"
}

func (t *Tree) add(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f := &File{Path: name, Source: src}
	if path.Ext(name) == ".go" {
		const mode = parser.ParseComments | parser.SkipObjectResolution
		if f.Go, f.Err = parser.ParseFile(t.Fset, name, src, mode); f.Err != nil {
			f.Go = nil
		}
	}
	t.Files = append(t.Files, f)
	return nil
}

// Dir is the folder of the file, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test tells whether the go command takes the file for tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Written tells whether a person wrote this Go file; false for what does not parse.
func (f *File) Written() bool { return f.Go != nil && !ast.IsGenerated(f.Go) }

// local is the name by which the file calls the package of an import path, or "".
func (f *File) local(importPath string) string {
	for _, spec := range f.Go.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// refers tells whether n is pkg.name, for any of the names, where pkg is the local name of a package.
func refers(n ast.Node, pkg string, names ...string) bool {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok || pkg == "" {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg && slices.Contains(names, sel.Sel.Name)
}

func (t *Tree) line(p token.Pos) int { return t.Fset.Position(p).Line }
