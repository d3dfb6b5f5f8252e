package client

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Transaction is what a producer with a transactional id writes by: the producer id and its epoch, by which brokers
// tell it from those before and after it.
type Transaction struct {
	ID            string
	ProducerID    int64
	ProducerEpoch int16
}

// HasTransactions tells whether the brokers know transactions, as those from 0.11 on do.
func (v Version) HasTransactions() bool {
	return v.Supports(kmsg.InitProducerID, 0) && v.Supports(kmsg.TxnOffsetCommit, 0)
}

// BeginEpoch takes a transactional id over: whoever had it is fenced, and what he left open has been finished or
// aborted when it returns. Nothing is open then; the first write opens a transaction.
func (c *Client) BeginEpoch(ctx context.Context, id string) (Transaction, error) {
	txn := Transaction{ID: id}
	err := c.coordinated(ctx, id, "take over the transactional id "+id, func(ctx context.Context) error {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &id, int32(c.cfg.Produce.TransactionTimeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := askFor[*kmsg.InitProducerIDResponse](ctx, c, req)
		if err != nil {
			return err
		}
		txn.ProducerID, txn.ProducerEpoch = resp.ProducerID, resp.ProducerEpoch
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	return txn, err
}

// CommitInTransaction has a group's offset for a partition become o when the transaction is committed.
func (c *Client) CommitInTransaction(ctx context.Context, txn Transaction, group string, p TopicPartition,
	o OffsetToCommit,
) error {
	what := "add the offsets of group " + group + " to the transaction " + txn.ID
	err := c.coordinated(ctx, txn.ID, what, func(ctx context.Context) error {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = txn.ID, group
		req.ProducerID, req.ProducerEpoch = txn.ProducerID, txn.ProducerEpoch
		resp, err := askFor[*kmsg.AddOffsetsToTxnResponse](ctx, c, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return err
	}
	fresh := false
	return c.coordinated(ctx, "group "+group, what, func(ctx context.Context) error {
		ids, _, err := c.topicIDs(ctx, []string{p.Topic}, fresh)
		if err != nil {
			return err
		}
		fresh = true
		return c.commitOffset(ctx, txn, group, p, o, ids[p.Topic])
	})
}

func (c *Client) commitOffset(ctx context.Context, txn Transaction, group string, p TopicPartition, o OffsetToCommit,
	topicID [16]byte,
) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.Generation = txn.ID, group, -1
	req.ProducerID, req.ProducerEpoch = txn.ProducerID, txn.ProducerEpoch
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Partition, part.Offset, part.LeaderEpoch = p.Partition, o.Offset, o.LeaderEpoch
	part.Metadata = kmsg.StringPtr(o.Metadata)
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = p.Topic, topicID
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := askFor[*kmsg.TxnOffsetCommitResponse](ctx, c, req)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("the answer is not about the one partition that was asked for")
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// endTxn4 is an EndTxn request of a version that leaves the producer's epoch as it is: those after it have it grow with
// each transaction, which franz-go's producer would have to be told.
type endTxn4 struct{ *kmsg.EndTxnRequest }

// MaxVersion implements kmsg.Request.
func (endTxn4) MaxVersion() int16 { return 4 }

// CommitTransaction ends a transaction that nothing but CommitInTransaction was done in.
func (c *Client) CommitTransaction(ctx context.Context, txn Transaction) error {
	return c.coordinated(ctx, txn.ID, "commit the transaction "+txn.ID, func(ctx context.Context) error {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorType, find.CoordinatorKey, find.CoordinatorKeys = 1, txn.ID, []string{txn.ID}
		at, err := askFor[*kmsg.FindCoordinatorResponse](ctx, c, find)
		if err != nil {
			return err
		}
		code, node := at.ErrorCode, at.NodeID
		if len(at.Coordinators) == 1 {
			code, node = at.Coordinators[0].ErrorCode, at.Coordinators[0].NodeID
		}
		if err := kerr.ErrorForCode(code); err != nil {
			return err
		}
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = txn.ID, txn.ProducerID, txn.ProducerEpoch
		req.Commit = true
		resp, err := c.AskBroker(ctx, node, endTxn4{req})
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.(*kmsg.EndTxnResponse).ErrorCode)
	})
}

// askFor sends a request to the coordinator, which franz-go finds.
func askFor[R kmsg.Response](ctx context.Context, c *Client, req kmsg.Request) (r R, err error) {
	resp, err := c.askAny(ctx, req)
	if err != nil {
		return r, err
	}
	return resp.(R), nil
}

// coordinated asks a coordinator again for as long as the error says that waiting may help.
func (c *Client) coordinated(ctx context.Context, place, what string, f func(ctx context.Context) error) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if FencedBy(err) || !mayPass(err) && !errors.Is(err, kerr.ConcurrentTransactions) {
			return c.Explain(explainAt(err, c.cfg, place))
		}
		if !c.pause(ctx, attempt) {
			return c.ended(ctx, what, explainAt(err, c.cfg, place))
		}
	}
}

// FencedBy tells whether an error says that a transaction has ended without us: another producer has taken the
// transactional id over, or the brokers have given up this one.
func FencedBy(err error) bool {
	for _, fenced := range []error{
		kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID,
		kerr.InvalidTxnState, kerr.TransactionAbortable, kerr.TransactionCoordinatorFenced,
		kerr.OperationNotAttempted,
	} {
		if errors.Is(err, fenced) {
			return true
		}
	}
	return false
}
