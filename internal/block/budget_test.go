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
