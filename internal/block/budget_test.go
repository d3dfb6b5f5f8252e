package block

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBudget is a transcript: what is asked, and what is granted, evicted and used then.
func TestBudget(t *testing.T) {
	b := NewBudget(100)
	entries := map[string]*Entry{}
	var log []string
	ask := func(name, owner string, n int64) {
		ok := b.Grant(n, owner)
		log = append(log, fmt.Sprintf("%s asks %d: %v, used %d", name, n, ok, b.Used()))
		if ok && owner != "" {
			entries[name] = b.Hold(n, owner, func() { log = append(log, name+" goes") })
		}
	}
	ask("a1", "a", 40)
	ask("b1", "b", 40)
	ask("shuffle", "", 30) // a1 is the least recently used
	ask("a2", "a", 10)
	b.Touch(entries["b1"])
	ask("c1", "c", 20)  // a2 was used before b1
	ask("b2", "b", 200) // more than there is: nothing goes
	ask("b3", "b", 80)  // b's own do not go, c's does; it is not enough
	log = append(log, fmt.Sprint("drop b1 ", b.Drop(entries["b1"]), ", drop a1 ", b.Drop(entries["a1"])))
	b.Release(30)
	log = append(log, fmt.Sprintf("used %d, peak %d", b.Used(), b.Peak()))
	want := `a1 asks 40: true, used 40
b1 asks 40: true, used 80
a1 goes
shuffle asks 30: true, used 70
a2 asks 10: true, used 80
c1 asks 20: true, used 100
b2 asks 200: false, used 100
b3 asks 80: false, used 100
drop b1 true, drop a1 false
used 30, peak 100`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDisk(t *testing.T) {
	root := t.TempDir()
	d := NewDisk([]string{filepath.Join(root, "missing"), root})
	f, err := d.Create("cache")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if dirs, _ := filepath.Glob(filepath.Join(root, "weir-*", "cache-*")); len(dirs) != 1 {
		t.Errorf("files: %v", dirs)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(root); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
	if _, err := d.Create("late"); err == nil {
		t.Error("a closed disk takes files")
	}
	if _, err := NewDisk([]string{filepath.Join(root, "missing")}).Create("x"); err == nil ||
		!strings.Contains(err.Error(), "spark.local.dir") {
		t.Errorf("no folder: %v", err)
	}
}

// TestShare is a transcript: what a share asks for, and what it and the budget have then.
func TestShare(t *testing.T) {
	const step = 1 << 10 // of so small a budget
	b := NewBudget(10 * step)
	s, other := b.Share(), b.Share()
	var log []string
	say := func(what string, ok bool) {
		log = append(log, fmt.Sprintf("%s: %v, %d of %d", what, ok, s.Granted(), b.Used()))
	}
	say("10 bytes", s.Reach(10)) // a step
	say("2000 bytes", s.Reach(2000))
	say("the rest", s.Reach(10*step-100)) // not a whole step
	say("more", s.Reach(11*step))
	say("another's first step", other.Reach(step)) // given in any case
	say("its second one", other.Reach(step+1))
	s.Force(11 * step)
	say("forced", true)
	other.Close()
	s.Keep(3 * step)
	say("kept", true)
	evicted := false
	s.Hold(2*step, func() { evicted = true })
	say("held", !evicted)
	say("evicted", b.Grant(10*step, nil) && evicted)
	want := `10 bytes: true, 1024 of 1024
2000 bytes: true, 2048 of 2048
the rest: true, 10240 of 10240
more: false, 10240 of 10240
another's first step: true, 10240 of 11264
its second one: false, 10240 of 11264
forced: true, 11264 of 12288
kept: true, 3072 of 3072
held: true, 0 of 2048
evicted: true, 0 of 10240`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var none *Budget
	if s := none.Share(); !s.Reach(1<<40) || s.Hold(1, nil) != nil {
		t.Error("a share without a budget was refused memory")
	}
}
