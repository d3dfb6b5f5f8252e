package rdd_test

import (
	"context"
	"slices"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// Stop calls what it was given, the last one first, but for what was taken back.
func TestOnStop(t *testing.T) {
	sc, err := rdd.NewContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	given := map[string]func(){}
	for _, name := range []string{"a", "b", "c", "d"} {
		given[name] = sc.OnStop(func() { called = append(called, name) })
	}
	given["b"]()
	given["d"]()
	given["d"]()
	if err := sc.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	given["a"]() // Too late.
	if want := []string{"c", "a"}; !slices.Equal(called, want) {
		t.Errorf("called %v, want %v", called, want)
	}
}
