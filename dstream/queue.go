package dstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/weirstream/weir/rdd"
)

// A Queue feeds a stream from the program itself: mostly in tests. It may be added to at any time, from any
// goroutine, also while the program runs. What it holds lives in memory only.
type Queue[T any] struct {
	mu      sync.Mutex
	entries []queued[T]
	other   *rdd.RDD[T] // what a batch gets when there is no entry
	first   int64       // number of entries[0]
	feeds   bool        // a stream that runs
}

// queued is either elements or an RDD.
type queued[T any] struct {
	vs []T
	r  *rdd.RDD[T]
}

// NewQueue makes a queue whose first entries are the given ones.
func NewQueue[T any](entries ...[]T) *Queue[T] {
	q := &Queue[T]{}
	for _, vs := range entries {
		q.Add(vs...)
	}
	return q
}

// Add appends one entry of elements: with one at a time, what one batch gets.
func (q *Queue[T]) Add(vs ...T) { q.append(queued[T]{vs: slices.Clone(vs)}) }

// AddRDD appends one entry.
func (q *Queue[T]) AddRDD(r *rdd.RDD[T]) { q.append(queued[T]{r: r}) }

func (q *Queue[T]) append(e queued[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = append(q.entries, e)
}

// Default has batches that find no entry get r in place of an RDD without elements.
func (q *Queue[T]) Default(r *rdd.RDD[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.other = r
}

// Len is the number of entries that no batch has been released from.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// A QueueOption of QueueStream.
type QueueOption func(*queueOptions)

type queueOptions struct{ together bool }

// AllAtOnce has each batch take all entries of the queue instead of one.
func AllAtOnce() QueueOption { return func(o *queueOptions) { o.together = true } }

// QueueStream makes a stream of the queue's entries: each batch takes the next one, or all with AllAtOnce, and is
// empty when there is none. The elements of an entry lie in DefaultParallelism partitions. It cannot be
// recovered from a checkpoint.
func QueueStream[T any](ssc *Context, q *Queue[T], opts ...QueueOption) *DStream[T] {
	var o queueOptions
	for _, opt := range opts {
		opt(&o)
	}
	d := FromSource(ssc, "queueStream", Source[T](&queueSource[T]{q: q, together: o.together}))
	if q == nil {
		d.node.refuse("queueStream needs a queue, not nil")
	}
	return d
}

type queueSource[T any] struct {
	q        *Queue[T]
	together bool
	resolved bool
}

// A queue's range is the numbers of its entries, from and until, 8 bytes each.
func queueRange(from, until int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(from)), uint64(until))
}

func parseQueueRange(rng []byte) (from, until int64) {
	return int64(binary.BigEndian.Uint64(rng)), int64(binary.BigEndian.Uint64(rng[8:]))
}

func (s *queueSource[T]) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from != nil {
		return nil, fmt.Errorf("a queue lives in memory and cannot be recovered from a checkpoint")
	}
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.q.feeds {
		return nil, fmt.Errorf("the queue feeds another stream already: a queue is for one stream at a time")
	}
	s.q.feeds = true
	s.resolved = true
	return queueRange(s.q.first, s.q.first), nil
}

// Close gives the queue free for another stream.
func (s *queueSource[T]) Close(context.Context) error {
	if !s.resolved {
		return nil
	}
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.q.feeds = false
	return nil
}

func (s *queueSource[T]) Plan(_ context.Context, from []byte, _ Limit) ([]byte, int64, error) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	_, at := parseQueueRange(from)
	until := min(at+1, s.q.first+int64(len(s.q.entries)))
	if s.together {
		until = s.q.first + int64(len(s.q.entries))
	}
	var n int64
	for i := at; i < until; i++ {
		n += int64(len(s.q.entries[i-s.q.first].vs))
	}
	return queueRange(at, until), n, nil
}

func (s *queueSource[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	from, until := parseQueueRange(rng)
	s.q.mu.Lock()
	entries := slices.Clone(s.q.entries[from-s.q.first : until-s.q.first])
	if len(entries) == 0 && s.q.other != nil {
		entries = []queued[T]{{r: s.q.other}}
	}
	s.q.mu.Unlock()
	rs := make([]*rdd.RDD[T], 0, len(entries))
	for _, e := range entries {
		switch {
		case e.r == nil:
			e.r = rdd.Parallelize(sc, e.vs, min(max(len(e.vs), 1), sc.DefaultParallelism()))
		case e.r.Context() != sc:
			e.r = stranger[T](sc)
		}
		rs = append(rs, e.r)
	}
	if len(rs) == 0 {
		return rdd.Parallelize(sc, []T(nil), 1)
	}
	if len(rs) == 1 && entries[0].r == nil {
		return rs[0]
	}
	return rdd.Union(rs[0], rs[1:]...)
}

// stranger stands for an RDD of another context, which could not be joined with others and would run elsewhere.
func stranger[T any](sc *rdd.Context) *rdd.RDD[T] {
	return rdd.FromPartitions(sc, "queueStream", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[T] {
		tc.Fail(errors.New("the queue was given an RDD of another context: make it with the context's RDD()"))
		return nil
	})
}

func (s *queueSource[T]) Committed(context.Context, *Batch, []byte) error { return nil }

func (s *queueSource[T]) Released(_ context.Context, upTo []byte) error {
	_, until := parseQueueRange(upTo)
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if n := until - s.q.first; n > 0 && n <= math.MaxInt32 {
		s.q.entries = slices.Delete(s.q.entries, 0, int(n))
		s.q.first = until
	}
	return nil
}
