package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// A banned row is a pattern that no line may match. The patterns are written so that they do not
// match their own source, which this check reads like any other.
type banned struct {
	pattern *regexp.Regexp
	says    string
	// only are the endings of the files in which it is banned; empty for all.
	only    []string
	instead string
}

var (
	goAndMarkdown = []string{".go", ".md"}
	goOnly        = []string{".go"}
)

var bannedWords = []banned{
	{
		regexp.MustCompile(`TO` + `DO|FIX` + `ME|\bXX` + `X\b`), "a note of work left over", nil,
		"do it, or describe the limit where users read of it",
	},
	{
		regexp.MustCompile(`(?i)\bnot (yet )?implemen` + `ted\b`), "something that is missing", goAndMarkdown,
		"build it, or return an error that names the thing and the remedy",
	},
	{
		regexp.MustCompile(`\bunimplemen` + `ted\b`), "something that is missing", goOnly,
		"build it, or return an error that names the thing and the remedy",
	},
	{
		regexp.MustCompile(`(?i)\bfor n` + `ow\b`), "something provisional", goAndMarkdown,
		"say what holds, and on which condition it would change",
	},
	{
		regexp.MustCompile(`(?i)place` + `holder`), "something provisional", goOnly,
		"put the thing itself there, or call a stand-in by what it stands for",
	},
	{
		regexp.MustCompile(`(^|[^\w./})*~-])/(work|root|home|Users)(/|\b)`), "a path of one machine", nil,
		"use a path relative to the module, t.TempDir(), or $HOME",
	},
	{
		regexp.MustCompile(`\.\./share` + `d\b`), "a path outside the tree", nil,
		"copy what is needed into the tree",
	},
	{
		regexp.MustCompile(strings.Join(registryHosts, "|")), "a package registry's host", nil,
		"let the package manager choose: go, mvn and apt-get are configured by their users",
	},
}

var registryHosts = []string{
	`(proxy|sum)\.golang\.org`, `\brepo1?\.maven`, `\bmaven\.org`, `packages\.confluent\.io`,
	`registry\.npmjs`, `\bpypi\.org`, `pythonhosted\.org`, `static\.crates\.io`,
	`\bdeb\.debian\.org`, `archive\.ubuntu\.com`, `registry-1\.docker\.io`,
}

// words holds what must not be written down, in code, prose and scripts.
func words(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		n := 0
		for line := range strings.Lines(string(f.Source)) {
			n++
			for _, b := range bannedWords {
				if len(b.only) > 0 && !slices.Contains(b.only, path.Ext(f.Path)) {
					continue
				}
				if hit := b.pattern.FindString(line); hit != "" {
					found = append(found, Finding{
						Path: f.Path, Line: n, What: b.says + ": " + strings.TrimSpace(hit), Instead: b.instead,
					})
				}
			}
		}
	}
	return found
}
