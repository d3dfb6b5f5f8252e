// Package spelling finds the known name that an unknown one was probably meant to be.
package spelling

import "strings"

// longestCompared bounds the work for a name into which a file was pasted.
const longestCompared = 200

// Distance counts the bytes to insert, delete, replace or swap with their neighbour to turn a into b. Of longer texts
// only the first 200 bytes are compared.
func Distance(a, b string) int {
	a, b = a[:min(len(a), longestCompared)], b[:min(len(b), longestCompared)]
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := old[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, old[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}

// Nearest gives the known name that is most like name, or "" if none is like it. Capitals, hyphens and underscores do
// not count; the beginning of one name only is taken for it.
func Nearest(name string, known []string) string {
	name = Plain(name)
	n := min(len(name), longestCompared)
	best, cost := "", min(max(2, n/3), n/2)+1
	var begun []string
	for _, k := range known {
		if d := Distance(name, Plain(k)); d < cost {
			best, cost = k, d
		}
		if name != "" && strings.HasPrefix(Plain(k), name) {
			begun = append(begun, k)
		}
	}
	if cost > 1 && len(begun) == 1 {
		return begun[0]
	}
	return best
}

// DidYouMean is the end of an error about an unknown name: the known name that is most like it, or nothing if none is.
func DidYouMean(name string, known []string) string {
	best := Nearest(name, known)
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// Plain is a name without what people vary: capitals, hyphens and underscores.
func Plain(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}
