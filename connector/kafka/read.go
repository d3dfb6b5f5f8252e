package kafka

import (
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// read decodes the records of a range in the task that asks for them.
func read[K, V any](
	tc *rdd.TaskContext,
	f *fetcher,
	p piece,
	key Deserializer[K],
	value Deserializer[V],
) iter.Seq[Record[K, V]] {
	return func(yield func(Record[K, V]) bool) {
		d := decoding[K, V]{tc: tc, tp: p.tp(), key: key, value: value}
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
			d.decode(r)
			return yield(d.out)
		})
		if err != nil {
			tc.Fail(err)
		}
	}
}

// decoding turns the records of one partition into typed ones.
type decoding[K, V any] struct {
	tc    *rdd.TaskContext
	tp    TopicPartition
	key   Deserializer[K]
	value Deserializer[V]
	out   Record[K, V]
	heads []recordbatch.Header
	// doing is what of the record at offset is being decoded by the program's function, "" for nothing.
	doing  string
	offset int64
	lent   *lent // in the honest mode only
}

func (d *decoding[K, V]) decode(r *recordbatch.Record) {
	m := Meta{Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: r.Offset}
	if r.HeaderCount() > 0 {
		m.Headers = d.headers(r)
	}
	if d.lent != nil {
		d.lent.take(r, m.Headers)
	}
	d.offset, d.doing = r.Offset, "key"
	m.IsKey, m.Null = true, r.Key == nil
	k, err := d.key(m, r.Key)
	if err != nil {
		d.fail(r, "key", err)
	}
	d.doing = "value"
	m.IsKey, m.Null = false, r.Value == nil
	v, err := d.value(m, r.Value)
	if err != nil {
		d.fail(r, "value", err)
	}
	d.doing = ""
	d.out = Record[K, V]{Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: r.Offset, Timestamp: r.Timestamp,
		TimestampType: TimestampType(r.TimestampType), LeaderEpoch: r.LeaderEpoch, Key: k, Value: v,
		Null: r.Value == nil, KeyNull: r.Key == nil, Headers: m.Headers}
}

// headers makes a list that the record owns; few records have any.
func (d *decoding[K, V]) headers(r *recordbatch.Record) []Header {
	var err error
	if d.heads, err = r.Headers(d.heads[:0]); err != nil {
		d.fail(r, "headers", err)
	}
	out := make([]Header, len(d.heads))
	for i, h := range d.heads {
		out[i] = Header{Key: h.Key, Value: h.Value}
	}
	return out
}

func (d *decoding[K, V]) fail(r *recordbatch.Record, what string, err error) {
	d.doing = ""
	d.tc.Fail(fmt.Errorf("%s at offset %d: the %s does not decode: %w", d.tp, r.Offset, what, err))
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
