package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
)

// appear moves a file that was just written into a directory.
func appear(t *testing.T, dir, name, content string) {
	t.Helper()
	hidden, now := filepath.Join(dir, "."+name), time.Now() // the bubble's
	err := errors.Join(os.WriteFile(hidden, []byte(content), 0o600), os.Chtimes(hidden, now, now),
		os.Rename(hidden, filepath.Join(dir, name)))
	if err != nil {
		t.Error(err)
	}
}

func TestWordCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		go func() {
			time.Sleep(1500 * time.Millisecond)
			appear(t, dir, "words", "to be or\r\nnot to be\n")
		}()
		output := filepath.ToSlash(dir) + "/out/counts"
		if err := weir.Run(ctx, build(filepath.ToSlash(dir), output), weir.Output(&out)); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, "out", "*", "part-00000"))
		if err != nil || len(names) != 1 {
			t.Fatalf("wrote %q, %v", names, err)
		}
		saved, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"(to,2)", "(be,2)", "(or,1)", "(not,1)"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s is not in\n%s", want, out.String())
			}
			if !strings.Contains(string(saved), want+"\n") {
				t.Errorf("%s is not in\n%s", want, saved)
			}
		}
	})
}
