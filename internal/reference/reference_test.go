package reference_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/reference"
)

func TestExpand(t *testing.T) {
	t.Setenv("WEIR_TEST_SECRET", "  p@ss ")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("key=in file\nother: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted := func(before, value, behind string) string { return "<" + before + "|" + value + "|" + behind + ">" }
	for _, row := range []struct {
		text, want, fails string
		files             bool
	}{
		{text: "", want: ""},
		{text: "plain $text {}", want: "plain $text {}"},
		{text: "${env:WEIR_TEST_SECRET}", want: "<|p@ss|>"},
		{text: "a${env:WEIR_TEST_SECRET}b", want: "a<a|p@ss|b>b"},
		{text: "${file:" + file + ":key}", want: "<|in file|>", files: true},
		{text: "${file:" + file + ":none}", fails: "the file has no key none", files: true},
		{text: "${env:WEIR_TEST_NONE}", fails: "the environment has no variable WEIR_TEST_NONE"},
		{text: "${vault:x}", fails: "only ${file:PATH}, ${file:PATH:KEY} and ${env:NAME} are understood"},
	} {
		got, err := reference.ExpandInto(row.text, quoted)
		switch {
		case row.fails == "" && (err != nil || got != row.want):
			t.Errorf("%q: %q, %v, want %q", row.text, got, err, row.want)
		case row.fails != "" && (err == nil || !strings.Contains(err.Error(), row.fails)):
			t.Errorf("%q: error %v, want %q", row.text, err, row.fails)
		}
		if got := reference.NeedsFiles(row.text); got != row.files {
			t.Errorf("%q: needs files: %v, want %v", row.text, got, row.files)
		}
	}
}
