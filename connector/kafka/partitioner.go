package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// An explicitPartitioner sends a record whose partition the program has set there, and leaves every other record, whose
// Partition is -1, to base.
type explicitPartitioner struct{ base kgo.Partitioner }

// ForTopic implements kgo.Partitioner. What it returns has the optional methods that base's has: the client takes
// another way for each.
func (p explicitPartitioner) ForTopic(topic string) kgo.TopicPartitioner {
	base := p.base.ForTopic(topic)
	out := &explicitTopic{base: base}
	pinned, pins := base.(kgo.TopicPartitionerOnNewBatch)
	backup, weighs := base.(kgo.TopicBackupPartitioner)
	switch {
	case pins && weighs:
		return struct {
			*explicitTopic
			explicitNewBatch
			explicitBackup
		}{out, explicitNewBatch{out, pinned}, explicitBackup{out, backup}}
	case pins:
		return struct {
			*explicitTopic
			explicitNewBatch
		}{out, explicitNewBatch{out, pinned}}
	case weighs:
		return struct {
			*explicitTopic
			explicitBackup
		}{out, explicitBackup{out, backup}}
	}
	return out
}

// explicitTopic is the partitioner of one topic; the client calls it for one record at a time.
type explicitTopic struct {
	base kgo.TopicPartitioner
	last bool // whether the last record had a partition of its own
}

// RequiresConsistency implements kgo.TopicPartitioner: with it the choice is among all partitions, by their number.
func (t *explicitTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || t.base.RequiresConsistency(r)
}

// Partition implements kgo.TopicPartitioner. A partition that the topic lacks fails the record.
func (t *explicitTopic) Partition(r *kgo.Record, n int) int {
	if t.last = r.Partition >= 0; t.last {
		return int(r.Partition)
	}
	return t.base.Partition(r, n)
}

// explicitNewBatch tells base of new batches of its own records only: it would leave the partition that it is on.
type explicitNewBatch struct {
	topic *explicitTopic
	base  kgo.TopicPartitionerOnNewBatch
}

// OnNewBatch implements kgo.TopicPartitionerOnNewBatch.
func (t explicitNewBatch) OnNewBatch() {
	if !t.topic.last {
		t.base.OnNewBatch()
	}
}

// explicitBackup lets base choose by how much waits for each partition.
type explicitBackup struct {
	topic *explicitTopic
	base  kgo.TopicBackupPartitioner
}

// PartitionByBackup implements kgo.TopicBackupPartitioner.
func (t explicitBackup) PartitionByBackup(r *kgo.Record, n int, waiting kgo.TopicBackupIter) int {
	if t.topic.last = r.Partition >= 0; t.topic.last {
		return int(r.Partition)
	}
	return t.base.PartitionByBackup(r, n, waiting)
}
