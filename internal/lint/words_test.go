package lint

import (
	"regexp"
	"strings"
	"testing"
)

// The sign § is taken out of sources: see treeOf.
var wordSamples = []sample{
	{"clean", map[string]string{
		"conf/a.go": "package conf\n\n// Codes such as codes.Unimple§mented, XX§XY and format(\"%s/work\") are others' words.\n" +
			"var home, root = \"$HOME/work\", \"../work/x\"\n",
		"docs/a.md":    "The path is a place§holder; unimple§mented; see https://example.org/home/ and `dir/root/`.\n",
		"scripts/a.sh": "mktemp -d x.XX§XX§XX; cd \"${dir}/work\"; cd $(pwd)/work # not imple§mented upstream\n",
	}, nil},
	{"unfinished", map[string]string{
		"conf/a.go": "package conf\n\n// TO§DO: x\n// FIX§ME\n// XX§X\n// Not imple§mented.\n// not yet imple§mented\n" +
			"// For n§ow it is so.\nvar place§holder = \"unimple§mented\"\n",
		"docs/a.md": "TO§DO\n\nThis is not imple§mented, for n§ow.\n",
		".ci/run":   "# TO§DO\n",
	}, []string{
		".ci/run:1: a note of work left over: TO" + "DO; do it",
		"conf/a.go:3: a note of work left over: TO" + "DO; ",
		"conf/a.go:4: a note of work left over: FIX" + "ME; ",
		"conf/a.go:5: a note of work left over: XX" + "X; ",
		"conf/a.go:6: something that is missing: Not imple",
		"conf/a.go:7: something that is missing: not yet imple",
		"conf/a.go:8: something provisional: For n",
		"conf/a.go:9: something that is missing: unimple",
		"conf/a.go:9: something provisional: place",
		"docs/a.md:1: a note of work left over",
		"docs/a.md:3: something that is missing",
		"docs/a.md:3: something provisional",
	}},
	{"of one machine", map[string]string{
		"conf/a.go":    "package conf\n\nvar a, b = \"/§work/x\", \"file:///§root/y\"\n\n// /§root\n",
		"docs/a.md":    "Go to /§home/me/weir or (/§Users/me).\nCopy ../§shared/x.\n",
		"scripts/a.sh": "cd /§work\nDIR=/§work/x\n",
	}, []string{
		"conf/a.go:3: a path of one machine: \"/" + "work/; use a path relative",
		"conf/a.go:5: a path of one machine: /" + "root; ",
		"docs/a.md:1: a path of one machine: /" + "home/; ",
		"docs/a.md:2: a path outside the tree",
		"scripts/a.sh:1: a path of one machine: /" + "work; ",
		"scripts/a.sh:2: a path of one machine: =/" + "work/; ",
	}},
	{"registries", map[string]string{
		"docs/a.md":    "GOPROXY=https://proxy.§golang.org\nIt comes with mvn, go and apt-get; see maven.apache.org.\n",
		"scripts/a.sh": "curl https://repo1.mav§en.org/maven2\npip -i https://pypi.§org/simple\nread registry.§npmjs.org\n",
		"a.yml":        "mirror: deb.§debian.org\n",
	}, []string{
		"a.yml:1: a package registry's host: deb",
		"docs/a.md:1: a package registry's host: proxy",
		"scripts/a.sh:1: a package registry's host: repo1",
		"scripts/a.sh:2: a package registry's host: pypi",
		"scripts/a.sh:3: a package registry's host: registry",
	}},
}

// TestRegistryHosts holds that each alternative of the pattern is spelled as its host is.
func TestRegistryHosts(t *testing.T) {
	hosts := "proxy.§golang.org sum.§golang.org repo.§maven.apache.org repo1.§mav§en.org search.mav§en.org " +
		"packages.§confluent.io registry.§npmjs.org pypi.§org files.python§hosted.org static.§crates.io " +
		"deb.§debian.org archive.§ubuntu.com registry-1.§docker.io"
	caught := map[string]bool{}
	for host := range strings.FieldsSeq(hosts) {
		for _, f := range words(treeOf(t, map[string]string{"docs/a.md": host})) {
			for _, pattern := range registryHosts {
				if regexp.MustCompile(pattern).MatchString(f.What) {
					caught[pattern] = true
				}
			}
			caught[host] = true
		}
		if !caught[host] {
			t.Errorf("%s is not caught", host)
		}
	}
	for _, pattern := range registryHosts {
		if !caught[pattern] {
			t.Errorf("%s catches nothing", pattern)
		}
	}
}
