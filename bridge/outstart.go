package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"sfbridge/kafka"
)

// outboundTopics lists the topics that flows need besides their sources: those
// that their outcomes go to. Retry topics are not among them, since they have
// as many partitions as their source, which has to be asked for.
func (b *Bridge) outboundTopics() []kafka.TopicSpec {
	c := &b.cfg
	for i := range c.Writebacks {
		if !c.Writebacks[i].NoResults {
			return []kafka.TopicSpec{c.dataTopic(c.resultsTopic())}
		}
	}
	for i := range c.Publishes {
		if !c.Publishes[i].NoResults {
			return []kafka.TopicSpec{c.dataTopic(c.resultsTopic())}
		}
	}
	return nil
}

// What is kept of retried records. They have their own old timestamps, so time
// may not delete them.
const retriesKeptBytes = 1 << 30

// retryTopic is the topic through which dead letters of a flow come back. It
// takes what its source takes, and some more for headers.
func (c *Config) retryTopic(n *flowNames, partitions int32, sourceLimit int) kafka.TopicSpec {
	return kafka.TopicSpec{
		Name: n.retry, Partitions: partitions, Replication: c.Topics.Replication,
		Configs: map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": strconv.Itoa(retriesKeptBytes),
			"max.message.bytes": strconv.Itoa(sourceLimit + recordOverhead),
		},
	}
}

// startFlows makes sure of the flows' topics and lets each reach its org once.
func (b *Bridge) startFlows(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, o := range b.outbound {
		g.Go(func() error {
			err := b.reach(ctx, o.names.part(), kafka.Retryable, func(ctx context.Context) error { return b.startSource(ctx, &o.names) })
			if err != nil {
				return err
			}
			return b.reach(ctx, o.names.part(), o.retryable, o.flow.Prepare)
		})
	}
	return g.Wait()
}

// startSource insists on the source topic, which belongs to others, and makes
// the flow's retry topic, partition by partition its companion.
func (b *Bridge) startSource(ctx context.Context, n *flowNames) error {
	partitions, err := b.sourcePartitions(ctx, n)
	if err != nil {
		return err
	}
	limit, err := b.kafka.MaxRecordBytes(ctx, n.topic)
	if err != nil {
		return err
	}
	err = b.ensureTopic(ctx, b.cfg.retryTopic(n, partitions, limit))
	if tooFew(err) && b.cfg.Topics.Create { // the source has grown
		return b.kafka.GrowTopic(ctx, n.retry, partitions)
	}
	return err
}

// tooFew tells whether a topic has fewer partitions than it should.
func tooFew(err error) bool {
	te, ok := errors.AsType[*kafka.TopicError](err)
	return ok && te.What == "partitions"
}

func (b *Bridge) sourcePartitions(ctx context.Context, n *flowNames) (int32, error) {
	partitions, err := b.kafka.Partitions(ctx, n.topic)
	if kafka.IsUnknownTopic(err) {
		return 0, fmt.Errorf("%w: create it with as many partitions as its records need, or correct the topic in the "+
			"configuration; the bridge does not create topics that it reads", err)
	}
	return partitions, err
}
