package checkpoint

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
)

// BenchmarkBatch is what a batch of one record costs on this machine's disk: its commit shares a slot with the plan of
// the next one.
func BenchmarkBatch(b *testing.B) {
	for _, retained := range []int64{10, 1000} {
		b.Run(fmt.Sprint("retained=", retained), func(b *testing.B) {
			l, _, err := Open(b.Context(), vfs.Local{}, b.TempDir(), Here("bench"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			split := &Split{Partitions: map[string]int{"counts": 8}}
			for n := int64(0); b.Loop(); n++ {
				plan := Plan{Sequence: n, Time: n * 10, Seed: 1 << 60, Ranges: map[string]Range{"kafka": {Version: 1,
					Data: fmt.Appendf(nil, `{"topic":"t","partitions":[[0,%d,%d],[1,%d,%d]]}`, n, n+1, n, n+1), Records: 1}}}
				if n == 0 {
					plan.Split = split
				}
				if err := l.Append(b.Context(), plan); err != nil {
					b.Fatal(err)
				}
				l.Defer(Commit{Sequence: n, Time: n * 10, Effects: []Effect{{Output: "out", Wrote: true, Partitions: 4}},
					Rates: map[string]Rate{"kafka": {Rate: float64(n)}}})
				if n >= retained {
					l.Defer(Released{UpTo: n - retained})
				}
			}
			if err := l.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
