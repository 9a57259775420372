package bridge

import (
	"context"
	"fmt"

	"sfbridge/kafka"
)

// FlowStatus is how far a flow out of Kafka is, as its group has committed it.
type FlowStatus struct {
	Flow      string `json:"flow"`
	Kind      string `json:"kind"` // writeback or publish
	Topic     string `json:"topic"`
	Group     string `json:"group"`
	Org       string `json:"org"`
	Object    string `json:"object"`
	Processes int    `json:"processes"` // members of the group
	// Lag is how many records wait, of the topic and of retried dead letters, at
	// most: transaction markers count too.
	Lag        int64          `json:"lag"`
	Started    bool           `json:"started"` // the group has committed something
	Partitions []PartitionLag `json:"partitions"`
}

// PartitionLag is how far one partition is.
type PartitionLag struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"` // offset of the first record without an outcome; -1: nothing was committed
	End       int64  `json:"end"`       // last stable offset
	Lag       int64  `json:"lag"`
}

// statusFlows asks for each flow's offsets.
func (b *Bridge) statusFlows(ctx context.Context, st *Status) {
	for _, o := range b.outbound {
		n := &o.names
		s := FlowStatus{Flow: n.flow, Kind: n.kind, Topic: n.topic, Group: n.group, Org: n.org, Object: n.object}
		lag, err := b.flowLag(ctx, n.group, n.topic)
		if err == nil {
			var retries []PartitionLag
			if retries, err = b.flowLag(ctx, n.group, n.retry); kafka.IsUnknownTopic(err) {
				err = nil // nothing was ever retried
			}
			lag = append(lag, retries...)
		}
		if err != nil {
			st.Problems = append(st.Problems, fmt.Sprintf("%s: %v", n.part(), err))
		}
		members, err := b.kafka.GroupMembers(ctx, n.group)
		if err != nil {
			st.Problems = append(st.Problems, fmt.Sprintf("group %s: %v", n.group, err))
		}
		s.Processes, s.Partitions, s.Lag, s.Started = len(members), lag, total(lag), started(lag)
		st.Flows = append(st.Flows, s)
	}
}

// flowLag asks how far a group is in each partition of a topic.
func (b *Bridge) flowLag(ctx context.Context, group, topic string) ([]PartitionLag, error) {
	committed, err := b.kafka.GroupOffsets(ctx, group, topic)
	if err != nil {
		return nil, err
	}
	lags := make([]PartitionLag, len(committed))
	for p := range int32(len(committed)) {
		o, err := b.kafka.Offsets(ctx, topic, p)
		if err != nil {
			return nil, fmt.Errorf("topic %s partition %d: %w", topic, p, err)
		}
		lags[p] = PartitionLag{Topic: topic, Partition: p, Committed: committed[p], End: o.Stable}
		lags[p].Lag = max(0, o.Stable-max(o.Start, committed[p]))
	}
	return lags, nil
}

func total(lags []PartitionLag) (sum int64) {
	for _, l := range lags {
		sum += l.Lag
	}
	return sum
}

func started(lags []PartitionLag) bool {
	for _, l := range lags {
		if l.Committed >= 0 {
			return true
		}
	}
	return false
}
