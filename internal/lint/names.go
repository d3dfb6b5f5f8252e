package lint

import (
	"fmt"
	"go/build/constraint"
	"path"
	"slices"
	"strings"
)

// Names that say nothing of what is inside, of packages and of files; and names of files that tell
// of the day's work instead of a noun.
var (
	hollow = []string{"util", "utils", "common", "helper", "helpers", "misc", "stuff"}
	errand = []string{"sweep", "audit", "fix", "fixes", "issue", "extra", "more"}
)

// names holds what packages and files are called, and that no folder is there only to hold folders
// of Go (pkg/, src/, lib/).
func names(t *Tree) []Finding {
	var found []Finding
	seen := map[string]bool{}
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		if !seen[f.Dir()] {
			seen[f.Dir()] = true
			found = append(found, folderNames(f)...)
		}
		if name := f.Go.Name.Name; slices.Contains(hollow, strings.TrimSuffix(name, "_test")) {
			found = append(found, Finding{
				Path: f.Path, Line: t.line(f.Go.Name.Pos()), What: "the package is named " + name,
				Instead: "name it for the one noun that it provides, or move its content to its users",
			})
		}
		stem := strings.TrimSuffix(path.Base(f.Path), ".go")
		for _, word := range strings.Split(strings.TrimSuffix(stem, "_test"), "_") {
			if slices.Contains(hollow, word) || slices.Contains(errand, word) {
				found = append(found, Finding{
					Path: f.Path, What: fmt.Sprintf("the file's name says %q, which names nothing inside", word),
					Instead: "name it for the operator or noun that it holds",
				})
			}
		}
	}
	return found
}

func folderNames(f *File) []Finding {
	for _, part := range strings.Split(f.Dir(), "/") {
		if slices.Contains([]string{"pkg", "src", "lib"}, part) || slices.Contains(hollow, part) {
			return []Finding{{
				Path: f.Dir(), What: fmt.Sprintf("a folder on its path is named %q", part),
				Instead: "name folders for what they provide; internal/ is the only one that groups by access",
			}}
		}
	}
	return nil
}

// deadFiles finds files without content: neither a declaration nor the package's comment; and files
// that no build takes.
func deadFiles(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		if len(f.Go.Decls) == 0 && f.Go.Doc == nil {
			found = append(found, Finding{
				Path: f.Path, What: "the file declares nothing",
				Instead: "delete it, or write the package's comment there",
			})
		}
		for line := range strings.Lines(string(f.Source)) {
			if expr, err := constraint.Parse(strings.TrimSpace(line)); err == nil && mentions(expr, "ignore") {
				found = append(found, Finding{
					Path: f.Path, What: "no build takes the file",
					Instead: "delete it, or make it a command below internal/cmd",
				})
			}
			if strings.HasPrefix(line, "package ") {
				break
			}
		}
	}
	return found
}

func mentions(expr constraint.Expr, tag string) bool {
	switch e := expr.(type) {
	case *constraint.TagExpr:
		return e.Tag == tag
	case *constraint.AndExpr:
		return mentions(e.X, tag) || mentions(e.Y, tag)
	case *constraint.OrExpr:
		return mentions(e.X, tag) && mentions(e.Y, tag)
	}
	return false // what is not tagged ignore is built everywhere
}
