package dstream_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// reusing is a receiver that has one buffer for all records, as who reads by a bufio.Scanner has.
type reusing struct{}

func (reusing) Start(_ context.Context, st *dstream.Store[[]byte], _ []byte) error {
	go func() {
		buf := make([]byte, 4)
		vs := [][]byte{buf}
		for _, store := range []func() error{
			func() error { return st.One(buf) },
			func() error { return st.Some(vs, nil) },
			func() error { return st.Many(vs, nil) },
			func() error { return st.One(buf) },
		} {
			if store() != nil {
				return
			}
			for i := range buf {
				buf[i]++
			}
		}
	}()
	return nil
}

func (reusing) Stop(context.Context) error { return nil }

// giving is one that says that it is none of those, and may not be copied for.
type giving struct{ reusing }

func (giving) HandsOver() {}

// TestStoredIsTheCallersAgain: what becomes of a buffer that was stored changes nothing, with and without a log.
func TestStoredIsTheCallersAgain(t *testing.T) {
	for _, tt := range []struct {
		log      string
		r        dstream.Receiver[[]byte]
		distinct int
	}{{"true", reusing{}, 4}, {"false", reusing{}, 4}, {"false", giving{}, 1}} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
				d := dstream.ReceiverStream(ssc, "reusing", tt.r).Named("bytes")
				dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[[]byte], _ *dstream.Batch) error {
					vs, err := rdd.Collect(ctx, r)
					for _, v := range vs {
						got = append(got, fmt.Sprint(v[0]))
					}
					return err
				}).Named("out")
			}, walSetting, tt.log)
			time.Sleep(3 * time.Second)
			l.stop(t)
			if distinct := slices.Compact(slices.Clone(got)); len(got) != 4 || len(distinct) != tt.distinct {
				t.Errorf("log %s, %T: the batches have %v", tt.log, tt.r, got)
			}
		})
	}
}
