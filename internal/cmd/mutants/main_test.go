package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// TestMutantsFit: the faults still say what the source says.
func TestMutantsFit(t *testing.T) {
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		name, err := m.overlay(root, t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if data, err := os.ReadFile(name); err != nil || !strings.Contains(string(data), m.edits[0].file) {
			t.Errorf("%s: %s, %v", m.name, data, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--seeds", "0"}, {"--sed", "1"}, {"more"}} {
		var out bytes.Buffer
		if code := run(context.Background(), args, &out); code != 2 || !strings.Contains(out.String(), "usage: mutants") {
			t.Errorf("%v: %d, %q", args, code, out.String())
		}
	}
}

// TestCaughtBy reads what a test that failed has to say.
func TestCaughtBy(t *testing.T) {
	for text, want := range map[string]string{
		"--- FAIL\n    simulate_test.go:64: seed 12: output 1, batch 2:\ngot\n": "by seed 12: output 1, batch 2:",
		"TestFaults/seeds: seed 7 ended the test\npanic: x":                     "by seed 7, which ended the test",
		"panic: test timed out": "by the end of the test: panic: test timed out",
	} {
		if got := caughtBy(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
