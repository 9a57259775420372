package kafka

import (
	"context"
	"errors"
	"time"
)

// ConsumerConfig says what to consume, and as whom.
type ConsumerConfig struct {
	Group string
	// Topic whose partitions are shared out among the group's members.
	Topic string
	// With are topics that go along with Topic: whoever has partition n of Topic has partition n of these, as far as they
	// have one.
	With []string
	// TransactionalID names the writer of a partition's outcomes, so that a new owner fences the one before. Nil means
	// at-least-once: outcomes are written first, then the offset is committed.
	TransactionalID func(partition int32) string
	// Start is where a partition begins that has no committed offset: EarliestOffset (the default) or LatestOffset.
	Start int64
	// Window is how many bytes of records may be delivered and not yet committed, over all partitions of the share.
	// Default 16 MiB. One record is always delivered.
	Window int64

	UserData           []byte
	SessionTimeout     time.Duration // default 10 s
	RebalanceTimeout   time.Duration // default 60 s
	TransactionTimeout time.Duration // default 30 s
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Consumer takes part in a group that reads a topic, and commits what became of each record together with the offset
// behind it: in one transaction, and in the order of the partition.
type Consumer struct{}

// NewConsumer checks the topics and prepares a membership; Next joins.
func (c *Client) NewConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	return nil, errors.ErrUnsupported
}

// Next blocks until the group has given this member a share. The share before must be closed.
func (k *Consumer) Next(ctx context.Context) (*Share, error) { return nil, errors.ErrUnsupported }

// Close leaves the group. It may be called twice.
func (k *Consumer) Close() error { return nil }

// Share is what this member has of the topic, for one generation of the group.
type Share struct {
	Generation int32
	Partitions []int32 // of Topic; sorted, may be empty
}

// Done closes when the share is over: a rebalance, a lost membership, a newer owner, Close.
func (s *Share) Done() <-chan struct{} { return nil }

// Err tells why Done closed: nil for a rebalance, ErrLost, ErrFenced or ErrClosed.
func (s *Share) Err() error { return nil }

// Held tells whether the partitions are surely still this member's at this moment, by the clock: Done may lag behind when
// the process was stopped for a while. Ask right before an effect that nobody else can undo.
func (s *Share) Held() bool { return false }

// Notes are what the owner before committed with its last offsets, for this share's partitions; empty ones are left out.
func (s *Share) Notes() map[TopicPartition]string { return nil }

// Note commits a text along with the present offset of a partition, and returns once that is safe. Every later commit
// carries it until another is set; "" removes it. It is at most 4,096 bytes long. It is for what a successor has to know
// before it repeats anything.
func (s *Share) Note(ctx context.Context, tp TopicPartition, note string) error {
	return errors.ErrUnsupported
}

// Poll returns the next committed records of any partition, in order within each, and waits until there is at least one, the
// window has room and ctx has not ended. It is for one goroutine.
func (s *Share) Poll(ctx context.Context) ([]*Delivery, error) { return nil, errors.ErrUnsupported }

// Positions tells how far each partition is.
func (s *Share) Positions() []SharePosition { return nil }

// Close stops reading, commits what is settled, in order, and gives up the rest. It returns once nothing of this share can be
// written any more, or ctx has ended.
func (s *Share) Close(ctx context.Context) error { return nil }

// SharePosition is how far a partition is.
type SharePosition struct {
	TopicPartition
	Committed int64     // offset of the first record without a committed outcome
	Next      int64     // offset that is read next
	Stable    int64     // last stable offset, as last heard
	Oldest    time.Time // timestamp of the first delivered record without a committed outcome
}

// Delivery is a record in the hands of its consumer, until it is settled.
type Delivery struct {
	Record
}

// Settle says what became of the record: outcome records, which are committed together with the offset once all
// records before it in its partition are settled too. It is called once, from any goroutine, and does not block.
func (d *Delivery) Settle(outcome ...Record) {}
