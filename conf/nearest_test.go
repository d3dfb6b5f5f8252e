package conf

import (
	"strings"
	"testing"
)

// A name is proposed only where it is like the unknown one.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"foo.bar":                    "",
		"x":                          "",
		"group.id":                   "",
		"bootstrap.servers":          "",
		"hive.metastore.uris":        "",
		"mastre":                     "spark.master",
		"spark.mastr":                "spark.master",
		"streaming.concurrentJobs":   "spark.streaming.concurrentJobs",
		"spark.streaming.blokIntrvl": "spark.streaming.blockInterval",
		strings.Repeat("x", 10_000):  "",
	} {
		if got := nearest(name); got != want {
			t.Errorf("nearest(%.30q) = %q, want %q", name, got, want)
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
