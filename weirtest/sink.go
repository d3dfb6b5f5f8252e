package weirtest

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
)

// A SinkSuite says how [Sink] is to test a sink.
type SinkSuite[T any] struct {
	// New makes an empty store. Each case has its own.
	New func(t *testing.T) SinkStore[T]
	// Record makes the record of number n, by which Stored knows it.
	Record func(n int) T
	// Bubble has each case run in a testing/synctest bubble, which is for stores in memory.
	Bubble bool
	// Parallel has the cases run beside each other, which is for stores that take their time. New is called by several
	// goroutines then.
	Parallel bool
}

// A SinkStore is what sinks of several processes write to.
type SinkStore[T any] struct {
	// Process makes a sink, as each process of a job makes one for itself.
	Process func() dstream.Sink[T]
	// Stored reads all that a reader of the store sees, and gives the numbers of the records.
	Stored func() []int
	// Cut has the sink that Process makes next die at a step of its way to the store (a request, a statement, a call of
	// the file system), the first of which is 0: every call from there on fails. With late the step itself is done, and
	// only its answer is lost. dead tells whether the sink has come so far. Without Cut processes die between two calls
	// only.
	Cut func(step int, late bool) (dead func() bool)
	// Forget lets the identities of an effect expire. Without it that is not tested.
	Forget func(job, output, effect string)
}

// Sink tests that a sink keeps to the contract of dstream.Sink, and of dstream.TransactionSink, dstream.SinkRewinder or
// dstream.SinkBurner if it is one: that each record of a job is stored once, although processes die before, between,
// after and within any two calls, batches are replayed, a process that was thought dead comes back, attempts run beside
// each other, an older checkpoint is restored, and identities expire; and that what is given up does not come in late.
// A sink that promises less than that fails.
func Sink[T any](t *testing.T, suite SinkSuite[T]) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(r *sinkRun[T])
	}{
		{"a job without troubles", (*sinkRun[T]).smooth},
		{"a batch is stored again", (*sinkRun[T]).again},
		{"batches share a transaction", (*sinkRun[T]).together},
		{"names that are alike", (*sinkRun[T]).namesAlike},
		{"a zombie goes on", (*sinkRun[T]).zombie},
		{"a zombie is overtaken while it writes", (*sinkRun[T]).overtaken},
		{"two attempts at the same time", (*sinkRun[T]).concurrent},
		{"records that cannot be read", (*sinkRun[T]).unreadable},
		{"a context that has ended", (*sinkRun[T]).cancelled},
		{"an older checkpoint is restored", (*sinkRun[T]).restored},
		{"epochs begin again", (*sinkRun[T]).younger},
		{"an identity is stored again", (*sinkRun[T]).renewed},
		{"an identity has expired", (*sinkRun[T]).expired},
		{"a batch is given up", (*sinkRun[T]).givenUp},
	} {
		t.Run(c.name, func(t *testing.T) {
			suite.beside(t)
			suite.once(t, c.run)
		})
	}
	for _, c := range []struct {
		name string
		run  func(r *sinkRun[T], n int) (more bool)
	}{
		{"dies between two calls", (*sinkRun[T]).between},
		{"dies before a step", func(r *sinkRun[T], n int) bool { return r.within(n, false) }},
		{"dies after a step", func(r *sinkRun[T], n int) bool { return r.within(n, true) }},
	} {
		if !suite.Parallel {
			t.Run(c.name, func(t *testing.T) { suite.places(t, 0, 1, c.run) })
			continue
		}
		t.Run(c.name+", even places", func(t *testing.T) { suite.places(t, 0, 2, c.run) })
		t.Run(c.name+", odd places", func(t *testing.T) { suite.places(t, 1, 2, c.run) })
	}
}

// places runs a case for one place after the other, from the first one on, until there is none.
func (s SinkSuite[T]) places(t *testing.T, first, step int, run func(r *sinkRun[T], n int) (more bool)) {
	t.Helper()
	s.beside(t)
	died := 0
	for place, more := first, true; more && !t.Failed() && !t.Skipped(); place += step {
		more = false
		s.once(t, func(r *sinkRun[T]) { more = run(r, place) })
		if more {
			died++
		}
	}
	t.Logf("died at %d places", died)
}

// beside has a case run beside the others, if it may.
func (s SinkSuite[T]) beside(t *testing.T) {
	if s.Parallel {
		t.Parallel()
	}
}

// once runs a case with a store of its own.
func (s SinkSuite[T]) once(t *testing.T, run func(r *sinkRun[T])) {
	t.Helper()
	body := func(t *testing.T) {
		r := &sinkRun[T]{t: t, suite: s, store: s.New(t), logged: map[string]bool{}}
		defer r.end()
		run(r)
	}
	if s.Bubble {
		synctest.Test(t, body)
		return
	}
	body(t)
}

// A sinkRun is a case: a store, and a log as processes of a job have it, one after the other.
type sinkRun[T any] struct {
	t         *testing.T
	suite     SinkSuite[T]
	store     SinkStore[T]
	mu        sync.Mutex
	logged    map[string]bool // transactional ids
	committed int64           // batches below it
	epoch     int64
	all       []*sinkProcess[T]
}

// A sinkProcess is a process of the job.
type sinkProcess[T any] struct {
	of     *sinkRun[T]
	sink   dstream.Sink[T]
	epoch  int64
	opened bool
}

const (
	sinkJob    = "2f6c1c5e-8d53-4f43-8d6a-3c1b6b0f5a11"
	sinkOutput = "counts"
	// sinkPatience bounds a call, and how long one that waits for another is waited for.
	sinkPatience = 5 * time.Minute
)

// sinkBatches are how many records the partitions of the batches of a job hold.
var sinkBatches = [][]int{{3, 2}, {0, 0}, {0, 1}, {}, {2, 0, 4}}

func (r *sinkRun[T]) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), sinkPatience)
}

// process begins a process: it opens the sink, fences and asks, as a start does.
func (r *sinkRun[T]) process() *sinkProcess[T] { return r.begin(r.store.Process()) }

func (r *sinkRun[T]) begin(s dstream.Sink[T]) *sinkProcess[T] {
	r.epoch++
	p := &sinkProcess[T]{of: r, sink: s, epoch: r.epoch}
	r.all = append(r.all, p)
	return p
}

// end closes what processes have left open, as the system does.
func (r *sinkRun[T]) end() {
	for _, p := range r.all {
		if p.opened {
			ctx, cancel := r.ctx()
			_ = p.sink.Close(ctx) // One that was cut or fenced cannot flush.
			cancel()
		}
	}
}

func (p *sinkProcess[T]) id(seq int64) dstream.Effect {
	return dstream.Effect{Job: sinkJob, Output: sinkOutput, Sequence: seq, Epoch: p.epoch}
}

// transactor gives the sink's transactions, nil if it has none.
func (p *sinkProcess[T]) transactor() dstream.TransactionSink[T] {
	if s, ok := p.sink.(dstream.TransactionSink[T]); ok && s.Transaction(p.id(0)) != "" {
		return s
	}
	return nil
}

func (p *sinkProcess[T]) open() error { return p.openAs(sinkJob) }

func (p *sinkProcess[T]) openAs(job string) error {
	ctx, cancel := p.of.ctx()
	defer cancel()
	err := p.sink.Open(ctx, job, p.epoch)
	p.opened = err == nil
	return err
}

// fence fences all that the log knows.
func (p *sinkProcess[T]) fence() error {
	s := p.transactor()
	if s == nil {
		return nil
	}
	names := p.of.names(s.Transaction(p.id(0)))
	ctx, cancel := p.of.ctx()
	defer cancel()
	return insist(func() error { return s.Fence(ctx, names) })
}

// last is the newest batch that the sink holds, -1 for none.
func (p *sinkProcess[T]) last() (int64, error) {
	ctx, cancel := p.of.ctx()
	defer cancel()
	last := int64(-1)
	partitions := 3
	if p.transactor() != nil {
		partitions = 1 // There is one identity for all, and jobs ask for this one.
	}
	for part := range partitions {
		seq, ok, err := p.sink.Last(ctx, sinkOutput, "", part)
		if err != nil {
			return 0, err
		}
		if ok {
			last = max(last, seq)
		}
	}
	return last, nil
}

// records are the numbers of those of a partition of a batch.
func records(seq int64, partition int) (out []int) {
	if seq >= int64(len(sinkBatches)) || partition >= len(sinkBatches[seq]) {
		return nil
	}
	for i := range sinkBatches[seq][partition] {
		out = append(out, int(seq)*1000+partition*100+i)
	}
	return out
}

// sinkTogether are the batches that a job stores in one transaction, if the sink has transactions.
var sinkTogether = [][]int64{{0}, {1}, {2, 3, 4}}

// together stores batches in one transaction, as dstream does when one takes longer than the interval; a sink without
// transactions stores one after the other.
func (p *sinkProcess[T]) together(sequences ...int64) error {
	s := p.transactor()
	if s == nil || len(sequences) == 1 {
		var err error
		for _, seq := range sequences {
			err = cmp.Or(err, p.batch(seq))
		}
		return err
	}
	var effects []dstream.Staged
	for _, seq := range sequences {
		of, err := p.staged(s, p.id(seq), len(sinkBatches[seq]), nil)
		if err != nil {
			return err
		}
		effects = append(effects, of...)
	}
	ctx, cancel := p.of.ctx()
	defer cancel()
	return insist(func() error { return s.WriteAll(ctx, effects) })
}

// batch stores a batch as dstream does.
func (p *sinkProcess[T]) batch(seq int64) error { return p.write(p.id(seq), nil) }

// write stores the batch of an identity; each, if not nil, is called before each record.
func (p *sinkProcess[T]) write(id dstream.Effect, each func() error) error {
	ctx, cancel := p.of.ctx()
	defer cancel()
	return p.writeWith(ctx, id, each)
}

func (p *sinkProcess[T]) writeWith(ctx context.Context, id dstream.Effect, each func() error) error {
	parts := 0
	if id.Sequence < int64(len(sinkBatches)) {
		parts = len(sinkBatches[id.Sequence])
	}
	if s := p.transactor(); s != nil {
		effects, err := p.staged(s, id, parts, each)
		if err != nil || len(effects) == 0 {
			return err
		}
		return insist(func() error { return s.WriteAll(ctx, effects) })
	}
	if s, ok := p.sink.(dstream.BatchSink[T]); ok {
		return p.prepared(ctx, s, id, parts, each)
	}
	for part := range parts {
		id.Partition = part
		var failed error
		in := p.of.reading(id.Sequence, part, each, &failed)
		if err := p.sink.Write(ctx, id, in); err != nil || failed != nil {
			return errors.Join(failed, err)
		}
	}
	return nil
}

// reading are the records of a partition. An error of each, which is kept, ends them.
func (r *sinkRun[T]) reading(seq int64, part int, each func() error, failed *error) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, n := range records(seq, part) {
			if each != nil {
				if *failed = each(); *failed != nil {
					return
				}
			}
			if !yield(r.suite.Record(n)) {
				return
			}
		}
	}
}

// prepared stores a batch by a sink that commits what tasks have made ready.
func (p *sinkProcess[T]) prepared(ctx context.Context, s dstream.BatchSink[T], id dstream.Effect, parts int,
	each func() error,
) error {
	var all [][]byte
	for part := range parts {
		id.Partition = part
		var failed error
		made, err := s.Prepare(ctx, id, p.of.reading(id.Sequence, part, each, &failed))
		if err = errors.Join(failed, err); err != nil {
			s.Drop(ctx, all)
			return err
		}
		if made != nil {
			all = append(all, made)
		}
	}
	if id.Partition = 0; len(all) == 0 {
		return nil
	}
	return insist(func() error { return s.Commit(ctx, id, all) })
}

func (p *sinkProcess[T]) staged(s dstream.TransactionSink[T], id dstream.Effect, parts int, each func() error,
) (effects []dstream.Staged, err error) {
	for part := range parts {
		id.Partition = part
		var encoded [][]byte
		for _, n := range records(id.Sequence, part) {
			raw, err := s.AppendRecord(nil, p.of.suite.Record(n))
			if err != nil {
				return nil, err
			}
			encoded = append(encoded, raw)
		}
		if len(encoded) > 0 {
			effects = append(effects, dstream.Staged{ID: id, Records: encodedOf(encoded, each)})
		}
	}
	return effects, nil
}

func encodedOf(encoded [][]byte, each func() error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, raw := range encoded {
			if each != nil {
				if err := each(); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(raw, nil) {
				return
			}
		}
	}
}

// insist makes a call again as dstream does while the log says that the process owns the job.
func insist(f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == 4 || !errors.Is(err, dstream.ErrFenced) && !errors.Is(err, dstream.ErrInDoubt) {
			return err
		}
		<-time.After(250 * time.Millisecond)
	}
}

// job runs the batches that are not committed; after each call it may die, as die tells.
func (p *sinkProcess[T]) job(die func() bool) error {
	for _, call := range []func() error{p.open, p.fence, func() error { _, err := p.last(); return err }} {
		if err := call(); err != nil || die() {
			return err
		}
	}
	for _, group := range sinkTogether {
		if group[0] < p.of.commits(0) {
			continue
		}
		if err := p.together(group...); err != nil || die() {
			return err
		}
		if p.of.commits(group[len(group)-1] + 1); die() {
			return nil
		}
	}
	ctx, cancel := p.of.ctx()
	defer cancel()
	p.opened = false
	return p.sink.Close(ctx)
}

func never() bool { return false }

// must ends the case if a step of a process that is well fails.
func (r *sinkRun[T]) must(what string, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

// commits has the log know that the batches below seq are committed, and tells which are.
func (r *sinkRun[T]) commits(seq int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.committed = max(r.committed, seq)
	return r.committed
}

// names are the transactional ids that the log knows, with one that is about to be used.
func (r *sinkRun[T]) names(own string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logged[own] = true
	for name := range r.logged {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// started is a process that has opened and fenced.
func (r *sinkRun[T]) started() *sinkProcess[T] {
	r.t.Helper()
	p := r.process()
	r.must("open", p.open())
	r.must("fence", p.fence())
	return p
}

// holds compares what readers see with the records of the batches, each so often.
func (r *sinkRun[T]) holds(when string, batches ...int64) {
	r.t.Helper()
	want := map[int]int{}
	for _, seq := range batches {
		for part := range 3 {
			for _, v := range records(seq, part) {
				want[v]++
			}
		}
	}
	got := map[int]int{}
	for _, v := range r.store.Stored() {
		got[v]++
	}
	for v, n := range want {
		if got[v] != n {
			r.t.Errorf("%s: record %d is stored %d times, want %d", when, v, got[v], n)
		}
	}
	for v, n := range got {
		if want[v] == 0 {
			r.t.Errorf("%s: record %d is stored %d times, want 0", when, v, n)
		}
	}
}

// says compares what the sink says it holds.
func (p *sinkProcess[T]) says(when string, want int64) {
	p.of.t.Helper()
	got, err := p.last()
	p.of.must("last", err)
	if got != want {
		p.of.t.Errorf("%s: Last gives %d, want %d", when, got, want)
	}
	s, ok := p.sink.(dstream.SinkRewinder)
	if !ok || p.transactor() != nil {
		return
	}
	ctx, cancel := p.of.ctx()
	defer cancel()
	newest, ok, err := s.Newest(ctx, sinkOutput, "")
	p.of.must("newest", err)
	if ok != (want >= 0) || ok && newest != want {
		p.of.t.Errorf("%s: Newest gives %d, %v, want %d", when, newest, ok, want)
	}
}

// everything lists all batches.
func everything() (out []int64) {
	for seq := range sinkBatches {
		out = append(out, int64(seq))
	}
	return out
}
