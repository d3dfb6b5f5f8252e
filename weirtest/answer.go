package weirtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// An answer is what a stream gives in a run, beside what it is to give.
type answer interface {
	// attach finds the stream and has its elements kept.
	attach(ssc *dstream.Context, c *config) error
	// differences tells what is not as wanted in the batches before until.
	differences(c *config, until int) error
	// hand gives the test what it collects, on the test's own goroutine.
	hand()
}

// An expectation is the answer of a stream of T. into is set if it is for the test to look at.
type expectation[T any] struct {
	name string
	want [][]T
	into *[][]T

	mu  sync.Mutex
	got [][]T // by the sequence of the batch
	ran []bool
	odd []error // batches that gave something else when they ran again
}

func (e *expectation[T]) attach(ssc *dstream.Context, c *config) error {
	d, err := dstream.Find[T](ssc, e.name)
	if err == nil {
		e.watch(d, c)
	}
	return err
}

// watch keeps copies of the elements, for what they point to may be overwritten when their batch is over. Those that
// have no codec are kept as they are.
func (e *expectation[T]) watch(d *dstream.DStream[T], c *config) {
	copies, err := codec.For[T]()
	if err != nil {
		copies = nil
	}
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, failing(r, c.failures))
		if err != nil {
			return err
		}
		for i := range vs {
			if copies == nil {
				break
			}
			if vs[i], err = copies.Clone(vs[i]); err != nil {
				return fmt.Errorf("copy an element of %s: %w", e.name, err)
			}
		}
		e.keep(c, int(b.Sequence), vs)
		return nil
	})
}

// keep keeps what a batch gave. Where processes are killed, one that runs again must give the same.
func (e *expectation[T]) keep(c *config, batch int, vs []T) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.got) <= batch {
		e.got, e.ran = append(e.got, nil), append(e.ran, false)
	}
	if c.kills && e.ran[batch] {
		if d := compare(vs, e.got[batch], same[T](newComparer(c.equal)), c.ordered); d != nil {
			e.odd = append(e.odd, fmt.Errorf("batch %d of %s ran again (-before +then):\n%s", batch, e.name, d))
		}
	}
	e.got[batch], e.ran[batch] = vs, true
}

func (e *expectation[T]) hand() {
	if e.into == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	*e.into = slices.Clone(e.got)
}

// shownMax bounds how many batches that differ are shown.
const shownMax = 3

func (e *expectation[T]) differences(c *config, until int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.into != nil || len(e.odd) > 0 {
		return errors.Join(e.odd...)
	}
	same := same[T](newComparer(c.equal))
	if c.failsWith != "" {
		until = min(until, len(e.want))
	}
	var texts []string
	for i := range min(until, max(len(e.want), len(e.got))) {
		d := compare(at(e.got, i), at(e.want, i), same, c.ordered)
		if d == nil {
			continue
		}
		if len(texts) == shownMax {
			texts = append(texts, "and later batches differ, too")
			break
		}
		texts = append(texts, fmt.Sprintf("batch %d of %s (-want +got):\n%s", i, e.name, d))
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "\n"))
}

func at[T any](batches [][]T, i int) []T {
	if i < len(batches) {
		return batches[i]
	}
	return nil
}

// judge tells what is wrong with a run that ended with err.
func (c *config) judge(err error, answers []answer, until int) error {
	for _, a := range answers {
		a.hand()
	}
	switch {
	case c.failsWith == "" && err != nil:
		return err
	case c.failsWith != "" && err == nil:
		return fmt.Errorf("the program did not fail; want an error with %q", c.failsWith)
	case c.failsWith != "" && !strings.Contains(err.Error(), c.failsWith):
		return fmt.Errorf("the program failed, but not with %q: %w", c.failsWith, err)
	}
	var errs []error
	for _, a := range answers {
		errs = append(errs, a.differences(c, until))
	}
	return errors.Join(errs...)
}
