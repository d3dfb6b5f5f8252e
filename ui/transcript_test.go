package ui_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// A transcript is what was asked and answered. Its file under testdata is what it is to be.
type transcript struct{ strings.Builder }

var (
	testLine = regexp.MustCompile(`_test\.go:\d+`)
	testDir  = regexp.MustCompile(`/\S*/Test[A-Za-z]+\d+/\d+`)
	bytes    = regexp.MustCompile(`"bytes": \d+`) // of a state, which its format makes
)

// ask adds a request and its answer.
func (tr *transcript) ask(t *testing.T, p *program, path string) {
	t.Helper()
	code, body, head := p.get(t, path)
	body = bytes.ReplaceAllString(body, `"bytes": N`)
	body = testDir.ReplaceAllString(testLine.ReplaceAllString(body, "_test.go"), "DIR")
	fmt.Fprintf(tr, "GET %s\n%d %s\n%s\n\n", path, code, head.Get("Content-Type"), strings.TrimSuffix(body, "\n"))
}

// check compares the transcript with its file.
func (tr *transcript) check(t *testing.T, name string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(tr.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(tr.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: the answer ends before line %d, %q", file, i+1, wanted[i])
		case i >= len(wanted) || got[i] != wanted[i]:
			t.Fatalf("%s, line %d: got %q; run with -update and look at the difference", file, i+1, got[i])
		}
	}
}
