package kafka

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/dstream"
)

// A receiving is a run of a receiver. It plans ranges as a direct stream does, and has threads read them.
type receiving[K, V any] struct {
	*receiver[K, V]
	source *source[K, V]
	st     *dstream.Store[Record[K, V]]

	turn chan struct{} // held by who stores
	at   *batchRange   // what is stored, never changed; replaced by who has the turn
	last []byte        // at, as it was stored

	mu        sync.Mutex
	stored    *batchRange // to be committed
	committed *batchRange
	since     time.Time // when committed was committed
}

// run receives until ctx ends, which is no error.
func (r *receiving[K, V]) run(ctx context.Context, resume []byte) (err error) {
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	from, err := asked(ctx, func(ctx context.Context) ([]byte, error) {
		return r.source.Resolve(ctx, r.goesOn(resume))
	})
	if err != nil {
		return err
	}
	if err := r.begin(from, resume); err != nil {
		return err
	}
	r.source.f.opts.prefetch, r.source.f.spoil = false, nil
	var commits sync.WaitGroup
	defer commits.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.commits {
		commits.Go(func() { r.commitOften(ctx) })
	}
	for ctx.Err() == nil {
		from, err = r.round(ctx, from)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
		case isEnding(err):
			return err
		case temporary(err) || isGone(err):
			r.st.Report(err)
			_ = pause(ctx, troubledRound)
		default:
			return err
		}
	}
	return nil
}

// begin has a run stand where it begins. Whoever goes on must not ask anew where that is, also if nothing can be
// received now: it is stored, and committed, for without a log it is the group that the next process asks.
func (r *receiving[K, V]) begin(from, resume []byte) error {
	r.beginsAt(from)
	at, err := decodeRange(from)
	if err != nil {
		return err
	}
	if resume == nil {
		return r.put(nil, at)
	}
	r.last, r.stored = resume, at
	return nil
}

// An ending is an error of a record, which does not decode or cannot be stored. It ends the run: the next one goes on
// behind what was stored, and so at that record.
type ending struct{ error }

// Unwrap makes the error be seen.
func (e ending) Unwrap() error { return e.error }

func isEnding(err error) bool {
	_, is := errors.AsType[ending](err)
	return is
}

// asked bounds a question to the brokers.
func asked[T any](ctx context.Context, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errors.New("the brokers did not answer in time"))
	defer cancel()
	return f(ctx)
}

// round receives what there is behind the range from, and gives the range behind which to go on.
func (r *receiving[K, V]) round(ctx context.Context, from []byte) ([]byte, error) {
	var n int64
	rng, err := asked(ctx, func(ctx context.Context) (rng []byte, err error) {
		rng, n, err = r.source.Plan(ctx, from, dstream.Limit{Records: roundMax, Interval: 1})
		return rng, err
	})
	if err != nil {
		return from, err
	}
	planned, err := decodeRange(rng)
	if err != nil {
		return from, err
	}
	if err := r.stand(planned); err != nil {
		return from, err
	}
	if n == 0 {
		_ = pause(ctx, emptyRound)
		return rng, nil
	}
	if err := r.receive(ctx, planned.pieces()); err != nil {
		reached, encoding := r.at.encode()
		return reached, errors.Join(err, encoding)
	}
	return rng, nil
}

// stand has the run stand where a range begins. If that is not where what was stored last ends, it is stored before
// anything is read from there: the planner goes back, on purpose, where a log was truncated or a topic created again,
// and what is read up to the same offset once more must not look like what was stored, nor be passed over by a next
// process, which may have no proof any more that it is other records.
func (r *receiving[K, V]) stand(planned *batchRange) error {
	at := *planned
	at.Partitions = slices.Clone(at.Partitions)
	for i := range at.Partitions {
		at.Partitions[i].Until = at.Partitions[i].From
	}
	position, err := at.encode()
	if err != nil {
		return ending{err}
	}
	if !bytes.Equal(position, r.last) {
		return r.put(nil, &at)
	}
	r.at = &at
	return nil
}

// receive has the threads of each topic read its pieces. One that fails holds up none of the others.
func (r *receiving[K, V]) receive(ctx context.Context, pieces []piece) error {
	threads := map[string][][]int{}
	for topic, n := range r.topics {
		threads[topic] = make([][]int, n)
	}
	for i, p := range pieces {
		if of := threads[p.Topic]; p.From < p.Until {
			of[int(p.Partition)%len(of)] = append(of[int(p.Partition)%len(of)], i)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(pieces))
	for _, of := range threads {
		for _, mine := range of {
			wg.Go(func() {
				for _, i := range mine {
					errs[i] = r.read(ctx, i, pieces[i])
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A load is what is stored at once: at most so many records, and about as many bytes.
const (
	loadRecords = 5000
	loadBytes   = 1 << 20
)

// notRead is what a thread panics with whose records cannot be read on.
type notRead struct{ err error }

// thread is a task that fails.
type thread struct{}

// Fail implements failing.
func (thread) Fail(err error) { panic(notRead{err}) }

// read brings a piece, which is number i of the range: all of it, or what comes before an error.
func (r *receiving[K, V]) read(ctx context.Context, i int, p piece) error {
	var load []Record[K, V]
	var failed error
	size, reached := 0, p.From
	err := r.decode(ctx, p, func(rec *recordbatch.Record, v Record[K, V]) bool {
		load, size, reached = append(load, v), size+len(rec.Key)+len(rec.Value), rec.Offset+1
		if len(load) < loadRecords && size < loadBytes {
			return true
		}
		failed = r.store(ctx, i, reached, load)
		load, size = nil, 0
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if err == nil {
		reached = p.Until // Gaps may be at its end.
	}
	return errors.Join(err, r.store(ctx, i, reached, load))
}

// decode reads the records of a piece.
func (r *receiving[K, V]) decode(ctx context.Context, p piece, yield func(*recordbatch.Record, Record[K, V]) bool,
) (err error) {
	defer func() {
		if v := recover(); v != nil {
			failed, ok := v.(notRead)
			if !ok {
				panic(v)
			}
			err = ending{failed.err}
		}
	}()
	d := decoding[K, V]{tc: thread{}, tp: p.tp(), key: r.source.key, value: r.source.value}
	defer d.panicked()
	return r.source.f.each(ctx, p, func(rec *recordbatch.Record) bool {
		d.decode(rec)
		return yield(rec, d.out)
	})
}

// store stores a load, behind which the partition number i of the range stands at an offset. One load is stored at a
// time, each with the offsets of all partitions: so the last position that is stored tells of all loads. A load that
// could not be stored must not be passed over by the position of a later one.
func (r *receiving[K, V]) store(ctx context.Context, i int, offset int64, load []Record[K, V]) error {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.turn }()
	next := *r.at
	next.Partitions = slices.Clone(next.Partitions)
	next.Partitions[i].From, next.Partitions[i].Until = offset, offset
	return r.put(load, &next)
}

// put stores a load, if there is one, and where reading goes on behind it. It is called by who has the turn, or while
// no thread reads.
func (r *receiving[K, V]) put(load []Record[K, V], at *batchRange) error {
	position, err := at.encode()
	if err != nil {
		return ending{err}
	}
	if err := r.st.Some(load, position); err != nil {
		return ending{err}
	}
	r.at, r.last = at, position
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored = at
	return nil
}

// commitOften commits what is stored to the group, at once and then now and then.
func (r *receiving[K, V]) commitOften(ctx context.Context) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		if err := r.commit(ctx, commitDeadline); err != nil && ctx.Err() == nil {
			r.st.Report(err) // Nothing hangs on it now: reading goes on from what is stored.
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// commit commits what was stored since the last time, or the same once more when that is long ago.
func (r *receiving[K, V]) commit(ctx context.Context, timeout time.Duration) error {
	r.mu.Lock()
	stored := r.stored
	due := r.commits && stored != nil && (stored != r.committed || time.Since(r.since) >= commitAgain)
	r.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := r.source.commit(ctx, stored); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.committed, r.since = stored, time.Now()
	return nil
}

// close commits what is left to be committed and ends the connections.
func (r *receiving[K, V]) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if r.source.f == nil {
		return nil // It was not opened.
	}
	if err := r.commit(ctx, closeTimeout); err != nil {
		r.st.Report(err)
	}
	return r.source.Close(ctx)
}
