package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A picky number cannot be encoded if it is negative.
type picky struct{ n int }

func (p picky) MarshalBinary() ([]byte, error) {
	if p.n < 0 {
		return nil, fmt.Errorf("%d is negative", p.n)
	}
	return strconv.AppendInt(nil, int64(p.n), 10), nil
}

func (p *picky) UnmarshalBinary(data []byte) error {
	n, err := strconv.Atoi(string(data))
	p.n = n
	return err
}

// handing is a receiver that stores what it is told to, and stays.
type handing func(st *dstream.Store[picky], resume []byte)

func (h handing) Start(_ context.Context, st *dstream.Store[picky], resume []byte) error {
	go h(st, resume)
	return nil
}

func (handing) Stop(context.Context) error { return nil }

// TestRecordThatCannotBeLogged: it alone is refused, and those that came with it are there. Where the source has them
// still, none of the call is taken, and the receiver begins anew.
func TestRecordThatCannotBeLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var errs, resumed []string
		w := &world{}
		told := func(err error) {
			text := fmt.Sprint(err)
			if errors.Is(err, dstream.ErrNotEncoded) {
				_, text, _ = strings.Cut(text, "is not stored: ")
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, text)
		}
		h := handing(func(st *dstream.Store[picky], resume []byte) {
			mu.Lock()
			resumed = append(resumed, string(resume))
			mu.Unlock()
			if resume != nil {
				told(st.Some([]picky{{20}, {21}}, []byte("b")))
				return
			}
			told(st.Some([]picky{{1}, {-1}, {2}, {-2}, {3}}, nil))
			told(st.One(picky{-3}))
			told(st.One(picky{4}))
			told(st.Many([]picky{{-4}}, nil))
			told(st.Many([]picky{{5}, {6}, {-5}}, nil))
			told(st.Some([]picky{{7}}, []byte("a")))
			told(st.Some([]picky{{20}, {-20}}, []byte("b")))
			told(st.One(picky{8}))
		})
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			d := dstream.ReceiverStream(ssc, "handing", dstream.Receiver[picky](h)).Named("numbers")
			dstream.ForeachPartition(d, func(tc *rdd.TaskContext, id dstream.Effect, in iter.Seq[picky]) error {
				return w.write(tc, id, func(yield func(string) bool) {
					in(func(p picky) bool { return yield(strconv.Itoa(p.n)) })
				})
			}).Named("out")
		}, walSetting, "true", "spark.streaming.receiverRestartDelay", "500ms")
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		mu.Lock()
		defer mu.Unlock()
		got := w.ordered()
		slices.SortFunc(got, func(a, b string) int { return len(a)*100 - len(b)*100 + strings.Compare(a, b) })
		if want := "1 2 3 4 5 6 7 20 21"; strings.Join(got, " ") != want {
			t.Errorf("%q, want %s", got, want)
		}
		want := []string{"number 2 of 5", "number 1 of 1", "<nil>", "number 1 of 1", "number 3 of 3", "<nil>",
			"number 2 of 2", "", "<nil>"} // What comes behind a position that was refused is, too.
		if !slices.EqualFunc(errs, want, strings.HasPrefix) || strings.HasPrefix(errs[7], "<nil>") {
			t.Errorf("the receiver is told\n%s", strings.Join(errs, "\n"))
		}
		if fmt.Sprint(resumed) != "[ a]" {
			t.Errorf("the receiver goes on at %q", resumed)
		}
	})
}
