package kafka

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// plainBase is a partitioner that notes how it is called.
type plainBase struct{ calls *[]string }

func (b plainBase) ForTopic(string) kgo.TopicPartitioner { return b }

func (b plainBase) RequiresConsistency(r *kgo.Record) bool { return r.Key != nil }

func (b plainBase) Partition(*kgo.Record, int) int {
	*b.calls = append(*b.calls, "partition")
	return 3
}

type pinningBase struct{ plainBase }

func (b pinningBase) ForTopic(string) kgo.TopicPartitioner { return b }

func (b pinningBase) OnNewBatch() { *b.calls = append(*b.calls, "new batch") }

type weighingBase struct{ plainBase }

func (b weighingBase) ForTopic(string) kgo.TopicPartitioner { return b }

func (b weighingBase) PartitionByBackup(*kgo.Record, int, kgo.TopicBackupIter) int {
	*b.calls = append(*b.calls, "by backup")
	return 4
}

type bothBase struct {
	pinningBase
	weighing weighingBase
}

func (b bothBase) ForTopic(string) kgo.TopicPartitioner { return b }

func (b bothBase) PartitionByBackup(r *kgo.Record, n int, i kgo.TopicBackupIter) int {
	return b.weighing.PartitionByBackup(r, n, i)
}

// drive sends a record the way the client does: by the optional methods where there are any, and with a new batch.
func drive(p kgo.TopicPartitioner, r *kgo.Record) string {
	choose := func() int {
		if b, ok := p.(kgo.TopicBackupPartitioner); ok {
			return b.PartitionByBackup(r, 9, nil)
		}
		return p.Partition(r, 9)
	}
	first := choose()
	if b, ok := p.(kgo.TopicPartitionerOnNewBatch); ok {
		b.OnNewBatch()
		return fmt.Sprint(first, " ", choose())
	}
	return fmt.Sprint(first)
}

// Whatever the base can do is still done for records without a partition, and nothing of it for those with one. These
// are chosen among all partitions, also those without a leader.
func TestExplicitPartitioner(t *testing.T) {
	var calls []string
	plain := plainBase{&calls}
	for _, row := range []struct {
		name           string
		base           kgo.Partitioner
		explicit, free string
		calls          string
	}{
		{"plain", plain, "7", "3", "[partition]"},
		{"pinning", pinningBase{plain}, "7 7", "3 3", "[partition new batch partition]"},
		{"weighing", weighingBase{plain}, "7", "4", "[by backup]"},
		{"both", bothBase{pinningBase{plain}, weighingBase{plain}}, "7 7", "4 4", "[by backup new batch by backup]"},
	} {
		calls = nil
		p := explicitPartitioner{row.base}.ForTopic("t")
		own, other := &kgo.Record{Partition: 7}, &kgo.Record{Partition: -1}
		if got := drive(p, own); got != row.explicit || len(calls) != 0 {
			t.Errorf("%s: a partition of its own gives %s, with %v", row.name, got, calls)
		}
		if got := drive(p, other); got != row.free || fmt.Sprint(calls) != row.calls {
			t.Errorf("%s: no partition of its own gives %s, with %v", row.name, got, calls)
		}
		keyed := &kgo.Record{Partition: -1, Key: []byte("k")}
		if !p.RequiresConsistency(own) || p.RequiresConsistency(other) || !p.RequiresConsistency(keyed) {
			t.Errorf("%s: the wrong records go to any partition", row.name)
		}
	}
}
