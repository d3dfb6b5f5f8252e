package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestChaos: the exit code and the last line say what was compared, and a test that compared nothing has failed.
func TestChaos(t *testing.T) {
	says := func(text string, err error) fight {
		return func(_ context.Context, out io.Writer, kills, stalls int, seed uint64) error {
			_, _ = fmt.Fprintf(out, "%d %d %d\n%s\nok\n", kills, stalls, seed, text)
			return err
		}
	}
	const (
		usage = "usage: chaos [--kills N] [--stalls N] [--seed S], one of the numbers being at least 1\n"
		line  = "    chaos_test.go:64: 6 kills of the program, 5 of them at work, 1 of brokers, 0 stalls, 99 records: compared"
		empty = "chaos: failed: the test ends well, but does not say that it compared anything after 6 kills and 0 stalls: " +
			"nothing is shown\n"
	)
	for _, tt := range []struct {
		name, args string
		fight      fight
		code       int
		want       string
	}{
		{"what was done", "--kills 6 --stalls 0 --seed 3", says(line, nil), 0,
			"6 0 3\n" + line + "\nok\nchaos: 6 kills of the program, 1 of brokers, 0 stalls, 0 failed\n"},
		{"a failure", "--kills 6 --stalls 0", says(line, errors.New("exit status 1")), 1,
			"6 0 1\n" + line + "\nok\nchaos: failed: exit status 1\n"},
		{"a skip", "--kills 6 --stalls 0", says("--- SKIP: TestChaos", nil), 1,
			"6 0 1\n--- SKIP: TestChaos\nok\n" + empty},
		{"fewer kills", "--kills 6 --stalls 0", says(strings.Replace(line, "6 kills", "5 kills", 1), nil), 1,
			"6 0 1\n" + strings.Replace(line, "6 kills", "5 kills", 1) + "\nok\n" + empty},
		{"no records", "--kills 6 --stalls 0", says(strings.Replace(line, "99 records", "0 records", 1), nil), 1,
			"6 0 1\n" + strings.Replace(line, "99 records", "0 records", 1) + "\nok\n" + empty},
		{"nothing to do", "--kills 0 --stalls 0", nil, 2, usage},
		{"a number below 0", "--kills -1", nil, 2, usage},
		{"a word", "all", nil, 2, usage},
	} {
		var out strings.Builder
		code := run(t.Context(), strings.Fields(tt.args), &out, tt.fight)
		if code != tt.code || out.String() != tt.want {
			t.Errorf("%s: exit code %d, want %d\ngot\n%s\nwant\n%s", tt.name, code, tt.code, out.String(), tt.want)
		}
	}
}
