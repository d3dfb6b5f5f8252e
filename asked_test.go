package weir

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// ones is a source of one record each time.
type ones struct{}

func (ones) Resolve(_ context.Context, from []byte) ([]byte, error) { return append(from, '1'), nil }

func (ones) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	return from, 1, nil
}

func (ones) Read(sc *rdd.Context, _ []byte) *rdd.RDD[int] { return rdd.Parallelize(sc, []int{1}) }

func (ones) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (ones) Released(context.Context, []byte) error { return nil }

// TestAskedIsNoStandby: what is asked for is refused while the checkpoint has an owner, also of a program that waits
// for the owner's end when it is started to run.
func TestAskedIsNoStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		program := func(ask *Ask, log io.Writer, args ...string) int {
			build := func(ssc *dstream.Context) error {
				dstream.Print(dstream.FromSource(ssc, "ones", dstream.Source[int](ones{})).Named("ones"), 1)
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return mainCode(ctx, "job", append(args, "--checkpoint", "disk:/ck", "--conf", "weir.checkpoint.standby=true"),
				io.Discard, log, build, []Option{Output(io.Discard), WithFileSystem(disk.Mount(nil)),
					func(o *options) { o.ask = ask }})
		}
		owner := make(chan int)
		go func() { owner <- program(nil, io.Discard, "--interval", "10s", "--for", "100s") }()
		time.Sleep(35 * time.Second) // Batch 2 is over, and the next one is not there yet.
		for _, ask := range []Ask{{Do: "replay", Batch: 2, Effects: true}, {Do: "finish"}} {
			ask.Checkpoint = "disk:/ck"
			var log bytes.Buffer
			begin := time.Now()
			code := program(&ask, &log, "--interval", "10s")
			if code != ExitHeld || !strings.Contains(log.String(), "is held by job, process ") ||
				time.Since(begin) > 15*time.Second {
				t.Errorf("%s: exit %d after %v: %s", ask.Do, code, time.Since(begin), log.String())
			}
		}
		if code := <-owner; code != ExitDrained {
			t.Errorf("the owner exits with %d", code)
		}
	})
}
