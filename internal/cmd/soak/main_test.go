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

// TestSoak: the rounds cover the seeds, and the exit code and the last line say what became of them.
func TestSoak(t *testing.T) {
	says := func(text string, err error) round {
		return func(_ context.Context, out io.Writer, tests string, seed uint64, n int) error {
			if tests == faultTests {
				_, err := fmt.Fprintf(out, "x.go:1: %d durable graphs ran, 0 failed\n", n)
				return err
			}
			_, _ = fmt.Fprintf(out, "=== RUN TestGraphs\nseeds %d+%d\n"+text+"\n--- PASS: TestGraphs", seed, n, n)
			return err
		}
	}
	exit := &exec.ExitError{}
	tests := []struct {
		args  string
		round round
		code  int
		want  string
	}{
		{"--graphs 45000 --seed 7", says("x.go:1: %d graphs ran, 0 failed", nil), 0,
			"seeds 7+20000\nx.go:1: 20000 graphs ran, 0 failed\nseeds 20007+20000\nx.go:1: 20000 graphs ran, 0 failed\n" +
				"seeds 40007+5000\nx.go:1: 5000 graphs ran, 0 failed\n45000 programs ran, 0 failed\n"},
		{"--graphs 10", says("x.go:1: %d graphs ran, 0 failed\nx.go:1: 3 chains ran, 2 failed", exit), 1,
			"seeds 1+10\nx.go:1: 10 graphs ran, 0 failed\nx.go:1: 3 chains ran, 2 failed\n13 programs ran, 2 failed\n"},
		{"--graphs 10", says("panic: %d", errors.New("no go")), 1,
			"seeds 1+10\npanic: 10\nthe round of seeds 1 to 10 ended: no go\n0 programs ran, 0 failed\n"},
		{"--graphs 10 --seeds 20", says("x.go:1: %d graphs ran, 0 failed", nil), 0,
			"seeds 1+10\nx.go:1: 10 graphs ran, 0 failed\nx.go:1: 20 durable graphs ran, 0 failed\n30 programs ran, 0 failed\n"},
		{"--seeds 7", says("", nil), 0, "x.go:1: 7 durable graphs ran, 0 failed\n7 programs ran, 0 failed\n"},
		{"--graphs 0", nil, 2, "usage: soak [--graphs N] [--seeds N] [--seed S], N being at least 1\n"},
		{"all", nil, 2, "usage: soak [--graphs N] [--seeds N] [--seed S], N being at least 1\n"},
	}
	for _, tt := range tests {
		var out strings.Builder
		code := run(t.Context(), strings.Fields(tt.args), &out, tt.round)
		if code != tt.code || out.String() != tt.want {
			t.Errorf("soak %s: exit code %d, want %d\ngot\n%s\nwant\n%s", tt.args, code, tt.code, out.String(), tt.want)
		}
	}
}
