package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestSoak: the rounds cover the seeds, also behind one that kills its round, and the exit code and the last line say
// what became of them.
func TestSoak(t *testing.T) {
	says := func(text string, err error) round {
		return func(_ context.Context, out io.Writer, test string, seed uint64, n int) error {
			if test != graphTest {
				what := map[string]string{chainTest: "chains", faultTest: "durable graphs"}[test]
				_, err := fmt.Fprintf(out, "x.go:1: %d %s ran, 0 failed\n", n, what)
				return err
			}
			_, _ = fmt.Fprintf(out, "=== RUN TestGraphs\nseeds %d+%d\n"+text+"\n--- PASS: TestGraphs", seed, n, n)
			return err
		}
	}
	exit := &exec.ExitError{}
	// dies is a round that seed 9 kills when it comes to it, or ends a part of.
	dies := func(whole string) round {
		return func(ctx context.Context, out io.Writer, test string, seed uint64, n int) error {
			if seed > 9 || test != graphTest {
				return says("x.go:1: %d graphs ran, 0 failed", nil)(ctx, out, test, seed, n)
			}
			_, _ = fmt.Fprintf(out, "x.go:1: seed 2: bad\nreplay it: go\nTestGraphs/seeds: seed 9 ended the test\n%s", whole)
			return exit
		}
	}
	const (
		seed9 = "x.go:1: seed 2: bad\nreplay it: go\nTestGraphs/seeds: seed 9 ended the test\n"
		usage = "usage: soak [--graphs N] [--seeds N] [--seed S], N being at least 1\n"
	)
	tests := []struct {
		args  string
		round round
		code  int
		want  string
	}{
		{"--graphs 45000 --seed 7", says("x.go:1: %d graphs ran, 0 failed", nil), 0,
			"seeds 7+20000\nx.go:1: 20000 graphs ran, 0 failed\nseeds 20007+20000\nx.go:1: 20000 graphs ran, 0 failed\n" +
				"seeds 40007+5000\nx.go:1: 5000 graphs ran, 0 failed\nx.go:1: 20000 chains ran, 0 failed\n" +
				"x.go:1: 20000 chains ran, 0 failed\nx.go:1: 5000 chains ran, 0 failed\n90000 programs ran, 0 failed\n"},
		{"--graphs 10", says("x.go:1: %d graphs ran, 2 failed", exit), 1,
			"seeds 1+10\nx.go:1: 10 graphs ran, 2 failed\nx.go:1: 10 chains ran, 0 failed\n20 programs ran, 2 failed\n"},
		{"--graphs 10", says("panic: %d", errors.New("no go")), 1, "seeds 1+10\npanic: 10\n" +
			"the round of seeds 1 to 10 ended: no go\nx.go:1: 10 chains ran, 0 failed\n" +
			"10 programs ran, 0 failed, and others did not run\n"},
		{"--graphs 10", says("fatal error: %d", exit), 1, "seeds 1+10\nfatal error: 10\n" +
			"the round of seeds 1 to 10 ended: <nil>\nx.go:1: 10 chains ran, 0 failed\n" +
			"10 programs ran, 0 failed, and others did not run\n"},
		{"--graphs 40", dies("panic: deadlock\n"), 1, seed9 + "panic: deadlock\nseeds 10+31\n" +
			"x.go:1: 31 graphs ran, 0 failed\nx.go:1: 40 chains ran, 0 failed\n77 programs ran, 2 failed\n"},
		{"--graphs 40", dies("x.go:1: 39 graphs ran, 1 failed"), 1, seed9 + "x.go:1: 39 graphs ran, 1 failed\n" +
			"x.go:1: 40 chains ran, 0 failed\n80 programs ran, 2 failed\n"},
		{"--graphs 10 --seeds 20", says("x.go:1: %d graphs ran, 0 failed", nil), 0, "seeds 1+10\n" +
			"x.go:1: 10 graphs ran, 0 failed\nx.go:1: 10 chains ran, 0 failed\nx.go:1: 20 durable graphs ran, 0 failed\n" +
			"40 programs ran, 0 failed\n"},
		{"--seeds 7", says("", nil), 0, "x.go:1: 7 durable graphs ran, 0 failed\n7 programs ran, 0 failed\n"},
		{"--graphs 0", nil, 2, usage},
		{"all", nil, 2, usage},
	}
	for _, tt := range tests {
		var out strings.Builder
		code := run(t.Context(), strings.Fields(tt.args), &out, tt.round)
		if code != tt.code || out.String() != tt.want {
			t.Errorf("soak %s: exit code %d, want %d\ngot\n%s\nwant\n%s", tt.args, code, tt.code, out.String(), tt.want)
		}
	}
}
