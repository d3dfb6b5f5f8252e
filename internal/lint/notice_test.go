package lint

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNotice holds that NOTICE names the modules that go.mod requires directly, and no others.
func TestNotice(t *testing.T) {
	var texts [2]string
	for i, name := range []string{"go.mod", "NOTICE"} {
		data, err := os.ReadFile(path.Join(moduleRoot, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(data)
	}
	if missing, idle := compareNotice(texts[0], texts[1]); len(missing)+len(idle) > 0 {
		t.Errorf("NOTICE lacks %q, which go.mod requires; it names %q, which go.mod does not require", missing, idle)
	}
}

func TestCompareNotice(t *testing.T) {
	mod := "module m\n\nrequire (\n\tgithub.com/a/b/v4 v4.1.0\n\tgithub.com/a/c/pkg/d v0.1.0\n)\n\n" +
		"require (\n\tgolang.org/x/e v1.0.0 // indirect\n)\n"
	for notice, want := range map[string]string{
		"  github.com/a/b  x\n  github.com/a/c, more\n":   "lacks [], idle []",
		"  github.com/a/b  x\n  golang.org/x/e  indirect": "lacks [github.com/a/c/pkg/d], idle [golang.org/x/e]",
		"  github.com/a/bb": "lacks [github.com/a/b github.com/a/c/pkg/d], idle [github.com/a/bb]",
	} {
		missing, idle := compareNotice(mod, notice)
		got := "lacks [" + strings.Join(missing, " ") + "], idle [" + strings.Join(idle, " ") + "]"
		if got != want {
			t.Errorf("%q: %s, want %s", notice, got, want)
		}
	}
}

var (
	direct   = regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) v\S+$`)
	major    = regexp.MustCompile(`/v\d+$`)
	worksOf  = regexp.MustCompile(`[a-z][a-z0-9.-]*\.[a-z]+/[A-Za-z0-9._/-]+`)
	licences = "www.apache.org/"
)

// compareNotice gives the direct requirements that a notice lacks, and the modules in it that are none. A module of a
// repository is named by the repository, too.
func compareNotice(mod, notice string) (missing, idle []string) {
	var required []string
	for _, m := range direct.FindAllStringSubmatch(mod, -1) {
		required = append(required, major.ReplaceAllString(m[1], ""))
	}
	within := func(module, name string) bool { return module == name || strings.HasPrefix(module, name+"/") }
	named := worksOf.FindAllString(notice, -1)
	for _, module := range required {
		if !slices.ContainsFunc(named, func(name string) bool { return within(module, name) }) {
			missing = append(missing, module)
		}
	}
	for _, name := range named {
		if !strings.HasPrefix(name, licences) &&
			!slices.ContainsFunc(required, func(module string) bool { return within(module, name) }) {
			idle = append(idle, name)
		}
	}
	return missing, idle
}
