package dstream

import "testing"

// A range of JSON is not one of a write ahead log for that.
func TestIsWalRange(t *testing.T) {
	for data, want := range map[string]bool{
		"": false, "0123456789abcdef": false, `{"version":`: false, `{"version":1}`: false,
		`{"version":1,"number":0,"threshold":-9223372036854775808}`:        false, // of a stream of files
		`{"version":1,"series":"orders"}`:                                  false,
		string(walRange{Version: 1, Series: "received/0123-01"}.encode()):  true,
		string(walRange{Version: 12, Series: "received/0123-01"}.encode()): true,
	} {
		if got := isWalRange([]byte(data)); got != want {
			t.Errorf("%q: %v, want %v", data, got, want)
		}
	}
}
