package rdd_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// TestBroadcast: tasks read the value, in the honest mode a copy of it that is made once.
func TestBroadcast(t *testing.T) {
	for _, honest := range []string{"false", "true"} {
		sc := newContext(t, "weir.honest", honest)
		table := map[int]string{1: "one", 2: "two"}
		b, other := rdd.NewBroadcast(sc, table), rdd.NewBroadcast(sc, 7)
		name := func(v int) string { return b.Value()[v] }
		for range 2 {
			if got := show(true, rdd.Map(rdd.Parallelize(sc, []int{2, 1, 3}, 2), name)); got != "two one " {
				t.Errorf("honest %s: %q", honest, got)
			}
			b.Unpersist()
		}
		if b.ID() != 0 || other.ID() != 1 || b.Value()[1] != "one" {
			t.Errorf("honest %s: numbers %d and %d, value %v", honest, b.ID(), other.ID(), b.Value())
		}
		table[3] = "three" // It must not be, and a cluster's tasks would not see it.
		seen := show(true, rdd.Map(rdd.Parallelize(sc, []int{1}, 1), func(int) int {
			delete(b.Value(), 1)
			return len(b.Value())
		}))
		if want := map[string]string{"false": "2 2", "true": "2 3"}[honest]; fmt.Sprint(seen, " ", len(table)) != want {
			t.Errorf("honest %s: a task has %s entries, the driver %d; want %s", honest, seen, len(table), want)
		}
	}
}

// TestBroadcastTroubles: what is wrong with the use of a broadcast fails the task for good, and names the broadcast.
func TestBroadcastTroubles(t *testing.T) {
	sc := newContext(t, "weir.honest", "true", "spark.task.maxFailures", "4")
	pattern := rdd.NewBroadcast(sc, regexp.MustCompile("a+"))
	gone := rdd.NewBroadcast(sc, 1)
	gone.Destroy()
	gone.Destroy()
	gone.Unpersist()
	for want, use := range map[string]func(){
		"broadcast 0 (broadcast_test.go:": func() { pattern.Value() },
		"was used after Destroy at broad": func() { gone.Value() },
	} {
		tries := 0
		err := rdd.Foreach(context.Background(), rdd.Parallelize(sc, []int{1}, 1), func(int) error {
			tries++
			use()
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || tries != 1 {
			t.Errorf("%v after %d tries, want %s", err, tries, want)
		}
	}
	if !pattern.Value().MatchString("aa") { // In the driver it is what it was.
		t.Error("another value")
	}
}

// TestBroadcastAsData: a broadcast is its number and its value.
func TestBroadcastAsData(t *testing.T) {
	sc := newContext(t)
	rdd.NewBroadcast(sc, 0)
	b := rdd.NewBroadcast(sc, []string{"a", "bc"})
	data, err := b.AppendBinary([]byte{9})
	if want := "[9 1 3 1 97 2 98 99]"; err != nil || fmt.Sprint(data) != want {
		t.Errorf("%v, %v; want %s", data, err, want)
	}
	b.Destroy()
	if _, err := b.AppendBinary(nil); err == nil || !strings.Contains(err.Error(), "after Destroy") {
		t.Errorf("%v", err)
	}
	if _, err := rdd.NewBroadcast(sc, func() {}).AppendBinary(nil); err == nil || !strings.Contains(err.Error(), "func()") {
		t.Errorf("%v", err)
	}
}
