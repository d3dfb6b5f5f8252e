package dstream

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// BenchmarkWindow is a batch of 100,000 records of a window of ten batches, from the step to the durable pane: without
// a checkpoint, and with one.
func BenchmarkWindow(b *testing.B) {
	for name, durable := range map[string]bool{"in memory": false, "in the checkpoint": true} {
		b.Run(name, func(b *testing.B) {
			ssc, err := NewContext(conf.New().Set("spark.master", "local[2]").Set("weir.memory.budget", "1g"), time.Second)
			if err != nil {
				b.Fatal(err)
			}
			defer ssc.Stop(b.Context())
			ssc.SetOutput(io.Discard)
			rows := make([]rdd.Pair[string, int], 100_000)
			for i := range rows {
				rows[i] = rdd.KV(fmt.Sprint("a word, and number ", i), i)
			}
			d := Transform(FromSource(ssc, "rows", Source[rdd.Pair[int, int]](&benchState{})),
				func(r *rdd.RDD[rdd.Pair[int, int]], _ Time) *rdd.RDD[rdd.Pair[string, int]] {
					return rdd.Parallelize(ssc.sc, rows, 2)
				})
			w := Window(d, 10*time.Second, 0)
			ForeachRDD(w, func(context.Context, *rdd.RDD[rdd.Pair[string, int]], *Batch) error { return nil })
			ssc.findNeeds()
			k := d.elements
			if durable {
				k.files.ages.length = 10 * time.Second
				folder := stateFolder{fs: vfs.Local{}, dir: b.TempDir(), epoch: 1, operator: "op", loaded: -1, newest: -1}
				if err := k.files.open(b.Context(), folder); err != nil {
					b.Fatal(err)
				}
			}
			l := newLoop(ssc, ssc.inputIDs())
			ssc.loop = l
			sequence := int64(0)
			for b.Loop() {
				batch := &Batch{Time: Time(1000 * (sequence + 1)), Sequence: sequence, ssc: ssc,
					stepped: make([]bool, len(ssc.steps)), inputs: map[*node]planned{}}
				sequence++
				g := l.newGeneration(batch)
				l.past[batch.Time] = g
				err := l.runSteps(batch, g)
				if err == nil {
					_, err = rdd.Count(b.Context(), d.at(g))
				}
				if err == nil && durable {
					_, err = k.seal(b.Context(), batch)
				}
				if err != nil {
					b.Fatal(err)
				}
				k.settle(batch, true)
				l.keepGeneration(g)
			}
			k.close()
		})
	}
}
