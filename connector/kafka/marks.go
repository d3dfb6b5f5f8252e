package kafka

import (
	"context"
	"errors"
	"hash/crc32"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// marks are, of each partition whose topic has no id, two records that were read: the one at the lowest offset and one
// of the last. By them a topic that was deleted and created again is told from the old one.
type marks struct {
	mu sync.Mutex
	at map[TopicPartition][2]mark
}

// A mark is what a record is known by.
type mark struct {
	offset, timestamp int64
	sum               uint32 // of key and value
}

func markOf(r *recordbatch.Record) mark {
	return mark{r.Offset, r.Timestamp, crc32.Update(crc32.ChecksumIEEE(r.Key), crc32.IEEETable, r.Value)}
}

// note keeps a record that was read.
func (m *marks) note(p partitionRange, r *recordbatch.Record) {
	if p.ID != [16]byte{} {
		return
	}
	now := markOf(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = map[TopicPartition][2]mark{}
	}
	at, ok := m.at[p.tp()]
	if !ok || now.offset < at[0].offset {
		at[0] = now
	}
	at[1] = now
	m.at[p.tp()] = at
}

func (m *marks) get(tp TopicPartition) ([2]mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[tp]
	return at, ok
}

func (m *marks) forget(tp TopicPartition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, tp)
}

// An identity tells whether a topic is the one that was read before.
type identity int8

const (
	unknownTopic identity = iota
	sameAsBefore
	anotherTopic
)

// identify looks whether the records that were read are still where they were. Compaction and retention take them, so
// one that is missing says nothing.
func (f *fetcher) identify(ctx context.Context, p partitionRange) (identity, error) {
	marks, ok := f.marks.get(p.tp())
	if !ok {
		return unknownTopic, nil
	}
	for _, m := range marks {
		it := recordbatch.NewIterator(f.dec)
		c, err := f.ask(ctx, piece{partitionRange: p}, m.offset, f.opts.bytes, 0)
		if err != nil && !errors.Is(err, kerr.OffsetOutOfRange) {
			return unknownTopic, err
		}
		it.Reset(c.set, recordbatch.Want{From: m.offset, Until: m.offset + 1, SkipCRC: true})
		if it.Next() {
			if markOf(it.Record()) == m {
				return sameAsBefore, nil
			}
			return anotherTopic, nil
		}
	}
	return unknownTopic, nil
}
