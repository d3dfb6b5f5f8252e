package dstream

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/conf"
)

// TestIDSettings: each id can be named in each of the settings that name ids, also beside others.
func TestIDSettings(t *testing.T) {
	ids := []string{"a", "a b", "map[func(int, string) bool](x,y)", "a=b", "a => b", "a;b", `"a"`, `a "b"`, " a ", ";", "=",
		"struct { A int; B string }", `struct { A int "json:\"a;b\"" }`, "\n", "ä\\"}
	for _, id := range ids {
		for _, other := range ids {
			if id == other {
				continue
			}
			ssc := &Context{conf: conf.New().
				Set(conf.CheckpointRename.Name(), idSetting(id)+"=>"+idSetting(other)+" ; x => y;").
				Set(conf.CheckpointDrop.Name(), "z;"+idSetting(other)).
				Set(conf.SinkAccept.Name(), idSetting(other)+"=loss;"+idSetting(id)+" = duplicates")}
			got, err := ssc.renames()
			if want := fmt.Sprint(map[string]string{id: other, "x": "y", "z": "", other: ""}); err != nil ||
				fmt.Sprint(got) != want {
				t.Errorf("%q, %q: %v, %v; want %s", id, other, got, err, want)
			}
			if a, b := ssc.accepted(id), ssc.accepted(other); a != acceptDuplicates || b != acceptLoss ||
				ssc.mayAccept() != nil {
				t.Errorf("%q, %q: accepted %s, %s (%v)", id, other, a, b, ssc.mayAccept())
			}
		}
	}
}
