package spelling

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
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
		if got := Distance(test.a, test.b); got != test.want {
			t.Errorf("Distance(%.20q, %.20q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := Distance(test.b, test.a); got != test.want {
			t.Errorf("Distance(%.20q, %.20q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"demo", "broker", "run-example", "KafkaWordCount", "KafkaRDD", "for", "command-config"}
	for name, want := range map[string]string{
		"demo": "demo", "dmeo": "demo", "DEMO": "demo", "run_exmaple": "run-example", "brok": "broker", "xyzzy": "",
		"kafkawordcuont": "KafkaWordCount", "command": "command-config", "": "", "k": "", "x": "", "fro": "for",
		strings.Repeat("x", 10_000): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", name, got, want)
		}
		said := ""
		if want != "" {
			said = ": did you mean " + want + "?"
		}
		if got := DidYouMean(name, known); got != said {
			t.Errorf("DidYouMean(%.20q) = %q, want %q", name, got, said)
		}
	}
}
