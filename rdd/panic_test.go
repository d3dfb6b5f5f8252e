package rdd_test

import (
	"bytes"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// TestPanicKeepsStack: the log has the stack of a panicking task once, however many tasks panic, and the error has it.
func TestPanicKeepsStack(t *testing.T) {
	var log bytes.Buffer
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2,3]"),
		rdd.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Stop(t.Context())
	at := strings.Replace(here(2), "rdd_test.go", "panic_test.go", 1)
	_, err = rdd.Count(t.Context(), rdd.Map(rdd.Range(sc, 0, 100, 1, 4), func(int64) bool {
		return regexp.MustCompile(strings.Repeat("(", 1)).MatchString("x")
	}))
	var p *rdd.PanicError
	if !errors.As(err, &p) || p.Site.String() != at || !strings.Contains(string(p.Stack), at) ||
		!strings.Contains(err.Error(), "panic at "+at+": regexp: Compile(`(`)") {
		t.Errorf("%v, want a panic at %s; with %+v", err, at, p)
	}
	got := log.String()
	if strings.Count(got, `level=ERROR msg="a task panicked"`) != 1 || strings.Count(got, "stack=") != 1 ||
		!strings.Contains(got, at+" +0x") {
		t.Errorf("logged\n%s", got)
	}
}
