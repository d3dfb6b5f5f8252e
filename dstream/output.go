package dstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/weirstream/weir/internal/exec"
)

// An output is an output operation: what pulls a stream in each batch.
type output struct {
	node   *node
	number int
	// prepare generates the RDD of a batch; run is nil when the stream has none in this batch.
	prepare func(g *generation) (run func(ctx context.Context) error)
	// promise is what the output's sink says of itself.
	promise string
}

func (o *output) label() string {
	if o.node.name != "" {
		return o.node.name
	}
	return fmt.Sprintf("%s [%d]", o.node.op, o.number)
}

// guarantee is what the output promises of each record of a committed stream.
func (o *output) guarantee() string {
	if o.promise != "" {
		return o.promise
	}
	return "at-least-once if the program commits its offsets, else at-most-once across restarts"
}

// register adds an output operation for a stream.
func register[T any](d *DStream[T], op string, prepare func(g *generation) func(ctx context.Context) error) *output {
	n := &node{ssc: d.node.ssc, op: op, site: exec.Caller(), slide: d.node.slide, parents: []*node{d.node}}
	n.ssc.add(n)
	o := &output{node: n, number: len(n.ssc.outputs), prepare: prepare}
	n.ssc.outputs = append(n.ssc.outputs, o)
	return o
}

// insideBody is what a goroutine that runs an output operation is inside of.
const insideBody = "the body of an output operation"

// guarded runs the user's part of the driver and turns a panic into an error.
func (o *output) guarded(ctx context.Context, run func(ctx context.Context) error) (err error) {
	defer o.node.ssc.sc.Inside().Enter(insideBody)()
	defer recovered(&err)
	return run(ctx)
}

// recovered turns a panic of a user's function in the driver into an error that names its place.
func recovered(err *error) {
	v := recover()
	if v == nil {
		return
	}
	p := exec.NewPanic(v, debug.Stack())
	*err = errors.Join(*err, p)
}
