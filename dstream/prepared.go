package dstream

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/weirstream/weir/rdd"
)

// A BatchSink is a Sink that stores all partitions of a batch at once, of what its tasks have made ready where nobody
// sees it, such as files that are shown when all of them are there. Its Write is not used by jobs.
type BatchSink[T any] interface {
	Sink[T]
	BatchCommitter
	// Prepare makes the records of a partition ready, in a task, and gives as data what Commit needs; nil says that
	// there is nothing to store. After an error, or when the task unwinds it, it leaves nothing behind.
	Prepare(ctx context.Context, id Effect, in iter.Seq[T]) (made []byte, err error)
}

// A BatchCommitter is the part of a BatchSink that does not depend on the type of the records.
type BatchCommitter interface {
	// Commit stores what was prepared for partitions of one batch, in their order, together with the identity of the
	// batch, or drops it if that identity, or that of a later batch, is there. By ErrFenced and ErrInDoubt it says that
	// the call is to be made again, with the same arguments, if the job still has its owner. After any other error the
	// batch is run again: what is stored by then stays, and what was prepared may be needed by it.
	Commit(ctx context.Context, id Effect, made [][]byte) error
	// Drop drops what attempts have prepared that did not win, as far as it can.
	Drop(ctx context.Context, made [][]byte)
}

// dropTimeout bounds the dropping of what is not needed, which goes on when the batch has been cancelled.
const dropTimeout = 10 * time.Second

// A preparing is what the attempts of a job have made ready.
type preparing struct {
	sink BatchCommitter

	mu   sync.Mutex
	made map[int][][]byte // by partition
	over bool
}

// add keeps what an attempt has made; false says that the job is over.
func (p *preparing) add(partition int, made []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.made[partition] = append(p.made[partition], made)
	}
	return !p.over
}

// end drops what has been made by attempts other than the winners.
func (p *preparing) end(ctx context.Context, winners [][]byte) {
	p.mu.Lock()
	p.over = true
	var losers [][]byte
	for partition, all := range p.made {
		for _, made := range all {
			if string(made) != string(winners[partition]) {
				losers = append(losers, made)
			}
		}
	}
	p.mu.Unlock()
	if len(losers) > 0 {
		p.drop(ctx, losers...)
	}
}

func (p *preparing) drop(ctx context.Context, made ...[]byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	p.sink.Drop(ctx, made)
}

// prepare has the tasks make their records ready, and then the sink store all of them.
func prepare[T any](ctx context.Context, b *Batch, o *Output, id Effect, r *rdd.RDD[T], s BatchSink[T]) error {
	p := &preparing{sink: s, made: map[int][][]byte{}}
	winners := make([][]byte, r.NumPartitions())
	task := func(tc *rdd.TaskContext, in iter.Seq[T]) ([]byte, error) {
		id := id
		id.Partition = tc.PartitionID()
		made, err := s.Prepare(tc, id, in)
		if err == nil && made != nil && !p.add(id.Partition, made) {
			p.drop(tc, made)
		}
		return made, err
	}
	err := rdd.RunJob(ctx, r, nil, task, func(i int, made []byte) error {
		winners[i] = made
		return nil
	})
	if err != nil {
		p.end(ctx, make([][]byte, len(winners)))
		return err
	}
	p.end(ctx, winners)
	var made [][]byte
	for _, won := range winners {
		if won != nil {
			made = append(made, won)
		}
	}
	if len(made) > 0 {
		if err := b.fix(ctx); err != nil {
			p.drop(ctx, made...)
			return err
		}
		err = b.writing(o, id.Name, func() error {
			return b.ssc.insist(ctx, func() error { return s.Commit(ctx, id, made) })
		})
	}
	if err != nil {
		return fmt.Errorf("commit what was prepared: %w", err)
	}
	b.note(o, id.Name, len(made) > 0, identitiesIn(s, 1))
	return nil
}
