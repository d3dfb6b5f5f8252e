package lint

import (
	"bytes"
	goformat "go/format"
)

// format holds gofmt, and with it that every Go file parses; the other checks pass over those that
// do not.
func format(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Err != nil {
			found = append(found, Finding{
				Path: f.Path, What: "does not parse: " + f.Err.Error(), Instead: "mend it first",
			})
			continue
		}
		if !f.Written() {
			continue
		}
		want, err := goformat.Source(f.Source)
		if err == nil && bytes.Equal(want, f.Source) {
			continue
		}
		found = append(found, Finding{
			Path: f.Path, Line: firstDifference(want, f.Source),
			What: "is not formatted", Instead: "run gofmt -w on it",
		})
	}
	return found
}

// firstDifference is the number of the first line in which a and b are not equal.
func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
