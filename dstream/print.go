package dstream

import (
	"bufio"
	"context"
	"fmt"

	"github.com/weirstream/weir/rdd"
)

// Print writes the batch's time and its first num elements (Spark's default is 10), each by fmt's %v on a
// line of its own, and "..." if there are more. It computes only as many partitions as it needs. It writes to
// standard output, or to what Context.SetOutput was given.
func Print[T any](d *DStream[T], num int) {
	o := register(d, "print", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error {
			vs, err := rdd.Take(ctx, r, num+1)
			if err != nil {
				return err
			}
			w := bufio.NewWriter(d.node.ssc.out)
			fmt.Fprintf(w, "%s\nTime: %v\n%[1]s\n", rule, g.batch.Time)
			for _, v := range vs[:min(num, len(vs))] {
				fmt.Fprintln(w, v)
			}
			if len(vs) > num {
				fmt.Fprintln(w, "...")
			}
			fmt.Fprintln(w)
			return w.Flush()
		}
	})
	if num < 0 {
		o.node.refuse("print needs a number of elements of at least 0, not %d", num)
	}
}

const rule = "-------------------------------------------"
