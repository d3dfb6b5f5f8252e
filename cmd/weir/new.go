package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/spf13/cobra"
)

// projectFiles are the templates of what a new project holds, beside go.mod and go.sum.
//
//go:embed project
var projectFiles embed.FS

// A project is what the templates are filled with.
type project struct {
	// Name is that of the program and of its consumer group, Module the path in go.mod.
	Name, Module string
	// Source is the folder of weir's sources, "" if weir is required by its version.
	Source string
}

func newProject() *cobra.Command {
	var source, module string
	c := &cobra.Command{
		Use:   "new DIR",
		Short: "Write a small project: a program, its tests, a module",
		Long: "Writes a Go module to the folder DIR, which must be empty or not there: a word count of a Kafka\n" +
			"topic (main.go), its tests, which need no broker (main_test.go), go.mod and README.md. The program\n" +
			"is called as the folder.\n\n" +
			"As long as weir's module is not published, go.mod replaces it by a folder of its sources: that of\n" +
			"--weir, else the one that this command runs in, else the one that it was built from.",
		Example: "  weir new wordcount && cd wordcount && go test . && go run . --interval 1s\n" +
			"  weir new ./jobs/clicks --weir ~/src/weir --module example.org/clicks",
		Args: takes(1, false, "the folder DIR of the project"),
		RunE: func(c *cobra.Command, args []string) error {
			return writeProject(c, args[0], source, module)
		},
	}
	c.Flags().StringVar(&source, "weir", "", "the folder of weir's sources")
	c.Flags().StringVar(&module, "module", "", `the module's path (default "example/" and the program's name)`)
	return c
}

func writeProject(c *cobra.Command, dir, source, module string) error {
	p, err := describeProject(dir, module)
	if err != nil {
		return err
	}
	w, err := findWeir(source)
	if err != nil {
		return err
	}
	p.Source = w.source
	files, err := p.files()
	if err != nil {
		return err
	}
	files["go.mod"] = w.goMod(p.Module)
	if w.sums != nil {
		files["go.sum"] = w.sums
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := writeNew(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s is the program %s: %s\n", dir, p.Name, strings.Join(names, ", "))
	tidy := ""
	if p.Source == "" {
		tidy = " && go mod tidy"
		fmt.Fprintf(out, "go.mod requires weir %s; go mod tidy completes it\n", w.version)
	} else {
		fmt.Fprintf(out, "go.mod takes weir from %s, for its module is not published\n", p.Source)
	}
	_, err = fmt.Fprintf(out, "next: cd %s%s && go test .\n", shellWord(dir), tidy)
	return err
}

// describeProject checks the folder and derives names from its own.
func describeProject(dir, module string) (project, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return project{}, usagef("%s is not empty, it holds %s: name a folder that is empty or not there",
			dir, entries[0].Name())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return project{}, usagef("%s cannot be the project's folder: %w", dir, err)
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		return project{}, err
	}
	name := programName(filepath.Base(full))
	if name == "" {
		return project{}, usagef("no program can be named after the folder %s: choose one with a letter in its name",
			full)
	}
	if module == "" {
		// Paths below example are nobody's; a name alone might be a package of the standard library.
		module = "example/" + name
	}
	odd := func(r rune) bool { return !plainRune(r) && r != '~' }
	if strings.ContainsFunc(module, odd) || strings.HasPrefix(module, "/") {
		return project{}, usagef("--module is the path of a module, such as example.org/clicks, not %q", module)
	}
	return project{Name: name, Module: module}, nil
}

// programName makes a name of a folder's that is one for modules, groups and topics.
func programName(folder string) string {
	name := strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '.':
			return r
		}
		return '-'
	}, folder)
	name = strings.Trim(name, "-._")
	if !strings.ContainsFunc(name, unicode.IsLetter) {
		return ""
	}
	return name
}

// files fills the templates.
func (p project) files() (map[string][]byte, error) {
	t, err := template.New("project").Delims("<%", "%>").ParseFS(projectFiles, "project/*.tmpl")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, t := range t.Templates() { // Braces are Go's, so the delimiters are others.
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return nil, err
		}
		out[strings.TrimSuffix(t.Name(), ".tmpl")] = append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
	}
	return out, nil
}

// writeNew writes a file that must not be there.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// plainRune tells whether a rune means nothing but itself in paths of modules, and to shells.
func plainRune(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("/._-", r)
}

// shellWord quotes a word for a shell if it needs that.
func shellWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !plainRune(r) }) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
