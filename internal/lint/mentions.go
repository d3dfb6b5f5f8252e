package lint

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// mentioned are names of Go in a page: a package, an exported name, and perhaps a method or field of it.
var (
	codeSpan  = regexp.MustCompile("`[^`]+`")
	mentioned = regexp.MustCompile(`(?:^|[^\w./])([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
)

// documented holds that what README.md and the pages of docs call by a name of one of the module's packages, in
// backquotes, is there. Decisions are of their day, and code in fences is longer than its names.
func documented(t *Tree) []Finding {
	known := t.declared()
	var found []Finding
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".md" || f.Path != "README.md" && f.Dir() != "docs" {
			continue
		}
		fenced := false
		number := 0
		for line := range strings.Lines(string(f.Source)) {
			number++
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if fenced {
				continue
			}
			for _, name := range unknown(line, known) {
				found = append(found, Finding{
					Path: f.Path, Line: number, What: fmt.Sprintf("it speaks of %s, which is not there", name),
					Instead: "write the name that there is, or what is to be done without it",
				})
			}
		}
	}
	return found
}

// unknown gives the names of the module's packages in a line that they do not have.
func unknown(line string, known map[string]*exports) (names []string) {
	for _, span := range codeSpan.FindAllString(line, -1) {
		for _, m := range mentioned.FindAllStringSubmatch(strings.Trim(span, "`"), -1) {
			pkg, name := m[1], m[2]
			if known[pkg] == nil {
				continue
			}
			if m[3] != "" && known[pkg].types[name] { // The type of a variable is not looked for.
				name += "." + m[3]
			}
			if !known[pkg].names[name] {
				names = append(names, pkg+"."+name)
			}
		}
	}
	return names
}

// exports are the names that a package declares: "Map", and "Context.Start" for methods and fields. types are those
// of its types.
type exports struct{ names, types map[string]bool }

// declared are the exports of the module's packages.
func (t *Tree) declared() map[string]*exports {
	known := map[string]*exports{}
	for _, f := range t.Files {
		if f.Go == nil || f.Test() || f.Go.Name.Name == "main" {
			continue
		}
		e := known[f.Go.Name.Name]
		if e == nil {
			e = &exports{map[string]bool{}, map[string]bool{}}
			known[f.Go.Name.Name] = e
		}
		for _, decl := range f.Go.Decls {
			e.add(decl)
		}
	}
	return known
}

func (e *exports) add(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			e.names[d.Name.Name] = true
		} else {
			e.names[receiver(d)+"."+d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					e.names[name.Name] = true
				}
			case *ast.TypeSpec:
				e.names[s.Name.Name], e.types[s.Name.Name] = true, true
				for _, member := range members(s.Type) {
					e.names[s.Name.Name+"."+member] = true
				}
			}
		}
	}
}

// members are the fields of a struct, or the methods of an interface.
func members(t ast.Expr) (names []string) {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}
