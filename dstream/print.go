package dstream

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/weirstream/weir/rdd"
)

// Print writes the batch's time and its first num elements (Spark's default is 10), each by fmt's %v on a
// line of its own, and "..." if there are more. It computes only as many partitions as it needs. It writes to
// standard output, or to what Context.SetOutput was given.
func Print[T any](d *DStream[T], num int) *Output {
	o := register(d, "print", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error {
			vs, err := rdd.Take(ctx, r, min(num, math.MaxInt-1)+1)
			if err != nil {
				return err
			}
			var w bytes.Buffer
			fmt.Fprintf(&w, "%s\nTime: %v\n%[1]s\n", rule, g.batch.Time)
			for _, v := range vs[:min(num, len(vs))] {
				fmt.Fprintln(&w, v)
			}
			if len(vs) > num {
				fmt.Fprintln(&w, "...")
			}
			fmt.Fprintln(&w)
			return d.node.ssc.write(ctx, w.Bytes())
		}
	})
	o.quiet = true
	if num < 0 {
		o.node.refuse("print needs a number of elements of at least 0, not %d", num)
	}
	return o
}

// write writes a block of text that no other output's text comes into.
func (ssc *Context) write(ctx context.Context, text []byte) error {
	select {
	case ssc.printing <- struct{}{}:
		defer func() { <-ssc.printing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	_, err := ssc.out.Write(text)
	return err
}

const rule = "-------------------------------------------"
