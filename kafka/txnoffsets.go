package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addoffsetstotxn"
	"github.com/segmentio/kafka-go/protocol/txnoffsetcommit"
)

// CommitOffsets is Commit with a group's offsets in the same transaction: readers of committed data see the records, and
// the group has the offsets, both or neither. recs may be empty.
//
// ErrLost says that the member's generation is over: nothing of this commit is or becomes visible, and the producer is of no
// further use. Any other error means what it means from Commit; after a doubt, the group's offsets as the next producer finds
// them tell what was decided.
//
// Without a transactional id the offsets are committed after all records are acknowledged.
func (p *Producer) CommitOffsets(ctx context.Context, recs []Record, g GroupCommit) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	if p.closed {
		return ErrClosed
	}
	start := time.Now()
	sent, err := p.commit(ctx, recs, &g)
	p.count(err, sent, time.Since(start))
	return err
}

// addOffsets makes the group's offsets part of the transaction.
func (p *Producer) addOffsets(ctx context.Context, g *GroupCommit) error {
	req := &addoffsetstotxn.Request{TransactionalID: p.cfg.TransactionalID, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: g.Group}
	_, err := p.askCoordinator(ctx, p.transactionKey(), req, func(m protocol.Message) int16 { return m.(*addoffsetstotxn.Response).ErrorCode })
	if err != nil {
		return fmt.Errorf("add offsets of group %s to transaction: %w", g.Group, p.settle(ctx, p.client.groupErr(err)))
	}
	return nil
}

// sendOffsets hands the offsets to the group's coordinator, which applies them when the transaction commits. It refuses a
// member of an older generation (KIP-447).
func (p *Producer) sendOffsets(ctx context.Context, g *GroupCommit) error {
	req := &txnoffsetcommit.Request{
		TransactionalID: p.cfg.TransactionalID, GroupID: g.Group, ProducerID: p.id, ProducerEpoch: p.epoch,
		GenerationID: g.Generation, MemberID: g.Member,
	}
	byTopic(g.Offsets, topicOfOffset, func(i int, first bool, o GroupOffset) {
		if first {
			req.Topics = append(req.Topics, txnoffsetcommit.RequestTopic{Name: o.Topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, txnoffsetcommit.RequestPartition{
			Partition: o.Partition, CommittedOffset: o.Offset, CommittedLeaderEpoch: -1, CommittedMetadata: o.Note,
		})
	})
	_, err := p.askCoordinator(ctx, coordinatorKey{g.Group, groupCoordinator}, req, txnOffsetCommitCode)
	if err != nil {
		return fmt.Errorf("commit offsets of group %s: %w", g.Group, p.settle(ctx, stale(p.client.groupErr(err))))
	}
	return nil
}

func txnOffsetCommitCode(m protocol.Message) int16 {
	for _, t := range m.(*txnoffsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return p.ErrorCode
			}
		}
	}
	return 0
}
