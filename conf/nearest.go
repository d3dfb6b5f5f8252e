package conf

import "strings"

// nearest returns the known name that is most like an unknown one. Capitals count for less than
// letters, and among equals a setting that acts comes first.
func nearest(name string) string {
	best, distance := "", 0
	for _, candidate := range candidates(name) {
		d := likeness(name, candidate)
		if best == "" || d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// likeness is the editing distance with capitals ignored, and a little more if they differ. A prefix
// that was left out is no great difference: "streaming.concurrentJobs".
func likeness(name, candidate string) int {
	lower, other := strings.ToLower(name), strings.ToLower(candidate)
	d := 2 * editDistance(lower, other)
	if prefix, rest, ok := strings.Cut(other, "."); ok && !strings.HasPrefix(lower, prefix+".") {
		d = min(d, 2*editDistance(lower, rest)+2)
	}
	if d == 0 && name != candidate {
		d = 1
	}
	return d
}

// candidates are all names known one by one, and for each open family the unknown name as it would
// be in that family: spark.excutor.memory is near to spark.executor.memory, which no table lists.
func candidates(name string) []string {
	var out []string
	for _, d := range definitions() {
		out = append(out, d.Name())
	}
	for _, k := range knownNames() {
		out = append(out, k.name)
	}
	parts := strings.SplitN(name, ".", 3)
	if len(parts) == 3 && parts[2] != "" && !closed(name) {
		for _, f := range families() {
			if strings.Count(f.Prefix, ".") == 1 {
				out = append(out, f.Prefix+"."+parts[2])
			}
		}
	}
	return out
}

// misspelt returns the setting that acts and that the name, of an open family, is hardly different
// from, or "": spark.network.timeuot would be accepted as one of spark.network.* and do nothing.
func misspelt(name string) string {
	best, distance := "", 3
	for _, d := range definitions() {
		if n := editDistance(strings.ToLower(name), strings.ToLower(d.Name())); n < distance {
			best, distance = d.Name(), n
		}
	}
	return best
}

// longestCompared bounds the work that a name somebody pasted a file into can cause.
const longestCompared = 200

// editDistance counts the letters to insert, delete, replace or swap with their neighbour to turn a
// into b. Of longer texts only the first 200 bytes are compared.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), longestCompared)], b[:min(len(b), longestCompared)]
	older, old := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}
