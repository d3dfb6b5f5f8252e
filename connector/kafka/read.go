package kafka

import (
	"bytes"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// read decodes the records of a range in the task that asks for them. Those that do not decode fail it, or are given
// to bury.
func read[K, V any](
	tc *rdd.TaskContext,
	f *fetcher,
	p piece,
	key Deserializer[K],
	value Deserializer[V],
	bury func(l dstream.DeadLetter),
) iter.Seq[Record[K, V]] {
	return func(yield func(Record[K, V]) bool) {
		d := decoding[K, V]{tc: tc, tp: p.tp(), key: key, value: value, bury: bury}
		defer d.panicked()
		if f.spoil != nil {
			d.lent = &lent{incarnation: p.incarnation(), until: p.Until}
			defer func() { f.spoil.lend(*d.lent) }()
		}
		n := 0
		err := f.each(tc, p, func(r *recordbatch.Record) bool {
			if n++; n&1023 == 0 {
				tc.Check()
			}
			return !d.decode(r) || yield(d.out)
		})
		if err != nil {
			tc.Fail(err)
		}
	}
}

// failing is a task, or what else reads: Fail does not return.
type failing interface{ Fail(err error) }

// decoding turns the records of one partition into typed ones.
type decoding[K, V any] struct {
	tc    failing
	tp    TopicPartition
	key   Deserializer[K]
	value Deserializer[V]
	out   Record[K, V]
	heads []recordbatch.Header
	// doing is what of the record at offset is being decoded by the program's function, "" for nothing.
	doing  string
	offset int64
	lent   *lent                      // in the honest mode only
	bury   func(l dstream.DeadLetter) // nil if what does not decode fails the task
}

// decode makes a record of r in d.out; it is false if r was given up.
func (d *decoding[K, V]) decode(r *recordbatch.Record) (ok bool) {
	m := Meta{Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: r.Offset}
	if r.HeaderCount() > 0 {
		heads, err := d.headers(r)
		if err != nil {
			return d.giveUp(r, "headers", err)
		}
		m.Headers = heads
	}
	if d.lent != nil {
		d.lent.take(r, m.Headers)
	}
	d.offset, d.doing = r.Offset, "key"
	m.IsKey, m.Null = true, r.Key == nil
	k, err := d.key(m, r.Key)
	if err != nil {
		return d.giveUp(r, "key", err)
	}
	d.doing = "value"
	m.IsKey, m.Null = false, r.Value == nil
	v, err := d.value(m, r.Value)
	if err != nil {
		return d.giveUp(r, "value", err)
	}
	d.doing = ""
	d.out = Record[K, V]{Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: r.Offset, Timestamp: r.Timestamp,
		TimestampType: TimestampType(r.TimestampType), LeaderEpoch: r.LeaderEpoch, Key: k, Value: v,
		Null: r.Value == nil, KeyNull: r.Key == nil, Headers: m.Headers}
	return true
}

// headers makes a list that the record owns; few records have any.
func (d *decoding[K, V]) headers(r *recordbatch.Record) ([]Header, error) {
	var err error
	if d.heads, err = r.Headers(d.heads[:0]); err != nil {
		return nil, err
	}
	out := make([]Header, len(d.heads))
	for i, h := range d.heads {
		out[i] = Header{Key: h.Key, Value: h.Value}
	}
	return out, nil
}

// giveUp makes a record a dead letter, or fails the task.
func (d *decoding[K, V]) giveUp(r *recordbatch.Record, what string, err error) (ok bool) {
	d.doing = ""
	if d.bury == nil {
		d.tc.Fail(fmt.Errorf("%s at offset %d: the %s does not decode: %w", d.tp, r.Offset, what, err))
	}
	d.bury(dstream.DeadLetter{Source: d.tp.Topic, Partition: int(d.tp.Partition), Offset: r.Offset,
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value),
		Error: fmt.Sprintf("the %s does not decode: %v", what, err)})
	return false
}

// panicked names the record in whose decoding a function of the program panicked. It is deferred once for a
// range, not for each record.
func (d *decoding[K, V]) panicked() {
	if d.doing == "" {
		return
	}
	if v := recover(); v != nil {
		err := exec.NewPanic(v, debug.Stack())
		d.tc.Fail(fmt.Errorf("%s at offset %d: the %s does not decode: %w", d.tp, d.offset, d.doing, err))
	}
}
