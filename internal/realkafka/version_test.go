package realkafka

import "testing"

func TestAtLeast(t *testing.T) {
	tests := []struct {
		version, least string
		want           bool
	}{
		{"0.8.2.2", "0.9", false},
		{"0.9.0.1", "0.9", true},
		{"0.10.2.1", "0.9", true},
		{"0.10.2.1", "0.10.2", true},
		{"0.10.0.1", "0.10.2", false},
		{"1.1.1", "0.11", true},
		{"3.2.3", "3.3", false},
		{"3.9.1", "3.10", false},
		{"4.4.0", "4.4.0", true},
	}
	for _, tt := range tests {
		if got := atLeast(tt.version, tt.least); got != tt.want {
			t.Errorf("atLeast(%q, %q) = %v", tt.version, tt.least, got)
		}
	}
}
