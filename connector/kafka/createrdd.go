package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// CreateRDD makes an RDD of the records of given ranges, one partition for each, in their order. The offsets are not
// checked beforehand; a range whose records are gone fails its task, or is shortened with
// weir.kafka.failOnDataLoss=false. The connections are made by the first task and closed when no task has needed them
// for a second, or with the context. What can pass, such as a broker that is away, is tried again for 15 s; a wrong
// password or an unknown host ends the job at once.
func CreateRDD[K, V any](sc *rdd.Context, p Params, ranges []OffsetRange, key Deserializer[K], value Deserializer[V],
	opts ...Option,
) (*rdd.RDD[Record[K, V]], error) {
	o, cfg, err := settings(p, key, value, opts)
	if err == nil && o.location.brokers {
		err = errors.New(
			"PreferBrokers needs to ask the brokers where leaders are, which making an RDD does not do: " +
				"use PreferFixed or PreferConsistent",
		)
	}
	for _, r := range ranges {
		if r.Topic == "" || r.Partition < 0 {
			err = errors.Join(err, fmt.Errorf("%v: it needs the name of a topic and a partition of at least 0", r))
		}
		if r.FromOffset < 0 || r.UntilOffset < r.FromOffset {
			err = errors.Join(err, fmt.Errorf("%v: the offsets must be at least 0 and in order", r))
		}
	}
	if o.buries {
		err = errors.Join(err, errors.New("ToDeadLetters is for streams: an RDD has no batch whose output "+
			"they could be; read kafka.Bytes and decode with rdd.Map"))
	}
	if err != nil {
		return nil, fmt.Errorf("kafka.CreateRDD: %w", err)
	}
	pieces := make([]piece, len(ranges))
	for i, r := range ranges {
		pieces[i] = piece{
			partitionRange{
				Topic:     r.Topic,
				Partition: r.Partition,
				From:      r.FromOffset,
				Until:     r.UntilOffset,
				Epoch:     -1,
			},
			false, // Until the parameters are resolved.
		}
	}
	shared := &sharedFetcher{sc: sc, params: p, opts: o}
	shared.resolve = func() (*client.Config, error) { return resolve(cfg, key, value) }
	out := rdd.FromPartitions(
		sc,
		"kafka.CreateRDD",
		len(pieces),
		func(tc *rdd.TaskContext, p int) iter.Seq[Record[K, V]] {
			return func(yield func(Record[K, V]) bool) {
				o, err := shared.get(tc)
				if err != nil {
					tc.Fail(err)
				}
				defer shared.release(o)
				piece := pieces[p]
				piece.committed = o.f.c.Config().Isolation == client.ReadCommitted
				read(tc, o.f, piece, key, value, nil)(yield)
			}
		},
	)
	return out.Prefer(o.location.hosts(nil, pieces)), nil
}

// A sharedFetcher is opened by the first task that needs it, for which others wait, and closed soon after the last
// one: a program may make any number of RDDs.
type sharedFetcher struct {
	sc     *rdd.Context
	params Params
	opts   options
	said   sync.Once // what there is to say about the parameters
	lost   lossCount
	// resolve gives the parameters with what the files hold that they refer to.
	resolve func() (*client.Config, error)

	mu      sync.Mutex
	open    *openFetcher
	failed  failedOpen
	closed  bool           // the context was stopped
	retired sync.WaitGroup // of those that are being closed
}

type openFetcher struct {
	done chan struct{}
	f    *fetcher
	err  error
	free func() // takes it off what the context closes

	users int         // guarded by the sharedFetcher's mutex, as is idle
	idle  *time.Timer // runs while there are none
}

// idleFetcher is how long connections are kept for the next action.
const idleFetcher = time.Second

// A failedOpen is why a job could not connect. It holds for the other tasks of the job, which may begin while it ends:
// each would sign in with the same wrong password.
type failedOpen struct {
	job  jobKey
	err  error
	time time.Time
}

// failedKept is how long it holds: a batch that is run again runs jobs of the same numbers.
const failedKept = time.Second

type jobKey struct {
	batch       int64
	output, job int
}

func jobOf(tc *rdd.TaskContext) jobKey { return jobKey{tc.Desc.Batch, tc.Desc.Output, tc.Desc.Job} }

// get gives the fetcher, until release. A task whose opener was cancelled opens one itself.
func (s *sharedFetcher) get(tc *rdd.TaskContext) (*openFetcher, error) {
	for {
		o, mine, err := s.join(jobOf(tc))
		if err != nil {
			return nil, err
		}
		if mine {
			s.connect(tc, o)
			return o, o.err
		}
		select {
		case <-o.done:
		case <-tc.Done():
			s.release(o)
			return nil, context.Cause(tc)
		}
		if !errors.Is(o.err, context.Canceled) {
			return o, o.err
		}
	}
}

// join takes part in what is open, or is to be opened by the caller then.
func (s *sharedFetcher) join(job jobKey) (o *openFetcher, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, errors.New("the context of the RDD has been stopped")
	}
	if s.failed.err != nil && s.failed.job == job && time.Since(s.failed.time) < failedKept {
		return nil, false, s.failed.err
	}
	if mine = s.open == nil; mine {
		s.open = &openFetcher{done: make(chan struct{}), free: s.sc.OnStop(s.close)}
	}
	o = s.open
	if o.users++; o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	return o, mine, nil
}

// release ends the use of a fetcher that get gave.
func (s *sharedFetcher) release(o *openFetcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.users--; o.users == 0 && s.open == o && !s.closed {
		o.idle = time.AfterFunc(idleFetcher, func() { s.retire(o) })
	}
}

// retire closes a fetcher that nobody has needed for a while.
func (s *sharedFetcher) retire(o *openFetcher) {
	s.mu.Lock()
	unused := s.open == o && o.users == 0 && !s.closed
	if unused {
		s.open = nil
		s.retired.Add(1)
	}
	s.mu.Unlock()
	if !unused {
		return
	}
	defer s.retired.Done()
	o.free()
	if o.f != nil {
		o.f.close()
	}
}

// connect opens the fetcher for all; if that fails the next action tries again.
func (s *sharedFetcher) connect(tc *rdd.TaskContext, o *openFetcher) {
	defer close(o.done)
	c, err := s.dial(tc)
	if err != nil {
		if tc.Err() != nil {
			err = errors.Join(context.Canceled, err)
		}
		o.err = err
		o.free()
		s.mu.Lock()
		s.open = nil
		if tc.Err() == nil {
			s.failed = failedOpen{jobOf(tc), err, time.Now()}
		}
		s.mu.Unlock()
		return
	}
	s.said.Do(func() { announce(s.sc.Logger(), c) })
	opts := newFetchOptions(s.sc.Conf(), s.params, c.Config())
	opts.warn = s.warn
	opts.proof = strangerProof
	opts.lost = func(loss *DataLossError) { s.lost.tell(s.warn, loss) }
	o.f = newFetcher(c, opts)
}

// openLimit is for how long connecting is tried, over all attempts of the tasks: a task that has failed for it is not
// tried again.
const openLimit = 15 * time.Second

// dial connects, again while that fails for what time may mend.
func (s *sharedFetcher) dial(ctx context.Context) (*client.Client, error) {
	cfg, err := s.resolve()
	if err != nil {
		return nil, exec.Permanent(err)
	}
	limit, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	var last error
	for attempt := 1; ; attempt++ {
		c, err := client.Open(limit, cfg, readOptions((&throttle{warn: s.warn}).with(s.opts.client))...)
		if err == nil {
			return c, nil
		}
		if limit.Err() == nil || last == nil {
			last = err // The end of the limit says nothing that the attempts before it did not.
		}
		if ctx.Err() != nil || !temporary(err) || pause(limit, cfg.Backoff(attempt)) != nil {
			return nil, exec.Permanent(last)
		}
		if attempt == 1 {
			s.warn("connecting to Kafka failed and is tried again", err, "limit", openLimit)
		}
	}
}

// strangerProof is how long a topic that nobody has seen yet must be missing until that is believed: one that was
// just created is not known to every broker at once.
const strangerProof = 3 * time.Second

func (s *sharedFetcher) warn(message string, err error, attrs ...any) {
	s.sc.Logger().Warn(message, append(attrs, "error", err)...)
}

// close ends what is open when the context stops.
func (s *sharedFetcher) close() {
	s.mu.Lock()
	s.closed = true
	o := s.open
	if o != nil && o.idle != nil {
		o.idle.Stop()
	}
	s.mu.Unlock()
	s.retired.Wait()
	if o == nil {
		return
	}
	<-o.done // dial has a deadline.
	if o.f != nil {
		o.f.close()
	}
}
