package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/consumer"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

const (
	protocolType = "consumer"
	// balancerName must be the same in all members; it changes if assign ever deals out otherwise in a way that matters.
	balancerName = "sfbridge-balanced"
)

// join goes once through JoinGroup and SyncGroup.
func (g *Group) join(ctx context.Context) (*Generation, error) {
	joined, err := g.askJoin(ctx)
	if err != nil {
		return nil, err
	}
	var shares []syncgroup.RequestAssignment
	var counts map[string]int
	if joined.LeaderID == joined.MemberID {
		if shares, counts, err = g.lead(ctx, joined.Members); err != nil {
			return nil, err
		}
	}
	alive := time.Now()
	m, err := g.client.callCoordinator(ctx, g.key, g.cfg.RebalanceTimeout+requestTimeout, &syncgroup.Request{
		GroupID: g.cfg.Group, GenerationID: joined.GenerationID, MemberID: joined.MemberID,
		ProtocolType: protocolType, ProtocolName: balancerName, Assignments: shares,
	}, func(m protocol.Message) int16 { return m.(*syncgroup.Response).ErrorCode })
	if err != nil {
		return nil, fmt.Errorf("sync group: %w", err)
	}
	mine, err := partitionsOf(m.(*syncgroup.Response).Assignments, g.cfg.Topic)
	if err != nil {
		return nil, err
	}
	return g.start(joined, mine, alive, counts), nil
}

// askJoin sends JoinGroup, which the coordinator answers when all members have come.
func (g *Group) askJoin(ctx context.Context) (*joingroup.Response, error) {
	subscription := consumer.Subscription{Version: 1, Topics: append([]string{g.cfg.Topic}, g.cfg.With...), UserData: g.cfg.UserData}
	if len(g.owned) > 0 {
		subscription.OwnedPartitions = []consumer.TopicPartition{{Topic: g.cfg.Topic, Partitions: g.owned}}
	}
	meta, err := protocol.Marshal(1, subscription)
	if err != nil {
		return nil, fmt.Errorf("encode subscription: %w", err)
	}
	m, err := g.client.callCoordinator(ctx, g.key, g.cfg.RebalanceTimeout+g.cfg.SessionTimeout+requestTimeout, &joingroup.Request{
		GroupID:            g.cfg.Group,
		SessionTimeoutMS:   int32(g.cfg.SessionTimeout / time.Millisecond),
		RebalanceTimeoutMS: int32(g.cfg.RebalanceTimeout / time.Millisecond),
		MemberID:           g.member(),
		ProtocolType:       protocolType,
		Protocols:          []joingroup.RequestProtocol{{Name: balancerName, Metadata: meta}},
	}, func(m protocol.Message) int16 { return m.(*joingroup.Response).ErrorCode })
	if res, ok := m.(*joingroup.Response); ok && res != nil && res.MemberID != "" {
		g.setMember(res.MemberID) // also with MEMBER_ID_REQUIRED (KIP-394)
	}
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return m.(*joingroup.Response), nil
}

// lead deals out the topic's partitions: the coordinator has chosen this member to do it. It returns also how many
// partitions each topic has.
func (g *Group) lead(ctx context.Context, members []joingroup.ResponseMember) ([]syncgroup.RequestAssignment, map[string]int, error) {
	counts, err := g.countPartitions(ctx)
	if err != nil {
		return nil, nil, err
	}
	claimants := make([]claimant, 0, len(members))
	for _, m := range members {
		owned, err := ownedBy(m.Metadata, g.cfg.Topic)
		if err != nil {
			return nil, nil, fmt.Errorf("member %s: %w", m.MemberID, err)
		}
		claimants = append(claimants, claimant{id: m.MemberID, owned: owned})
	}
	shares := assign(claimants, int32(counts[g.cfg.Topic]))
	out := make([]syncgroup.RequestAssignment, 0, len(shares))
	for _, c := range claimants {
		data, err := protocol.Marshal(1, g.assignment(shares[c.id], counts))
		if err != nil {
			return nil, nil, fmt.Errorf("encode assignment: %w", err)
		}
		out = append(out, syncgroup.RequestAssignment{MemberID: c.id, Assignment: data})
	}
	return out, counts, nil
}

// assignment lists a member's partitions of Topic, and those of the same numbers that the other topics have.
func (g *Group) assignment(share []int32, counts map[string]int) consumer.Assignment {
	a := consumer.Assignment{Version: 1}
	for _, topic := range append([]string{g.cfg.Topic}, g.cfg.With...) {
		var mine []int32
		for _, p := range share {
			if int(p) < counts[topic] {
				mine = append(mine, p)
			}
		}
		if len(mine) > 0 {
			a.AssignedPartitions = append(a.AssignedPartitions, consumer.TopicPartition{Topic: topic, Partitions: mine})
		}
	}
	return a
}

// start begins the generation's heartbeat, and with counts, which the leader has, its watch for new partitions. alive is
// when the coordinator was last asked.
func (g *Group) start(joined *joingroup.Response, partitions []int32, alive time.Time, counts map[string]int) *Generation {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	gen := &Generation{
		ID: joined.GenerationID, MemberID: joined.MemberID, Partitions: partitions, Done: done,
		group: g, done: done, stop: stop, stopped: make(chan struct{}),
	}
	gen.hold.alive = alive
	go gen.beat(ctx, alive)
	if counts != nil {
		gen.watched = make(chan struct{})
		go gen.watch(ctx, counts)
	}
	return gen
}

// ownedBy reads which partitions of topic a member says it had.
func ownedBy(meta []byte, topic string) ([]int32, error) {
	s, err := parseSubscription(meta)
	if err != nil {
		return nil, err
	}
	return s.partitions[topic], nil
}

// partitionsOf reads an assignment. An empty one is no partitions.
func partitionsOf(data []byte, topic string) ([]int32, error) {
	if len(data) == 0 {
		return nil, nil
	}
	c := cursor{buf: data}
	c.take(2) // version
	parts := topicPartitions(&c)
	if c.err != nil {
		return nil, fmt.Errorf("assignment %w", c.err)
	}
	mine := parts[topic]
	slices.Sort(mine)
	return mine, nil
}

// subscription is what a member of a consumer group shows ("consumer" embedded protocol of Apache Kafka).
type subscription struct {
	topics     []string
	userData   []byte
	partitions map[string][]int32
}

func parseSubscription(data []byte) (s subscription, err error) {
	c := cursor{buf: data}
	version := c.int16()
	for range c.count(2) {
		s.topics = append(s.topics, c.string())
	}
	if n := c.int32(); n > 0 {
		s.userData = c.take(int64(n))
	}
	if version >= 1 && len(c.buf) > 0 {
		s.partitions = topicPartitions(&c)
	}
	if c.err != nil {
		return subscription{}, fmt.Errorf("subscription %w", c.err)
	}
	return s, nil
}

func topicPartitions(c *cursor) map[string][]int32 {
	parts := map[string][]int32{}
	for range c.count(6) {
		topic := c.string()
		for range c.count(4) {
			parts[topic] = append(parts[topic], c.int32())
		}
	}
	return parts
}
