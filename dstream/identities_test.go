package dstream_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// TestIdentitiesBegin: a sink that keeps identities is not missing those of batches that one wrote which kept none;
// what it had before that, it must still have.
func TestIdentitiesBegin(t *testing.T) {
	const emptied = "its sink holds no batch, but the log says that batch 2 was written there"
	for _, tt := range []struct {
		name  string
		lives string // exact ones, weak ones, and an exact one whose sink was emptied before
		want  string
	}{
		{"from at-least-once to exactly-once", "weak exact", ""},
		{"and back, and forth", "exact weak exact", ""},
		{"emptied in between", "exact weak emptied", emptied},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk, store := vfs.NewDisk("disk"), &kept{last: map[string]int64{}}
			var err error
			for kind := range strings.FieldsSeq(tt.lives) {
				var s dstream.Sink[int] = store
				switch kind {
				case "weak":
					s = &forgetful{kept{last: map[string]int64{}}}
				case "emptied":
					clear(store.last)
				}
				var l *life
				l, err = liveOn(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					dstream.WriteTo(d, s).Named("out")
				})
				if err == nil {
					time.Sleep(3500 * time.Millisecond)
					l.stop(t)
				}
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: the last start gave %v, want %q", tt.name, err, tt.want)
			}
		})
	}
}
