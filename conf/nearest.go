package conf

import (
	"strings"

	"github.com/weirstream/weir/internal/spelling"
)

// nearest returns the known name that is most like an unknown one, or "" if none is like it. Capitals
// count for less than letters, and among equals a setting that acts comes first.
func nearest(name string) string {
	// A third of the letters may differ, and one in any case: beyond that a proposal only confuses.
	best, distance := "", 2*(min(len(name), longestName)/3+2)
	for _, candidate := range candidates(name) {
		if d := likeness(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// longestName is more than any setting's name has, and less than what somebody pastes a file into has.
const longestName = 60

// likeness is the editing distance with capitals ignored, and a little more if they differ. A prefix
// that was left out is no great difference: "streaming.concurrentJobs".
func likeness(name, candidate string) int {
	lower, other := strings.ToLower(name), strings.ToLower(candidate)
	d := 2 * spelling.Distance(lower, other)
	if prefix, rest, ok := strings.Cut(other, "."); ok && !strings.HasPrefix(lower, prefix+".") {
		d = min(d, 2*spelling.Distance(lower, rest)+2)
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
		if n := spelling.Distance(strings.ToLower(name), strings.ToLower(d.Name())); n < distance {
			best, distance = d.Name(), n
		}
	}
	return best
}
