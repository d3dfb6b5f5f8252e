package main

import (
	"bytes"
	"context"
	"errors"
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

// TestCaughtBy reads what a test that failed has to say: what names no seed has caught nothing, and neither has an
// error of the machine; one of the simulated disk has.
func TestCaughtBy(t *testing.T) {
	temp := os.TempDir()
	for text, want := range map[string]string{
		"--- FAIL\n    simulate_test.go:64: seed 12: output 1, batch 2:\n        got  a\n        want b\n" +
			"        replay it: go test\n": "by seed 12: output 1, batch 2:\n\tgot  a\n\twant b",
		"x: seed 3: a\n b\n c\n d\n e\n replay it: go test":                        "by seed 3: a\n\tb\n\tc\n\td",
		"x: seed 3: write disk:/ck: no space left on device\n replay it: go test":  "by seed 3: write disk:/ck: no space left on device",
		"TestFaults/seeds: seed 7 ended the test\n--- FAIL\npanic: x\n\ngoroutine": "by seed 7, which ended the test: panic: x",
		"panic: test timed out": "the test fails and names no seed: panic: test timed out",
		"mkdir: no space left":  "the test fails and names no seed: mkdir: no space left",
		"x: seed 3: write " + temp + "/001/spill: no space left on device\n replay it: go test": "the machine failed, " +
			"and not the program: " + temp + "/001/spill: no space left on device",
	} {
		got, err := caughtBy(text)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTry: nothing is said of faults where the tests fail without one, and what was not decided is not caught.
func TestTry(t *testing.T) {
	type answer struct {
		how string
		err error
	}
	full := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		answers []answer // the first is that of the control
		code    int
		want    string
	}{
		"all are caught":           {[]answer{{}, {"by seed 1", nil}, {"by seed 2", nil}}, 0, "0 not caught, 0 not decided"},
		"one survives":             {[]answer{{}, {"by seed 1", nil}, {}}, 1, "1 not caught, 0 not decided"},
		"one is not decided":       {[]answer{{}, {"", full}, {"by seed 2", nil}}, 1, "0 not caught, 1 not decided"},
		"the control fails":        {[]answer{{"by seed 3", nil}}, 1, "nothing can be said of faults"},
		"the control does not run": {[]answer{{"", full}}, 1, "nothing can be said of faults"},
	} {
		var out bytes.Buffer
		code := try([]mutant{{name: "a"}, {name: "b"}}, func(mutant) (string, error) {
			a := tt.answers[0]
			tt.answers = tt.answers[1:]
			return a.how, a.err
		}, 9, &out)
		if code != tt.code || !strings.Contains(out.String(), tt.want) || len(tt.answers) > 0 {
			t.Errorf("%s: exit %d, want %d: %s", name, code, tt.code, out.String())
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--only", "no such fault"}, &out); code != 1 {
		t.Errorf("no fault: exit %d, %q", code, out.String())
	}
}
