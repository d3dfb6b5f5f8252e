package dstream

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// A stateDisk is a state whose entries are rows of a store instead of those of buckets in memory. Three rows are an
// entry: by its key there is its number, by its number the entry itself, and by the time of its last touch its key,
// where the state has time-outs. Numbers grow as keys come, so that a scan goes through a bucket in the order of
// memory's.
type stateDisk[K comparable, S any] struct {
	rows   StateRows
	state  uint16 // among those of the program
	per    int    // buckets of a partition
	timed  bool
	keys   *codec.KeyCodec[K]
	values *codec.Codec[S]
	next   atomic.Uint64
}

// The kinds of rows.
const (
	rowOfKey byte = 1 + iota
	rowOfNumber
	rowOfTouch
	rowsEnd
)

// head begins a row's key.
func (d *stateDisk[K, S]) head(buf []byte, kind byte, place int) []byte {
	buf = binary.BigEndian.AppendUint16(buf[:0], d.state)
	return binary.BigEndian.AppendUint32(append(buf, kind), uint32(place))
}

// keyRow is the key of the row that has the number of an entry.
func (d *stateDisk[K, S]) keyRow(buf []byte, bucket int, key []byte) []byte {
	return append(d.head(buf, rowOfKey, bucket), key...)
}

// numberRow is the key of the row that has an entry.
func (d *stateDisk[K, S]) numberRow(buf []byte, bucket int, number uint64) []byte {
	return binary.BigEndian.AppendUint64(d.head(buf, rowOfNumber, bucket), number)
}

// cutNumberRow reads the bucket and the number back.
func cutNumberRow(row []byte) (bucket int, number uint64) {
	return int(binary.BigEndian.Uint32(row[3:])), binary.BigEndian.Uint64(row[7:])
}

// touchRow is the key of the row that has the key of an entry.
func (d *stateDisk[K, S]) touchRow(buf []byte, bucket int, touch Time, number uint64) []byte {
	buf = d.touchedBefore(buf, bucket/d.per, touch)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(buf, uint32(bucket)), number)
}

// touchedBefore is greater than the rows of what a partition was touched before a time, and than no other of its rows.
func (d *stateDisk[K, S]) touchedBefore(buf []byte, partition int, touch Time) []byte {
	return binary.BigEndian.AppendUint64(d.head(buf, rowOfTouch, partition), uint64(touch)^1<<63)
}

// clear takes all rows away.
func (d *stateDisk[K, S]) clear() error {
	d.next.Store(0)
	return d.rows.Clear(d.head(nil, 0, 0), d.head(nil, rowsEnd, 0))
}

// A diskEntry is an entry in bytes. Its number is 0 if there is none.
type diskEntry struct {
	number     uint64
	touch      Time
	key, value []byte
}

// appendEntry writes what the row of a number holds.
func appendEntry(buf []byte, e diskEntry) []byte {
	buf = binary.BigEndian.AppendUint64(buf[:0], uint64(e.touch))
	buf = binary.AppendUvarint(buf, uint64(len(e.key)))
	return append(append(buf, e.key...), e.value...)
}

// cutEntry reads it back. The entry shares the bytes of the row.
func cutEntry(number uint64, row []byte) (diskEntry, error) {
	if len(row) > 8 {
		size, n := binary.Uvarint(row[8:])
		if from := 8 + n; n > 0 && size <= uint64(len(row)-from) {
			end := from + int(size)
			return diskEntry{number, Time(binary.BigEndian.Uint64(row)), row[from:end:end], row[end:]}, nil
		}
	}
	return diskEntry{}, ofStore(fmt.Errorf("it holds a damaged row of %d bytes", len(row)))
}

// A storeError is the error of a store, which holds a copy of what is in the checkpoint.
type storeError struct{ cause error }

// Error says what the next process does.
func (e storeError) Error() string {
	return fmt.Sprintf("the store of states in %s has failed: %v; the states are in the checkpoint, from which the "+
		"next start fills it anew", conf.LocalDirs.Name(), e.cause)
}

// NoBatchsFault implements noBatchsFault.
func (storeError) NoBatchsFault() {}

// Unwrap gives the store's own error.
func (e storeError) Unwrap() error { return e.cause }

// ofStore marks an error, if it is one, as the store's.
func ofStore(err error) error {
	if err == nil {
		return nil
	}
	return storeError{err}
}

// A diskReader looks entries up. It is used by one goroutine.
type diskReader[K comparable, S any] struct {
	*stateDisk[K, S]
	row, number, entry []byte
}

// find gives the entry of a key, in memory that the next call uses again.
func (r *diskReader[K, S]) find(bucket int, key []byte) (e diskEntry, err error) {
	// Who reads while a batch is taken over may find the number of an entry that is gone, and looks again then: each
	// time another batch was taken over meanwhile.
	for range 10 {
		r.row = r.keyRow(r.row, bucket, key)
		var ok bool
		if r.number, ok, err = r.rows.Get(r.row, r.number[:0]); err != nil || !ok {
			return e, ofStore(err)
		}
		if len(r.number) != 8 {
			return cutEntry(0, nil)
		}
		number := binary.BigEndian.Uint64(r.number)
		r.row = r.numberRow(r.row, bucket, number)
		if r.entry, ok, err = r.rows.Get(r.row, r.entry[:0]); err != nil {
			return e, ofStore(err)
		}
		if ok {
			return cutEntry(number, r.entry)
		}
	}
	return e, errMovedOn
}

// decoded gives the value of an entry.
func (d *stateDisk[K, S]) decoded(e diskEntry) (S, error) {
	return decodeWhole(d.values, e.value)
}

// A diskWriter collects changes. It is used by one goroutine.
type diskWriter[K comparable, S any] struct {
	*stateDisk[K, S]
	batch      StateBatch // nil before the first change
	size       int
	row, entry []byte
	number     [8]byte
	err        error
}

func (w *diskWriter[K, S]) put(row, value []byte) {
	if w.batch == nil {
		w.batch = w.rows.Batch()
	}
	if w.size += len(row) + len(value); w.err == nil {
		w.err = w.batch.Put(row, value)
	}
}

func (w *diskWriter[K, S]) drop(row []byte) {
	if w.batch == nil {
		w.batch = w.rows.Batch()
	}
	if w.size += len(row); w.err == nil {
		w.err = w.batch.Delete(row)
	}
}

// replace puts an entry in the place of another of the same key. Either has the number 0 if there is none; of old only
// number and touch are needed.
func (w *diskWriter[K, S]) replace(bucket int, key []byte, old, e diskEntry) {
	if old.number != 0 && old.number != e.number {
		w.row = w.numberRow(w.row, bucket, old.number)
		w.drop(w.row)
	}
	if w.timed && old.number != 0 && (old.number != e.number || old.touch != e.touch) {
		w.row = w.touchRow(w.row, bucket, old.touch, old.number)
		w.drop(w.row)
	}
	switch {
	case e.number == 0 && old.number != 0:
		w.row = w.keyRow(w.row, bucket, key)
		w.drop(w.row)
	case e.number != old.number:
		w.row = w.keyRow(w.row, bucket, key)
		binary.BigEndian.PutUint64(w.number[:], e.number)
		w.put(w.row, w.number[:])
	}
	if e.number == 0 {
		return
	}
	e.key = key
	w.row, w.entry = w.numberRow(w.row, bucket, e.number), appendEntry(w.entry, e)
	w.put(w.row, w.entry)
	if w.timed && (old.number != e.number || old.touch != e.touch) {
		w.row = w.touchRow(w.row, bucket, e.touch, e.number)
		w.put(w.row, key)
	}
}

// commit makes the changes so far, all at once.
func (w *diskWriter[K, S]) commit() error {
	batch := w.batch
	if w.batch, w.size = nil, 0; batch == nil || w.err != nil {
		return w.err
	}
	w.err = batch.Commit()
	return w.err
}

// applyOnDisk makes the changes of a batch the state's, piece by piece, so that the store need not hold all of them at
// once: those of a key come together, who reads several finds that the state has moved on, and what fails half-way
// leaves a state that is of no use.
func (t *stateTable[K, S]) applyOnDisk(p *statePart[K, S], o *overlay[K, S], now Time) error {
	p.mu.Lock()
	p.changes++ // Before anything changes: who finds the number as it was has read what was there before.
	p.mu.Unlock()
	d := t.disk
	w := diskWriter[K, S]{stateDisk: d}
	var key, value []byte
	for i := range o.size() {
		k, c := o.at(i)
		old := diskEntry{number: uint64(c.base), touch: o.touched[o.order[i]]}
		e := diskEntry{number: old.number, touch: now}
		var err error
		if key, err = d.keys.Append(key[:0], k); err != nil {
			return err
		}
		if !c.live {
			e.number = 0
		} else {
			if value, err = d.values.Append(value[:0], &c.value); err != nil {
				return fmt.Errorf("write the state of the key %v: %w", k, err)
			}
			if e.value = value; e.number == 0 {
				e.number = d.next.Add(1)
			}
		}
		if w.replace(p.first+int(c.bucket), key, old, e); w.size >= loadBytes {
			if err := w.commit(); err != nil {
				return err
			}
		}
	}
	return w.commit()
}

// readDisk is read where the state's entries are rows of a store. No lock is held over what it reads: the number of
// changes, looked at afterwards, tells whether that was one version.
func (c *stateCursor[K, S]) readDisk(buf []stateEntry[K, S]) (out []stateEntry[K, S], err error) {
	d, per := c.disk, c.disk.per
	out = buf[:0]
	from := d.numberRow(nil, c.part.first+c.bucket, uint64(c.entry)+1)
	full := false
	var failed error
	if c.bucket < per {
		err = d.rows.Scan(from, d.numberRow(nil, c.part.first+per, 0), func(row, entry []byte) bool {
			bucket, number := cutNumberRow(row)
			bucket -= c.part.first
			if out = c.came(out, bucket); len(out) == cap(out) {
				full = true
				return false
			}
			c.bucket, c.entry = bucket, int(number)
			out, failed = c.baseOnDisk(out, number, entry)
			full = len(out) == cap(out)
			return failed == nil && !full
		})
	}
	if err = ofStore(err); err == nil {
		err = failed
	}
	if err == nil && !full {
		c.bucket = per
		out = c.came(out, per)
	}
	if err == nil && !c.part.stands(c.changes) {
		err = errMovedOn
	}
	return out, err
}

// came gives the keys of the overlay that are new to the buckets before one.
func (c *stateCursor[K, S]) came(out []stateEntry[K, S], before int) []stateEntry[K, S] {
	for c.next < c.over.size() && len(out) < cap(out) {
		k, change := c.over.at(c.next)
		if int(change.bucket) >= before {
			break
		}
		c.next++
		out = append(out, stateEntry[K, S]{Pair: rdd.KV(k, change.value)})
	}
	return out
}

// baseOnDisk gives an entry, or what became of it.
func (c *stateCursor[K, S]) baseOnDisk(out []stateEntry[K, S], number uint64, row []byte) ([]stateEntry[K, S], error) {
	e, err := cutEntry(number, row)
	if err != nil {
		return out, err
	}
	touch := e.touch
	if c.next < c.over.size() {
		if k, change := c.over.at(c.next); int(change.bucket) == c.bucket && uint64(change.base) == number {
			c.next++
			switch {
			case !change.live:
				return out, nil
			case change.put:
				return append(out, stateEntry[K, S]{Pair: rdd.KV(k, change.value)}), nil
			}
			touch = 0
		}
	}
	k, err := c.disk.keys.Decode(e.key)
	if err != nil {
		return out, err
	}
	v, err := c.disk.decoded(e)
	return append(out, stateEntry[K, S]{rdd.KV(k, v), touch}), err
}

// walk yields the keys of a partition that were touched last before a time, those that have waited longest first.
func (d *stateDisk[K, S]) walk(partition int, before Time, yield func(k K, touch Time) bool) error {
	var failed error
	first := d.head(nil, rowOfTouch, partition)
	err := d.rows.Scan(first, d.touchedBefore(nil, partition, before), func(row, key []byte) bool {
		k, err := d.keys.Decode(key)
		failed = err
		return err == nil && yield(k, Time(binary.BigEndian.Uint64(row[len(first):])^1<<63))
	})
	if err = ofStore(err); err == nil {
		err = failed
	}
	return err
}
