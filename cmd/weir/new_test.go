package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewProject builds and tests what weir new writes, with nothing but this clone and what it is built from.
func TestNewProject(t *testing.T) {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	dir := filepath.Join(t.TempDir(), "my Jobs", "Click counts")
	r := weirIn(t.Context(), strings.NewReader(""), "new", dir)
	r.wants(t, 0)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		dir + " is the program click-counts: README.md, go.mod, go.sum, main.go, main_test.go\n",
		"go.mod takes weir from " + root + ", for its module is not published\n", "next: cd '" + dir + "' && go test .\n",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("wrote %q, which lacks %q", r.out, want)
		}
	}
	for _, args := range [][]string{
		{"vet", "./..."}, {"vet", "-mod=mod", "./..."}, {"test", "-count=1", "./..."}, {"run", ".", "--help"},
	} {
		c := exec.CommandContext(t.Context(), goCommand, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	r = weirIn(t.Context(), strings.NewReader(""), "new", dir)
	r.wants(t, 2, "is not empty, it holds README.md", "see 'weir new --help'")
}

// TestNewProjectReadme runs what the README of a new project says of topics and records, in its order.
func TestNewProjectReadme(t *testing.T) {
	k := cluster(t)
	readme, err := os.ReadFile(filepath.Join("project", "README.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(readme)) {
		command, ours := strings.CutPrefix(strings.TrimSpace(line), "weir ")
		if !ours || strings.HasPrefix(command, "broker ") {
			continue
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+command)
		args, err := c.Output() // words as a shell makes them
		if err != nil {
			t.Fatal(err)
		}
		must(t, k, "", append(strings.Split(strings.TrimSpace(string(args)), "\n"), "--brokers", "%")...)
		ran++
	}
	if got := must(t, k, "", "consume", "lines", "--brokers", "%"); ran != 2 || len(strings.Fields(got)) != 6 {
		t.Errorf("%d commands ran, and the topic holds %q", ran, got)
	}
}

// TestNewRefuses what it cannot make, and leaves nothing.
func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "weir new needs the folder DIR of the project"},
		{[]string{"a", "b"}, `takes only the folder DIR of the project: "b" is one too many`},
		{[]string{"%/..."}, "no program can be named after the folder"},
		{[]string{"%/1984"}, "choose one with a letter in its name"},
		{[]string{"%/a", "--weir", dir}, "has no go.mod of " + modulePath},
		{[]string{"%/a", "--module", "a b"}, `--module is the path of a module, such as example.org/clicks, not "a b"`},
		{[]string{file(t, "job", "x")}, "cannot be the project's folder"},
	} {
		for i, a := range tt.args {
			tt.args[i] = strings.ReplaceAll(a, "%", dir)
		}
		weirIn(t.Context(), strings.NewReader(""), append([]string{"new"}, tt.args...)...).wants(t, 2, tt.want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestProgramName(t *testing.T) {
	for folder, want := range map[string]string{
		"wordcount": "wordcount", "Word Count": "word-count", ".jobs.v2": "jobs.v2", "Größe": "gr--e", "-": "", "42": "",
	} {
		if got := programName(folder); got != want {
			t.Errorf("%q: %q, want %q", folder, got, want)
		}
	}
}

// TestGoMod is for weir's sources, whose go.mod may be written in several ways, and for a release.
func TestGoMod(t *testing.T) {
	w := weirModule{source: "/src/my weir", version: "v0.0.0", mod: []byte(`module github.com/weirstream/weir

go 1.27

require example.org/a v1.0.0 // why
require (
	example.org/b v2.0.0
	` + kfakeModule + ` v3.0.0
)
exclude (
	example.org/c v1.0.0
)
`)}
	want := `module example/a

go 1.27

require (
	` + kfakeModule + ` v3.0.0
	` + modulePath + ` v0.0.0
)

require (
	example.org/a v1.0.0 // indirect
	example.org/b v2.0.0 // indirect
)

replace ` + modulePath + ` => "/src/my weir"
`
	if got := string(w.goMod("example/a")); got != want {
		t.Errorf("of sources:\n%s\nwant\n%s", got, want)
	}
	want = fmt.Sprintf("module example/a\n\ngo %s\n\nrequire (\n\t%s v1.2.3\n)\n", leastGo, modulePath)
	if got := string(weirModule{version: "v1.2.3"}.goMod("example/a")); got != want {
		t.Errorf("of a release:\n%s\nwant\n%s", got, want)
	}
}

func TestFindWeir(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"", "../..", root} {
		w, err := findWeir(flag)
		if err != nil || w.source != root || len(w.sums) == 0 {
			t.Errorf("--weir %q: found %q, %v", flag, w.source, err)
		}
	}
	t.Chdir(t.TempDir())
	// It is not in the sources, but the test was built from them, unless with -trimpath.
	if w, err := findWeir(""); err == nil && w.source != root {
		t.Errorf("elsewhere: found %q, %v", w.source, err)
	}
	for version, want := range map[string]bool{"v1.2.3": true, unversioned: false, "": false, "v1.2.3+dirty": false} {
		if got := published(version); got != want {
			t.Errorf("%q is published: %v", version, got)
		}
	}
}
