package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A TransactionSink is a Sink that stores all partitions of a batch in one transaction, with one identity for them. A
// transaction cannot give back what a task wrote into it before it failed, and it must not stay open while tasks
// compute. So what tasks make is staged, encoded, within the memory budget and then on disk; the transaction is opened
// when all of it is there, and what attempts made that did not win never enters it. Nothing to write means no
// transaction.
type TransactionSink[T any] interface {
	Sink[T]
	Transactor
	// AppendRecord appends to dst what the sink needs to store v. It is called in the tasks, by several goroutines; its
	// error fails the task.
	AppendRecord(dst []byte, v T) ([]byte, error)
}

// A Transactor is the part of a TransactionSink that does not depend on the type of the records. The errors of its
// methods say by ErrFenced and ErrInDoubt that the call is to be made again, if the job still has its owner; any other
// error says that nothing was stored.
type Transactor interface {
	// Transaction names the transaction of an effect for the log, which has it before the transaction is used, and
	// whose next owner fences by it what this one may have left open. It depends on job, output and name of the effect
	// alone. "" says that there are no transactions, for want of a checkpoint or of a server that can: then the sink is
	// used as a plain Sink.
	Transaction(id Effect) string
	// Fence ends what is open under these names, whoever opened it, and keeps its owner from storing anything more.
	// What that owner had committed may be told by Last afterwards.
	Fence(ctx context.Context, names []string) error
	// WriteAll stores effects of one output and name in one transaction with their identities: partitions, in order, of
	// a batch, or of several in order. It leaves out the effects of batches whose identity, or that of a later one, is
	// there. The identity never moves backwards. A sink that fences others here or in Mark, as one must that begins
	// anew after an error, asks Context.Owns after that and before it stores anything: it may be an owner that was
	// taken for dead, and who came after it may have given the batch up.
	WriteAll(ctx context.Context, effects []Staged) error
	// Mark stores the identity alone, in a transaction, so that it does not expire: the one that is there, if that is
	// of a later batch. With back, for which a user has asked, it stores this one in any case.
	Mark(ctx context.Context, id Effect, back bool) error
}

// Staged is an effect whose records are ready: encoded by AppendRecord and in their order. They may be read more than
// once, and each may be kept until WriteAll returns.
type Staged struct {
	ID      Effect
	Records iter.Seq2[[]byte, error]
}

var (
	// ErrFenced is wrapped by the error of a sink that was fenced. That alone does not say that the job has a new
	// owner.
	ErrFenced = errors.New("the transaction was fenced by another one of its name")
	// ErrInDoubt is wrapped by the error of a sink that does not know whether a transaction was committed.
	ErrInDoubt = errors.New("it is not known whether the transaction was committed")
)

// transact has the tasks stage their records, and then the sink store all of them.
func transact[T any](ctx context.Context, b *Batch, o *Output, id Effect, r *rdd.RDD[T], s TransactionSink[T]) error {
	sc := b.ssc.sc
	g := &staging{budget: sc.Memory(), disk: sc.Disk()}
	kept := false
	defer func() {
		if !kept {
			g.end()
		}
	}()
	winners := make([]*staged, r.NumPartitions())
	task := func(_ *rdd.TaskContext, in iter.Seq[T]) (*staged, error) {
		out, err := g.begin()
		if err != nil {
			return nil, err
		}
		defer out.unlessSealed()
		for v := range in {
			if err := out.add(func(dst []byte) ([]byte, error) { return s.AppendRecord(dst, v) }); err != nil {
				return nil, err
			}
		}
		return out, out.seal()
	}
	err := rdd.RunJob(ctx, r, nil, task, func(i int, won *staged) error {
		winners[i] = won
		return nil
	})
	if err != nil {
		return err
	}
	var effects []Staged
	for p, won := range winners {
		if won.records > 0 {
			id.Partition = p
			effects = append(effects, Staged{ID: id, Records: won.all()})
		}
	}
	if len(effects) == 0 {
		b.note(o, id.Name, false, 1)
		return nil
	}
	if err := b.fix(ctx); err != nil {
		return err
	}
	if err := b.ssc.announce(ctx, o, s.Transaction(id)); err != nil {
		return err
	}
	if x := b.outbox(o); x != nil && held(s) == o.sink {
		err := x.put(ctx, b, id, effects, g.end)
		kept = err == nil
		return err
	}
	return b.writeAll(ctx, o, id, effects, s)
}

// writeAll makes the transaction.
func (b *Batch) writeAll(ctx context.Context, o *Output, id Effect, effects []Staged, s Transactor) error {
	if err := b.ssc.insist(ctx, func() error { return s.WriteAll(ctx, effects) }); err != nil {
		return err
	}
	b.ssc.sinks.wrote(id, time.Now())
	b.note(o, id.Name, true, 1)
	return nil
}

// insistTries is how often a transaction is tried that was fenced, or whose end is in doubt. Twice is enough for one
// predecessor; a job that is fenced again and again has a rival that the log does not know of.
const (
	insistTries = 4
	insistPause = 250 * time.Millisecond
)

// Owns asks the log whether this process still owns the job: nil says that it did at this moment. It is for sinks that
// meet somebody else in their store, who may be an owner that came later, or what an older checkpoint that was restored
// has left there. Without a checkpoint nobody else can own the job.
func (ssc *Context) Owns(ctx context.Context) error {
	if ssc.sinks.log.announce == nil {
		return nil
	}
	return ssc.sinks.log.announce(ctx, checkpoint.Transactions{})
}

// insist makes a call again that was fenced, or whose outcome is in doubt, as long as the log says that this is still
// the owner of the job.
func (ssc *Context) insist(ctx context.Context, f func() error) error {
	pause := insistPause
	for try := 1; ; try++ {
		err := f()
		if err == nil || !errors.Is(err, ErrFenced) && !errors.Is(err, ErrInDoubt) {
			return err
		}
		if lost := ssc.Owns(ctx); lost != nil {
			return errors.Join(lost, err)
		}
		if try == insistTries {
			return admissionError{fmt.Errorf("%w (tried %d times, while the log says that this process owns the job%s)",
				err, try, rivalText(err))}
		}
		ssc.warn("a transaction was fenced, or its end is in doubt; trying again", err, "try", try+1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
		pause *= 2
	}
}

// rivalText is who may be behind an error of a sink that is fenced again and again.
func rivalText(err error) string {
	if !errors.Is(err, ErrFenced) {
		return ""
	}
	return ": another copy of this checkpoint runs, or, with Kafka, another program uses its transactional ids: end it"
}

// announce has the log know a transaction before it is used.
func (ssc *Context) announce(ctx context.Context, o *Output, name string) error {
	ss := &ssc.sinks
	ss.mu.Lock()
	known := ss.named[name]
	ss.mu.Unlock()
	if known || ss.log.announce == nil {
		return nil
	}
	output := ssc.outputIDs()[o.number]
	entry := checkpoint.Transactions{Opened: []checkpoint.Transaction{{Output: output, ID: name}}}
	if err := ss.log.announce(ctx, entry); err != nil {
		return fmt.Errorf("log the transactional id of output %s: %w", o.label(), err)
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.named == nil {
		ss.named = map[string]bool{}
	}
	ss.named[name] = true
	return nil
}
