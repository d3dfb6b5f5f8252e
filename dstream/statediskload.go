package dstream

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

const (
	// pendingMax is how many keys a loader holds that are not in the store yet, loadBytes how many bytes of changes.
	pendingMax = 4096
	loadBytes  = 1 << 20
	// heldBesideStore is how many bytes a merge of files holds where the state itself is not held in memory, about.
	heldBesideStore = 4 << 20
)

// lieIn implements stateful.
func (s *stateStore[K, S]) lieIn(rows StateRows, number int) error {
	disk := &stateDisk[K, S]{rows: rows, state: uint16(number), keys: s.keys, values: s.values}
	s.table = newStateTable(s.table.dealer, s.table.timed, disk)
	s.files.held = min(s.files.held, heldBesideStore)
	return disk.clear()
}

// getFromDisk is get where the state lies in a store.
func (s *stateStore[K, S]) getFromDisk(bucket int, k K) (e StateEntry[K, S], ok bool, err error) {
	key, err := s.keys.Append(nil, k)
	if err != nil {
		return e, false, err
	}
	d := s.table.disk
	r := diskReader[K, S]{stateDisk: d}
	found, err := r.find(bucket, key)
	if err != nil || found.number == 0 {
		return e, false, err
	}
	e = StateEntry[K, S]{Key: k, Touched: found.touch}
	e.Value, err = d.decoded(found)
	return e, err == nil, err
}

// beginOnDisk is begin where the state lies in a store.
func (s *stateStore[K, S]) beginOnDisk(parts [][]rdd.Pair[K, S], now Time) error {
	l := newDiskLoader(s.table.disk)
	for _, rows := range parts {
		for _, kv := range rows {
			p, at, err := s.table.place(kv.Key)
			if err != nil {
				return err
			}
			r := checkpoint.StateRow{Kind: checkpoint.Came, Touch: int64(now)}
			if r.Key, err = s.keys.Append(nil, kv.Key); err == nil {
				r.Value, err = s.values.Append(nil, &kv.Value)
			}
			if err == nil {
				err = l.first(s.table.parts[p].first+at, r)
			}
			if err != nil {
				return err
			}
		}
	}
	err := l.flush()
	s.begun = err == nil
	return err
}

// readToDisk fills a store. Each part has a loader of its own, for rows of one part come from one goroutine at a time.
func (s *stateStore[K, S]) readToDisk(ctx context.Context, snapshot []checkpoint.File, deltas []checkpoint.Delta,
	check func(checkpoint.StateHead) error,
) error {
	d := s.table.disk
	if err := d.clear(); err != nil {
		return err
	}
	loaders := make([]*diskLoader[K, S], checkpoint.StateParts)
	for i := range loaders {
		loaders[i] = newDiskLoader(d)
	}
	var base atomic.Bool // The rows are those of a run to which no other is older: each has a key of its own.
	err := checkpoint.ReadState(ctx, s.files.fs, s.files.dir, snapshot, deltas, runtime.GOMAXPROCS(0),
		func(h checkpoint.StateHead) error {
			base.Store(h.Base)
			return check(h)
		},
		func(r checkpoint.StateRow) error {
			k, err := s.keys.Decode(r.Key)
			if err != nil {
				return err
			}
			p, at, err := s.table.place(k)
			if err != nil {
				return err
			}
			if r.Kind == checkpoint.Came || r.Kind == checkpoint.Changed {
				if _, err := d.decoded(diskEntry{value: r.Value}); err != nil {
					return err
				}
			}
			l := loaders[codec.Partition(codec.Hash(s.files.head.Seed, r.Key), checkpoint.StateParts)]
			bucket := s.table.parts[p].first + at
			if base.Load() && r.Kind == checkpoint.Came {
				return l.alone(bucket, r)
			}
			if err = l.change(bucket, r); errors.Is(err, errNoKey) {
				err = noKey(k)
			}
			return err
		})
	for _, l := range loaders {
		if err == nil {
			err = l.flush()
		}
	}
	return err
}

// A diskLoader applies rows of files to a store. It holds what became of some keys, so that rows that follow each other
// need not wait for one another.
type diskLoader[K comparable, S any] struct {
	r       diskReader[K, S]
	w       diskWriter[K, S]
	pending map[string]*pendingEntry
	size    int // bytes of the pending entries
}

// A pendingEntry is what the store has of a key, and what is to take the place of that.
type pendingEntry struct {
	bucket   int
	old, now diskEntry
}

func newDiskLoader[K comparable, S any](d *stateDisk[K, S]) *diskLoader[K, S] {
	return &diskLoader[K, S]{r: diskReader[K, S]{stateDisk: d}, w: diskWriter[K, S]{stateDisk: d},
		pending: map[string]*pendingEntry{}}
}

// alone takes in a row of a key of which there is no other one so far. Imports of early releases say so of deltas also,
// where what took the key out may not be in the store yet.
func (l *diskLoader[K, S]) alone(bucket int, r checkpoint.StateRow) error {
	if l.pending[string(r.Key)] != nil {
		return l.change(bucket, r)
	}
	e := diskEntry{number: l.w.next.Add(1), touch: Time(r.Touch), value: r.Value}
	l.w.replace(bucket, r.Key, diskEntry{}, e)
	if l.w.size >= loadBytes {
		return ofStore(l.w.commit())
	}
	return ofStore(l.w.err)
}

// first takes in the row of an initial state: of a key that comes twice the last value counts.
func (l *diskLoader[K, S]) first(bucket int, r checkpoint.StateRow) error {
	p, err := l.entry(bucket, r.Key)
	if err == nil && p.now.number != 0 {
		r.Kind = checkpoint.Changed
	}
	if err == nil {
		err = l.change(bucket, r)
	}
	return err
}

var errNoKey = errors.New("there is no such key")

// change takes in any other row.
func (l *diskLoader[K, S]) change(bucket int, r checkpoint.StateRow) error {
	p, err := l.entry(bucket, r.Key)
	if err != nil {
		return err
	}
	switch {
	case r.Kind == checkpoint.Removed:
		p.now = diskEntry{}
		return nil
	case r.Kind == checkpoint.Came:
		p.now.number = l.w.next.Add(1)
	case p.now.number == 0:
		return errNoKey
	}
	p.now.touch = Time(r.Touch)
	if r.Kind != checkpoint.Touched {
		p.now.value = r.Value
		l.size += len(r.Value)
	}
	return nil
}

// entry gives what is known of a key.
func (l *diskLoader[K, S]) entry(bucket int, key []byte) (*pendingEntry, error) {
	if p := l.pending[string(key)]; p != nil {
		return p, nil
	}
	if len(l.pending) >= pendingMax || l.size >= loadBytes || l.w.size > 0 {
		if err := l.flush(); err != nil {
			return nil, err
		}
	}
	old, err := l.r.find(bucket, key)
	if err != nil {
		return nil, err
	}
	old.key, old.value = nil, append([]byte(nil), old.value...)
	p := &pendingEntry{bucket, old, old}
	l.pending[string(key)] = p
	l.size += len(key) + len(old.value)
	return p, nil
}

// flush puts all into the store that is not there yet.
func (l *diskLoader[K, S]) flush() error {
	for key, p := range l.pending {
		l.w.replace(p.bucket, []byte(key), p.old, p.now)
	}
	clear(l.pending)
	l.size = 0
	return ofStore(l.w.commit())
}
