package main

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
)

func TestEstimate(t *testing.T) {
	pi, err := estimate(t.Context(), "local[2]", 4)
	if err != nil || math.Abs(pi-math.Pi) > 0.03 {
		t.Errorf("pi is roughly %v, %v", pi, err)
	}
}

func TestRun(t *testing.T) {
	result := regexp.MustCompile(`^Pi is roughly 3\.1\d*\n$`)
	for _, tt := range []struct {
		args string
		code int
		says string // on standard error
	}{
		{"", 0, ""},
		{"4", 0, ""},
		{"--slices 4 --master local[2]", 0, ""},
		{"--slices -1", 2, "the number of slices must be from 1 to 1000000, not -1"},
		{"0", 2, "must be from 1"},
		{"many", 2, `a whole number, not "many"`},
		{"1 2", 2, `"2" is one argument too many`},
		{"--master yarn", 2, "--master: spark.master=yarn"},
		{"--nonsense", 2, "nonsense"},
		{"--help", 0, "-slices"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
		if code != tt.code || !strings.Contains(stderr.String(), tt.says) || (tt.says == "") != (stderr.Len() == 0) {
			t.Errorf("%s: code %d, said %q, want %d, %q", tt.args, code, stderr.String(), tt.code, tt.says)
		}
		if (tt.says == "") != result.MatchString(stdout.String()) {
			t.Errorf("%s: wrote %q", tt.args, stdout.String())
		}
	}
}
