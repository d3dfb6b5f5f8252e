package dstream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An outbox stores what batches have staged for the sink of one output, in the order of the batches, while the loop
// goes on with the next batch. All that waits when a transaction has ended enters the next one together: if a commit
// takes longer than the interval, batches share one. The runner puts deliveries in; a goroutine stores them.
type outbox struct {
	l     *loop
	o     *Output
	sink  Transactor
	queue chan *delivery
	over  chan struct{} // closed when nothing is stored any more
	lost  error         // what the first delivery failed of: none after it is stored, for effects go in in order
	most  int           // how many may share a transaction
	top   int           // up to which most grows
	good  int           // transactions in a row that did not fail
}

// A delivery is what a batch has staged for its output.
type delivery struct {
	box     *outbox
	batch   *Batch
	id      Effect
	effects []Staged
	end     func() // gives back what is staged
	// done is closed when the effects are in, or err says why not; what follows is for who has seen that.
	done chan struct{}
	err  error
	took time.Duration // of the transaction, or its part of one that was shared
	at   time.Time     // when it was over
}

// openOutboxes makes those of the outputs that write each batch in a transaction. There are none where a batch that
// failed may be given up, for the state is then that of the batch before and others have not built on it, nor where the
// setting wants each batch to be committed before the next one runs.
func (l *loop) openOutboxes(ahead int) {
	if l.failed.skip || ahead < 2 {
		return
	}
	for i, o := range l.ssc.outputs {
		t, ok := o.sink.(Transactor)
		if !ok || t.Transaction(Effect{Job: l.ssc.job, Output: l.outputIDs[i], Epoch: l.ssc.epoch}) == "" {
			continue
		}
		if l.outboxes == nil {
			l.outboxes = map[*Output]*outbox{}
		}
		// Each batch puts in one delivery at most, and the runner waits for the oldest of them.
		l.outboxes[o] = &outbox{l: l, o: o, sink: t, queue: make(chan *delivery, ahead), over: make(chan struct{}),
			most: ahead, top: ahead}
	}
	for _, x := range l.outboxes {
		go x.run()
	}
}

// outbox is that of an output, nil if it has none.
func (b *Batch) outbox(o *Output) *outbox {
	if l := b.ssc.loop; l != nil {
		return l.outboxes[o]
	}
	return nil
}

// put has effects be stored, of which the log has heard. end is called when they are, or will not be.
func (x *outbox) put(ctx context.Context, b *Batch, id Effect, effects []Staged, end func()) error {
	d := &delivery{box: x, batch: b, id: id, effects: effects, end: end, done: make(chan struct{})}
	select {
	case x.queue <- d:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deliveries == nil {
		b.deliveries = map[int]*delivery{}
	}
	b.deliveries[x.o.number] = d
	return nil
}

// delivery is what the batch has put into the outbox of an output, nil for nothing.
func (b *Batch) delivery(output int) *delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deliveries[output]
}

func (x *outbox) run() {
	defer close(x.over)
	for first := range x.queue {
		group := []*delivery{first}
		for len(group) < x.most && len(x.queue) > 0 { // Nobody else takes any out.
			group = append(group, <-x.queue)
		}
		x.store(group)
	}
}

// store stores deliveries together or, if that fails, each for itself, so that the error is that of its batch.
func (x *outbox) store(group []*delivery) {
	if len(group) > 1 && x.lost == nil && x.share(group) {
		return
	}
	for _, d := range group {
		begun := time.Now()
		if x.lost == nil {
			x.lost = x.l.again(d.batch, "a batch could not be written and is written again",
				func() error { return x.transact([]*delivery{d}) }, "output", x.o.label())
		}
		d.over(time.Since(begun), x.lost)
	}
	if len(group) == 1 {
		x.grow()
	}
}

// share stores deliveries in one transaction, and tells whether it has.
func (x *outbox) share(group []*delivery) bool {
	begun := time.Now()
	err := x.transact(group)
	took := time.Since(begun) / time.Duration(len(group))
	switch {
	case err == nil:
		for _, d := range group {
			d.over(took, nil)
		}
		x.grow()
		return true
	case errors.Is(err, errAbandoned):
		x.lost = err // Who was abandoned still reads all of them.
	case x.l.life.Err() == nil:
		x.shrink(len(group))
		x.l.ssc.warn("a transaction that batches shared failed; each is written in its own", err, "output",
			x.o.label(), "from", group[0].batch.Sequence, "batches", len(group))
	}
	return false
}

// topAfter is after how many transactions that did not fail it is tried again whether more batches can share one.
const topAfter = 16

// grow lets more batches share the next transaction, up to what has failed.
func (x *outbox) grow() {
	if x.good++; x.good%topAfter == 0 {
		x.top = min(x.top+1, cap(x.queue))
	}
	x.most = min(x.most+1, x.top)
}

// shrink is called when a transaction of n batches has failed, perhaps for it takes longer than its store allows.
func (x *outbox) shrink(n int) { x.most, x.top, x.good = max(n/2, 1), max(n-1, 1), 0 }

// transact makes one transaction of deliveries.
func (x *outbox) transact(group []*delivery) error {
	if err := context.Cause(x.l.life); err != nil {
		return err
	}
	var effects []Staged
	for _, d := range group {
		effects = append(effects, d.effects...)
	}
	defer x.l.enter(x.o)()
	ssc := x.l.ssc
	err := x.o.guarded(x.l.life, x.l, func(ctx context.Context) error {
		return ssc.insist(ctx, func() error { return x.sink.WriteAll(ctx, effects) })
	})
	if err == nil {
		ssc.sinks.wrote(group[len(group)-1].id, time.Now())
	}
	return err
}

// deliveredAt is when the last of what the batch has put into outboxes was over, or else the given time.
func (b *Batch) deliveredAt(at time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.deliveries {
		if d.at.After(at) {
			at = d.at
		}
	}
	return at
}

// waits tells that there is a delivery, and that it is not over.
func (d *delivery) waits() bool {
	if d == nil {
		return false
	}
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// over says what became of a delivery.
func (d *delivery) over(took time.Duration, err error) {
	if err == nil {
		d.batch.note(d.box.o, d.id.Name, true, 1)
	}
	d.err, d.took, d.at = err, took, time.Now()
	if !errors.Is(err, errAbandoned) { // Who was abandoned may still read it.
		d.end()
	}
	close(d.done)
}

// closeOutboxes waits until nothing is stored any more.
func (l *loop) closeOutboxes() {
	for _, x := range l.outboxes {
		close(x.queue)
	}
	for _, x := range l.outboxes {
		<-x.over
	}
}

// delivered waits until what a batch has put into outboxes is in its sinks, and gives the first error in the order of
// the outputs, and for how long the slowest of them was at work.
func (l *loop) delivered(b *Batch) (took time.Duration, first error) {
	for i, o := range l.ssc.outputs {
		d := b.delivery(i)
		if d == nil {
			continue
		}
		<-d.done
		err := d.err
		if err != nil {
			err = fmt.Errorf("batch %d (%v): output %s (%s): %w", b.Sequence, b.Time, o.label(), o.node.site, err)
		}
		took = max(took, d.took)
		l.finishOutput(b, i, d.at, err)
		if first == nil {
			first = err
		}
	}
	return took, first
}
