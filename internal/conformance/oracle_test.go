package conformance

import (
	"encoding/json"
	"strconv"
)

// wanted computes the definition of a windowed operator: at each slide the elements of the last length, reduced; keys
// without elements are absent; an empty window gives nothing, but a count of 0.
func wanted(op string, c streamCase, length, slide int) map[string]any {
	out := map[string]any{}
	for at := slide; at <= c.Ticks; at += slide {
		var elements []string
		for b := max(at-length, 0); b < at && b < len(c.Input); b++ {
			elements = append(elements, c.Input[b]...)
		}
		out[strconv.Itoa(at)] = definitions[op](elements)
	}
	return out
}

var definitions = map[string]func(elements []string) []any{
	"countByWindow": func(elements []string) []any { return []any{num(len(elements))} },
	"reduceByWindowInverse": func(elements []string) []any {
		if len(elements) == 0 {
			return []any{}
		}
		sum := 0
		for _, e := range elements {
			sum += number(e)
		}
		return []any{num(sum)}
	},
	"countByValueAndWindow": func(elements []string) []any {
		return sums(elements, func(e string) (string, int) { return e, 1 }, nil)
	},
	"reduceByKeyAndWindowInverse":       func(elements []string) []any { return sums(elements, pair, nil) },
	"reduceByKeyAndWindowInverseFilter": func(elements []string) []any { return sums(elements, pair, notZero) },
}

func notZero(n int) bool { return n != 0 }

func num(n int) json.Number { return json.Number(strconv.Itoa(n)) }

func sums(elements []string, pair func(string) (string, int), keep func(int) bool) []any {
	totals := map[string]int{}
	for _, e := range elements {
		k, v := pair(e)
		totals[k] += v
	}
	out := []any{}
	for k, n := range totals {
		if keep == nil || keep(n) {
			out = append(out, []any{k, num(n)})
		}
	}
	return out
}
