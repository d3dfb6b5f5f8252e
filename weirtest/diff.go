package weirtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A line of a diff is an element: one that is in both (' '), only wanted ('-'), or only got ('+').
type line[T any] struct {
	sign byte
	v    T
}

// A diff shows two lists beside each other, of which same compared the elements.
type diff[T any] struct {
	lines []line[T]
	same  func(got, want T) bool
}

// compare gives nil if got is as wanted.
func compare[T any](got, want []T, same func(got, want T) bool, ordered bool) *diff[T] {
	if slices.EqualFunc(got, want, same) {
		return nil
	}
	pair := compareBags[T]
	if ordered {
		pair = compareLists[T]
	}
	lines := pair(got, want, same)
	if !slices.ContainsFunc(lines, func(l line[T]) bool { return l.sign != ' ' }) {
		return nil
	}
	return &diff[T]{lines, same}
}

// compareBags gives each wanted element one that was got and is left. Where same has a tolerance, an element may be the
// same as several, and those that were given before are given anew if all find one so.
func compareBags[T any](got, want []T, same func(got, want T) bool) (d []line[T]) {
	owner := make([]int, len(got)) // which wanted element has it, -1 for none
	for i := range owner {
		owner[i] = -1
	}
	first := 0 // Those before it have owners.
	free := func(j int) bool {
		for first < len(got) && owner[first] >= 0 {
			first++
		}
		i := first
		for i < len(got) && (owner[i] >= 0 || !same(got[i], want[j])) {
			i++
		}
		if i < len(got) {
			owner[i] = j
		}
		return i < len(got)
	}
	var find func(j int, tried []bool) bool
	find = func(j int, tried []bool) bool {
		if free(j) {
			return true
		}
		for i := range got {
			if tried[i] || !same(got[i], want[j]) {
				continue
			}
			if tried[i] = true; find(owner[i], tried) {
				owner[i] = j
				return true
			}
		}
		return false
	}
	var missing []line[T]
	for j, w := range want {
		if free(j) || len(got)*len(want) <= alignMax && find(j, make([]bool, len(got))) {
			d = append(d, line[T]{' ', w})
		} else {
			missing = append(missing, line[T]{'-', w})
		}
	}
	d = append(d, missing...)
	for i, g := range got {
		if owner[i] < 0 {
			d = append(d, line[T]{'+', g})
		}
	}
	return d
}

// alignMax bounds the lists that are aligned, or given anew, which takes the product of their lengths.
const alignMax = 1_000_000

// compareLists aligns two lists by their longest common subsequence, after what they begin with in common.
func compareLists[T any](got, want []T, same func(got, want T) bool) (d []line[T]) {
	for len(got) > 0 && len(want) > 0 && same(got[0], want[0]) {
		d = append(d, line[T]{' ', want[0]})
		got, want = got[1:], want[1:]
	}
	common := func(i, j int) int { return 0 }
	if len(got)*len(want) <= alignMax {
		common = commonSuffixes(got, want, same)
	}
	i, j := 0, 0
	for i < len(got) || j < len(want) {
		switch {
		case i < len(got) && j < len(want) && same(got[i], want[j]):
			d = append(d, line[T]{' ', want[j]})
			i, j = i+1, j+1
		case j < len(want) && (i == len(got) || common(i, j+1) >= common(i+1, j)):
			d = append(d, line[T]{'-', want[j]})
			j++
		default:
			d = append(d, line[T]{'+', got[i]})
			i++
		}
	}
	return d
}

// commonSuffixes gives how many elements got[i:] and want[j:] have in common, in order.
func commonSuffixes[T any](got, want []T, same func(got, want T) bool) func(i, j int) int {
	width := len(want) + 1
	table := make([]int, (len(got)+1)*width)
	for i := len(got) - 1; i >= 0; i-- {
		for j := len(want) - 1; j >= 0; j-- {
			n := max(table[(i+1)*width+j], table[i*width+j+1])
			if same(got[i], want[j]) {
				n = table[(i+1)*width+j+1] + 1
			}
			table[i*width+j] = n
		}
	}
	return func(i, j int) int { return table[i*width+j] }
}

// linesMax bounds a diff that is shown, contextLines what is equal in it.
const (
	linesMax     = 40
	contextLines = 3
)

// String shows a line for each element, of what is equal only a part.
func (d *diff[T]) String() string {
	show := d.form()
	var b strings.Builder
	equal, shown := 0, 0
	skipped := func() {
		if n := equal - contextLines; n > 0 {
			fmt.Fprintf(&b, "      ... %d equal\n", n)
		}
		equal = 0
	}
	for i, l := range d.lines {
		if shown == linesMax {
			fmt.Fprintf(&b, "      ... %d more\n", len(d.lines)-i)
			break
		}
		if l.sign == ' ' {
			if equal++; equal > contextLines {
				continue
			}
		} else {
			skipped()
		}
		shown++
		fmt.Fprintf(&b, "    %c %s\n", l.sign, show(l.v))
	}
	skipped()
	return strings.TrimSuffix(b.String(), "\n")
}

// form is how elements are printed: in the shortest way in which none that is wanted looks like one that was got.
func (d *diff[T]) form() func(T) string {
	forms := []func(T) string{
		func(v T) string { return short(v) },
		func(v T) string { return fmt.Sprintf("%#v", v) },
		func(v T) string { return fmt.Sprintf("%T(%#v)", v, v) },
	}
	for _, form := range forms[:len(forms)-1] {
		if d.apart(form) {
			return form
		}
	}
	return forms[len(forms)-1]
}

// apart tells whether what differs looks different.
func (d *diff[T]) apart(form func(T) string) bool {
	wanted := map[string]T{}
	for _, l := range d.lines {
		if l.sign == '-' {
			wanted[form(l.v)] = l.v
		}
	}
	return !slices.ContainsFunc(d.lines, func(l line[T]) bool {
		want, ok := wanted[form(l.v)]
		return l.sign == '+' && ok && !d.same(l.v, want)
	})
}

// short prints strings in quotes, what knows how to print itself by that, and the rest with the names of fields.
func short(v any) string {
	if _, ok := v.(fmt.Stringer); !ok && reflect.ValueOf(v).Kind() == reflect.String {
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf("%+v", v)
}
