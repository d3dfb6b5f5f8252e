package kafka

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// A transaction is what the effects of one output and name are written by, one after the other: a client with a
// transactional id, and the identity that was stored last, which is the offset that a group of the same name has
// committed for partition 0 of the sink's topic.
type transaction struct {
	name string
	turn chan struct{} // held by who uses what follows
	// c has the transactional id; nil if it is to be taken over anew, and the identity read, before anything is
	// written: at first, and whenever a transaction did not end as it should.
	c *client.Client
	// last is the identity; without c it may have stayed the one before, if the end of a transaction was in doubt.
	// Unless known, it was neither read nor written yet.
	last  int64
	known bool
}

// transactionName names transactional id and group of an effect: readable as far as that goes, and never that of
// another effect.
func transactionName(prefix, job, output, effect string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q %q %q", job, output, effect)))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return -1
	}, output+"-"+effect)
	return fmt.Sprintf("%s-%s-%.60s-%s", cmp.Or(prefix, "weir"), job, strings.Trim(readable, "-"),
		hex.EncodeToString(sum[:6]))
}

// enter waits for the turn to use a transaction.
func (s *ProducerSink[K, V]) enter(ctx context.Context, name string) (*transaction, error) {
	s.mu.Lock()
	t := s.transactions[name]
	if t == nil {
		t = &transaction{name: name, turn: make(chan struct{}, 1)}
		if s.transactions == nil {
			s.transactions = map[string]*transaction{}
		}
		s.transactions[name] = t
	}
	s.mu.Unlock()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.p.c.Load() == nil {
		<-t.turn
		return nil, errClosed
	}
	return t, nil
}

func (t *transaction) leave() { <-t.turn }

// become notes the identity that was read, or that the commit which is about to be asked for makes of it.
func (t *transaction) become(last int64) { t.last, t.known = last, true }

// drop has the transactional id be taken over anew before the next use.
func (t *transaction) drop() {
	if t.c != nil {
		t.c.Close()
		t.c = nil
	}
}

// Transaction implements dstream.Transactor. Transactional id and group have the same name.
func (s *ProducerSink[K, V]) Transaction(id dstream.Effect) string {
	if !s.exact {
		return ""
	}
	return transactionName(s.p.prefix, s.job, id.Output, id.Name)
}

// AppendRecord implements dstream.TransactionSink: keys and values are serialized in the tasks.
func (s *ProducerSink[K, V]) AppendRecord(dst []byte, r ProducerRecord[K, V]) ([]byte, error) {
	out, err := s.p.record(&r)
	if err != nil {
		return nil, err
	}
	return appendStaged(dst, out), nil
}

// Fence implements dstream.Transactor: it takes the transactional ids over, which aborts what is open under them.
func (s *ProducerSink[K, V]) Fence(ctx context.Context, names []string) error {
	c := s.p.c.Load()
	if c == nil {
		return errClosed
	}
	for _, name := range names {
		t, err := s.enter(ctx, name)
		if err != nil {
			return err
		}
		t.drop()
		_, err = c.BeginEpoch(ctx, name)
		t.leave()
		if err != nil {
			return s.untangle(err, time.Now())
		}
	}
	return nil
}

// Last implements dstream.Sink. A sink without transactions knows no identities.
func (s *ProducerSink[K, V]) Last(ctx context.Context, output, effect string, _ int) (int64, bool, error) {
	if !s.exact {
		return 0, false, nil
	}
	id := dstream.Effect{Job: s.job, Output: output, Name: effect}
	t, err := s.enter(ctx, s.Transaction(id))
	if err != nil {
		return 0, false, err
	}
	defer t.leave()
	last, err := s.identity(ctx, t, id)
	if err == nil && t.c == nil {
		t.become(last) // With c nobody else writes, and what was written last is known for sure.
	}
	return last, last >= 0, err
}

// WriteAll implements dstream.Transactor.
func (s *ProducerSink[K, V]) WriteAll(ctx context.Context, effects []dstream.Staged) error {
	if len(effects) == 0 {
		return nil
	}
	t, err := s.enter(ctx, s.Transaction(effects[0].ID))
	if err != nil {
		return err
	}
	defer t.leave()
	if err := s.takeOver(ctx, t, effects[0].ID); err != nil {
		t.drop()
		return s.trouble(ctx, err)
	}
	effects = slices.DeleteFunc(slices.Clone(effects), func(e dstream.Staged) bool { return e.ID.Sequence <= t.last })
	if len(effects) == 0 {
		return nil
	}
	if err := s.transact(ctx, t, effects); err != nil {
		t.drop()
		return s.trouble(ctx, err)
	}
	return nil
}

// stillOwner asks the log, after a transactional id was taken over and before anything is written by it, whether this
// is still the owner of the job. One that comes later takes the id over after the log, and so fences what is written
// here. Not asked, one that was taken for dead and wakes up would fence its successor, and write a batch that this one
// has given up or planned otherwise.
func (s *ProducerSink[K, V]) stillOwner(ctx context.Context) error {
	if s.owns == nil {
		return nil
	}
	if err := s.owns(ctx); err != nil {
		return fmt.Errorf("write to topic %q: %w", s.p.topic, err)
	}
	return nil
}

// takeOver makes a transaction's client, unless there is one: from then on nobody else writes by the transactional id,
// and the identity says what those before have written.
func (s *ProducerSink[K, V]) takeOver(ctx context.Context, t *transaction, id dstream.Effect) error {
	if t.c != nil {
		return nil
	}
	begun := time.Now()
	bound, cancel := context.WithTimeout(ctx, s.p.cfg.Timeout)
	defer cancel()
	c, err := client.Open(bound, s.p.cfg, append(s.p.clientOptions(), kgo.TransactionalID(t.name))...)
	if err != nil {
		return err
	}
	t.c = c
	if _, _, err := c.Kgo().ProducerID(bound); err != nil {
		return s.untangle(c.Explain(err), begun)
	}
	if err := s.stillOwner(bound); err != nil {
		return err
	}
	last, err := s.identity(ctx, t, id) // It may take longer than any one request.
	if err == nil {
		t.become(last)
	}
	return err
}

// transact writes effects and their identity. The transaction is begun by the first record that is sent.
func (s *ProducerSink[K, V]) transact(ctx context.Context, t *transaction, effects []dstream.Staged) error {
	begun := time.Now()
	if err := t.c.Kgo().BeginTransaction(); err != nil {
		return s.untangle(t.c.Explain(err), begun)
	}
	by, err := s.producerID(ctx, t)
	if err == nil {
		err = s.produce(ctx, t, effects)
	}
	if err == nil {
		err = s.sign(ctx, t, by, effects[len(effects)-1].ID)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.p.cfg.Timeout)
	defer cancel()
	if err != nil {
		s.abort(end, t)
		return s.untangle(err, begun)
	}
	t.become(effects[len(effects)-1].ID.Sequence)
	if err := t.c.Kgo().EndTransaction(end, kgo.TryCommit); err != nil {
		err = fmt.Errorf("commit a transaction of topic %q: %w", s.p.topic, t.c.Explain(err))
		if err := s.untangle(err, begun); errors.Is(err, dstream.ErrFenced) {
			return err
		}
		return fmt.Errorf("%w: %w", dstream.ErrInDoubt, err)
	}
	return nil
}

// abortPatience bounds how long it is tried to abort a transaction: whoever takes it over, or else the brokers when
// transaction.timeout.ms is over, does it as well.
const abortPatience = 5 * time.Second

func (s *ProducerSink[K, V]) abort(ctx context.Context, t *transaction) {
	if t.c == nil {
		return // It was given up; the next one aborts it.
	}
	ctx, cancel := context.WithTimeout(ctx, abortPatience)
	defer cancel()
	if err := t.c.Kgo().EndTransaction(ctx, kgo.TryAbort); err != nil && !client.FencedBy(err) {
		s.p.warn("a transaction could not be aborted; readers of committed records wait until it is taken over, or "+
			"for transaction.timeout.ms", t.c.Explain(err), "topic", s.p.topic)
	}
}

// produce sends all records and waits until they are acknowledged.
func (s *ProducerSink[K, V]) produce(ctx context.Context, t *transaction, effects []dstream.Staged) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := deadlines{parent: ctx, timeout: s.p.cfg.Produce.DeliveryTimeout}
	defer d.close()
	var w producing
	ended := func(_ *kgo.Record, size int64, err error) {
		s.p.room.give(size)
		if err != nil {
			cancel(err)
		}
		w.finish(err)
	}
	err := s.sendAll(ctx, t.c, effects, func(r *kgo.Record) error { return s.p.sendBy(ctx, t.c, &d, r, &w, ended) })
	if err == nil {
		lingerNoMore(ctx, t.c)
		bound, stop := context.WithTimeoutCause(ctx, s.p.cfg.Produce.DeliveryTimeout, errDelivery)
		defer stop()
		err = w.wait(bound)
	}
	if err == nil {
		return nil
	}
	cancel(err) // What is not on its way yet need not go.
	rest, stop := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer stop()
	if lost := w.wait(rest); errors.Is(lost, context.DeadlineExceeded) && rest.Err() != nil {
		t.drop() // The client waits for answers without end; when it is closed nobody does.
		_ = w.wait(context.WithoutCancel(ctx))
	}
	return err
}

func (s *ProducerSink[K, V]) sendAll(ctx context.Context, c *client.Client, effects []dstream.Staged,
	send func(r *kgo.Record) error,
) error {
	for _, e := range effects {
		for raw, err := range e.Records {
			var r *kgo.Record
			if err == nil {
				r, err = readStaged(raw)
			}
			if err != nil {
				return recordError{err}
			}
			if err = send(r); err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// producerID is what records are written by now.
func (s *ProducerSink[K, V]) producerID(ctx context.Context, t *transaction) (client.Transaction, error) {
	ctx, cancel := context.WithTimeout(ctx, s.p.cfg.Timeout)
	defer cancel()
	pid, epoch, err := t.c.Kgo().ProducerID(ctx)
	if err != nil {
		return client.Transaction{}, t.c.Explain(err)
	}
	return client.Transaction{ID: t.name, ProducerID: pid, ProducerEpoch: epoch}, nil
}

// errRenewed is for a transaction that its own client has aborted: brokers that have deleted what a producer wrote to a
// partition may know it no more, and the client then takes a new epoch and sends that partition's records once more,
// transaction or not. Those of the other partitions were acknowledged under the old epoch, and are gone.
var errRenewed = fmt.Errorf("%w: the client itself took a new producer epoch, for brokers did not know the old one "+
	"any more, and what was written by that was aborted", dstream.ErrFenced)

// sign puts the identity into the transaction, if all of its records were written by the producer that began it.
func (s *ProducerSink[K, V]) sign(ctx context.Context, t *transaction, by client.Transaction,
	id dstream.Effect,
) error {
	now, err := s.producerID(ctx, t)
	if err != nil {
		return err
	}
	if now != by {
		return errRenewed
	}
	return t.c.CommitInTransaction(ctx, by, t.name, client.TopicPartition{Topic: s.p.topic},
		identityOf(id.Sequence, id.Epoch))
}

// identityOf is the identity as an offset to commit.
func identityOf(sequence, epoch int64) client.OffsetToCommit {
	return client.OffsetToCommit{Offset: sequence, LeaderEpoch: -1,
		Metadata: fmt.Sprintf("weir: batch %d, epoch %d, %s", sequence, epoch, time.Now().UTC().Format(time.RFC3339))}
}

// Mark implements dstream.Transactor.
func (s *ProducerSink[K, V]) Mark(ctx context.Context, id dstream.Effect, back bool) error {
	t, err := s.enter(ctx, s.Transaction(id))
	if err != nil {
		return err
	}
	defer t.leave()
	t.drop() // What follows fences it.
	begun := time.Now()
	c := s.p.c.Load()
	if c == nil {
		return errClosed
	}
	txn, err := c.BeginEpoch(ctx, t.name)
	if err != nil {
		return s.untangle(err, begun)
	}
	if err := s.stillOwner(ctx); err != nil {
		return err
	}
	sequence := id.Sequence
	if !back {
		held, err := s.identity(ctx, t, id)
		if err != nil {
			return err
		}
		sequence = max(sequence, held)
	}
	err = c.CommitInTransaction(ctx, txn, t.name, client.TopicPartition{Topic: s.p.topic},
		identityOf(sequence, id.Epoch))
	if err != nil {
		return s.untangle(err, begun)
	}
	t.become(sequence)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.p.cfg.Timeout)
	defer cancel()
	if err := c.CommitTransaction(end, txn); err != nil {
		return fmt.Errorf("%w: %w", dstream.ErrInDoubt, s.untangle(err, begun))
	}
	return nil
}

// untangle says what became of a transaction that was begun at a time.
func (s *ProducerSink[K, V]) untangle(err error, begun time.Time) error {
	bound := s.p.cfg.Produce.TransactionTimeout
	switch took := time.Since(begun); {
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return fmt.Errorf("transaction.timeout.ms is %v, which is more than the brokers allow by "+
			"transaction.max.timeout.ms: lower it: %w", bound, err)
	case !client.FencedBy(err):
		return err
	case took >= bound:
		return fmt.Errorf("the brokers aborted a transaction of topic %q after %v, for it was longer than "+
			"transaction.timeout.ms, which is %v: raise it, or bound what a batch reads: %w", s.p.topic,
			took.Round(time.Millisecond), bound, err)
	}
	return fmt.Errorf("%w: %w", dstream.ErrFenced, err)
}
