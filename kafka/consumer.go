package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// OnLost says what happens when the offset that a group goes on from has been deleted by retention, or lies behind the end
// of a topic that was made anew.
type OnLost string

const (
	// LostStop makes Poll return an *Error around the *OffsetError. It is the default: records have been lost unread,
	// and a person shall know.
	LostStop OnLost = "stop"
	// LostEarliest goes on with the first record that is there, and tells in the log and in
	// sfbridge_kafka_records_lost_total.
	LostEarliest OnLost = "earliest"
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
	// Start is where a partition begins that has no committed offset: EarliestOffset (also for 0) or LatestOffset. The
	// place is committed at once.
	Start int64
	// OnLost is what to do when the committed offset is gone. Default LostStop.
	OnLost OnLost
	// Window is how many bytes of records may be delivered and not yet committed, over all partitions of the share.
	// Default 16 MiB. One record is always delivered. Beside it, each partition holds two answers of a broker, of a
	// quarter of the window over all partitions, at least 64 KiB each.
	Window int64

	UserData           []byte
	SessionTimeout     time.Duration // default 10 s
	RebalanceTimeout   time.Duration // default 60 s
	TransactionTimeout time.Duration // default 30 s
}

func (cfg *ConsumerConfig) fill() error {
	if cfg.Start == 0 {
		cfg.Start = EarliestOffset
	}
	if cfg.OnLost == "" {
		cfg.OnLost = LostStop
	}
	if cfg.Window <= 0 {
		cfg.Window = 16 << 20
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 10 * time.Second
	}
	if cfg.RebalanceTimeout == 0 {
		cfg.RebalanceTimeout = time.Minute
	}
	if cfg.TransactionTimeout == 0 {
		cfg.TransactionTimeout = 30 * time.Second
	}
	switch {
	case cfg.Group == "" || cfg.Topic == "":
		return errors.New("a group and a topic are needed")
	case cfg.Start != EarliestOffset && cfg.Start != LatestOffset:
		return fmt.Errorf("start %d: want EarliestOffset or LatestOffset", cfg.Start)
	case cfg.OnLost != LostStop && cfg.OnLost != LostEarliest:
		return fmt.Errorf("on lost %q: want %s or %s", cfg.OnLost, LostStop, LostEarliest)
	case slices.Contains(cfg.With, cfg.Topic):
		return fmt.Errorf("topic %s goes along with itself", cfg.Topic)
	}
	return nil
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Consumer takes part in a group that reads a topic, and commits what became of each record together with the offset
// behind it: in one transaction, and in the order of the partition. Next is for one goroutine, Close for any.
type Consumer struct {
	client *Client
	cfg    ConsumerConfig
	group  *Group

	mu     sync.Mutex // guards what follows
	share  *Share
	closed bool
}

// NewConsumer checks the topics and prepares a membership; Next joins.
func (c *Client) NewConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("consume topic %s as group %s: %w", cfg.Topic, cfg.Group, err)
	}
	for _, topic := range cfg.With {
		if _, err := c.topicSoon(ctx, topic); err != nil {
			return nil, fmt.Errorf("consume topic %s as group %s: %w", cfg.Topic, cfg.Group, err)
		}
	}
	g, err := c.JoinGroup(ctx, GroupConfig{
		Group: cfg.Group, Topic: cfg.Topic, With: cfg.With, UserData: cfg.UserData,
		SessionTimeout: cfg.SessionTimeout, RebalanceTimeout: cfg.RebalanceTimeout,
	})
	if err != nil {
		return nil, err
	}
	return &Consumer{client: c, cfg: cfg, group: g}, nil
}

// Next blocks until the group has given this member a share, and until no earlier owner can commit anything for it. The
// share before must be closed; if it is not, what it has not committed is given up. Next waits out brokers that are away;
// an error is ErrClosed, that of ctx, or needs a person.
func (k *Consumer) Next(ctx context.Context) (*Share, error) {
	k.giveUpShare()
	for {
		gen, err := k.group.Next(ctx)
		if err != nil {
			return nil, err
		}
		s, err := k.open(ctx, gen)
		if err == nil {
			return s, k.keep(s)
		}
		if ctx.Err() == nil && !k.over(gen) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("consume topic %s as group %s: %w", k.cfg.Topic, k.cfg.Group, join(ctx.Err(), err))
		}
		k.client.log.Debug("generation ended before its share was ready", "group", k.cfg.Group, "err", err)
	}
}

func (k *Consumer) over(gen *Generation) bool {
	select {
	case <-gen.Done:
		return true
	default:
		return false
	}
}

// keep makes s the present share, unless the consumer was closed meanwhile.
func (k *Consumer) keep(s *Share) error {
	k.mu.Lock()
	closed := k.closed
	if !closed {
		k.share = s
	}
	k.mu.Unlock()
	if closed {
		s.giveUp()
		return ErrClosed
	}
	return nil
}

func (k *Consumer) giveUpShare() {
	k.mu.Lock()
	s := k.share
	k.share = nil
	k.mu.Unlock()
	if s != nil {
		s.giveUp()
	}
}

// Close leaves the group. What a share still open has not committed is given up. It may be called twice.
func (k *Consumer) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.giveUpShare()
	return k.group.Close()
}
