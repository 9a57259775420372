package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// Positions that are not absolute, as the protocol writes them.
const (
	LatestOffset   int64 = -1
	EarliestOffset int64 = -2
)

// Offsets are the bounds of a partition's log.
type Offsets struct {
	Start  int64 // first record kept
	Stable int64 // after the last decided record: readers of committed data see up to here
	End    int64 // after the last replicated record, decided or not
}

// Offsets returns the bounds of a partition as they are now.
func (c *Client) Offsets(ctx context.Context, topic string, partition int32) (o Offsets, err error) {
	tp := topicPartition{topic, partition}
	err = c.retrying(ctx, tp, func() (err error) {
		if o.Start, err = c.listOffset(ctx, tp, EarliestOffset, 0); err != nil {
			return err
		}
		if o.Stable, err = c.listOffset(ctx, tp, LatestOffset, readCommitted); err != nil {
			return err
		}
		o.End, err = c.listOffset(ctx, tp, LatestOffset, 0)
		return err
	})
	return o, err
}

// StableOffset returns where a partition's decided records end now: a third of what Offsets asks for.
func (c *Client) StableOffset(ctx context.Context, topic string, partition int32) (stable int64, err error) {
	tp := topicPartition{topic, partition}
	err = c.retrying(ctx, tp, func() (err error) {
		stable, err = c.listOffset(ctx, tp, LatestOffset, readCommitted)
		return err
	})
	return stable, err
}

func (c *Client) listOffset(ctx context.Context, tp topicPartition, at int64, isolation int8) (int64, error) {
	addr, err := c.leader(ctx, tp.topic, tp.partition)
	if err != nil {
		return 0, err
	}
	m, err := c.call(ctx, addr, requestTimeout, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{Topic: tp.topic, Partitions: []listoffsets.RequestPartition{{
			Partition: tp.partition, CurrentLeaderEpoch: -1, Timestamp: at,
		}}}},
	})
	if err != nil {
		return 0, err
	}
	for _, t := range m.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			if t.Topic == tp.topic && p.Partition == tp.partition {
				return p.Offset, brokerError(p.ErrorCode)
			}
		}
	}
	return 0, fmt.Errorf("list offsets of topic %s partition %d: %w", tp.topic, tp.partition, kafkago.UnknownTopicOrPartition)
}
