package kafka

import (
	"context"

	kafkago "github.com/segmentio/kafka-go"
)

// IsUnknownTopic tells whether err says that a topic does not exist.
func IsUnknownTopic(err error) bool {
	code, ok := codeOf(err)
	return ok && code == kafkago.UnknownTopicOrPartition
}

// CheckTransactions asks for the coordinator of a transactional id, which
// fails on a cluster without transactions and where the login may not use them.
// Nothing is changed.
func (c *Client) CheckTransactions(ctx context.Context, transactionalID string) error {
	_, err := c.coordinator(ctx, coordinatorKey{transactionalID, transactionCoordinator})
	return err
}
