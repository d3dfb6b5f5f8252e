package weirtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

type text struct{ A, B string }

func (t text) String() string { return t.A + " " + t.B }

func plus(from, until int) string {
	var lines []string
	for v := from; v < until; v++ {
		lines = append(lines, fmt.Sprint("+", v))
	}
	return strings.Join(lines, "|")
}

// TestDiff is what a failing test prints.
func TestDiff(t *testing.T) {
	numbers := func(from, until int) (vs []any) {
		for v := from; v < until; v++ {
			vs = append(vs, v)
		}
		return vs
	}
	for _, tt := range []struct {
		name      string
		got, want []any
		ordered   bool
		text      string
	}{
		{"equal", []any{1, 2}, []any{1, 2}, true, ""},
		{"a bag in another order", []any{2, 1}, []any{1, 2}, false, ""},
		{"another order", []any{2, 1}, []any{1, 2}, true, "-1|2|+1"},
		{"strings", []any{"a\n"}, []any{"a "}, false, `-"a "|+"a\n"`},
		{"structs", []any{struct{ A int }{1}}, []any{struct{ A int }{2}}, false, "-{A:2}|+{A:1}"},
		{"what looks alike", []any{text{"a", "b c"}, 3}, []any{text{"a b", "c"}, 3}, false,
			`3|-weirtest.text{A:"a b", B:"c"}|+weirtest.text{A:"a", B:"b c"}`},
		{"what looks alike in Go", []any{int64(1), 3}, []any{1, 3}, false, "int(3)|-int(1)|+int64(1)"},
		{"a long one", append(numbers(0, 20), "x"), numbers(0, 20), false, `0|1|2|... 17 equal|+"x"`},
		{"two places", append(numbers(1, 20), "x"), numbers(0, 20), true, `-0|1|2|3|... 16 equal|+"x"`},
		{"too much", numbers(0, 100), numbers(60, 100), false, "60|61|62|... 37 equal|" + plus(0, 37) + "|... 23 more"},
	} {
		var lines []string
		if d := compare(tt.got, tt.want, same[any](newComparer(nil)), tt.ordered); d != nil {
			lines = strings.Split(d.String(), "\n")
		}
		for i, l := range lines {
			lines[i] = strings.Join(strings.Fields(l), " ")
		}
		got := strings.NewReplacer("+ ", "+", "- ", "-").Replace(strings.Join(lines, "|"))
		if got != tt.text {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.text)
		}
	}
}

// TestLongLists are too long to be aligned but compared all the same.
func TestLongLists(t *testing.T) {
	want := slices.Repeat([]int{1, 2}, 2000)
	got := slices.Repeat([]int{2, 1}, 2000)
	if d := compare(got, want, same[int](newComparer(nil)), true); d == nil {
		t.Error("no difference")
	}
	if d := compare(got, want, same[int](newComparer(nil)), false); d != nil {
		t.Errorf("bags differ: %v", d)
	}
}

// TestReport tells what is the same in several modes once.
func TestReport(t *testing.T) {
	a, b, c := mode{partitions: 1}, mode{partitions: 2, honest: true}, mode{partitions: 7}
	x, y := errors.New("x"), errors.New("y")
	for _, tt := range []struct {
		name string
		errs []error
		want string
	}{
		{"right", []error{nil, nil, nil}, "[]"},
		{"all", []error{x, x, x}, "[weirtest: in every run: x]"},
		{"one", []error{nil, x, nil}, "[weirtest: with 2 partitions (honest): x]"},
		{"two ways", []error{x, y, x}, "[weirtest: with 1 partition, 7 partitions: x weirtest: with 2 partitions (honest): y]"},
	} {
		var r report
		for i, m := range []mode{a, b, c} {
			r.add(m, tt.errs[i])
		}
		if got := fmt.Sprint(r.failures()); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestTolerance: an element that is the same as several is given to the one that has no other.
func TestTolerance(t *testing.T) {
	near := func(got, want float64) bool { return max(got-want, want-got) <= 0.1 }
	for _, tt := range []struct {
		got, want []float64
		equal     bool
	}{
		{[]float64{1.00, 1.09}, []float64{1.05, 0.95}, true},
		{[]float64{1.09, 1.00}, []float64{0.95, 1.05}, true},
		{[]float64{1.00, 1.09, 1.18}, []float64{1.15, 1.05, 0.95}, true},
		{[]float64{1.00, 1.00}, []float64{1.05, 1.2}, false},
	} {
		if d := compare(tt.got, tt.want, near, false); (d == nil) != tt.equal {
			t.Errorf("%v and %v: %v", tt.got, tt.want, d)
		}
	}
}
