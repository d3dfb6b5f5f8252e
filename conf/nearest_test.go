package conf

import (
	"strings"
	"testing"
)

func TestEditDistance(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "ac", 1},
		{"abc", "acb", 1},
		{"abcd", "badc", 2},
		{"kitten", "sitting", 3},
		{long, "", longestCompared},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%.20q, %.20q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := editDistance(test.b, test.a); got != test.want {
			t.Errorf("editDistance(%.20q, %.20q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

// Each setting that acts is found again from a name with a letter missing, doubled, or a pair swapped,
// and no such name is accepted.
func TestMisspeltNamesAreRefused(t *testing.T) {
	for _, d := range definitions() {
		name := d.Name()
		middle := len(name) / 2
		for _, wrong := range []string{
			name[:middle] + name[middle+1:],
			name[:middle] + name[middle-1:],
			name[:middle] + string(name[middle+1]) + string(name[middle]) + name[middle+2:],
			strings.ToUpper(name),
		} {
			if wrong == name {
				continue
			}
			_, err := newVerifier(New().SetFrom("", wrong, "1")).judge(wrong)
			if err == nil || !strings.HasSuffix(err.Error(), "the nearest known name is "+name) {
				t.Errorf("%s, misspelt %s: %v", name, wrong, err)
			}
		}
	}
}
