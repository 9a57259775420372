package kafka

import (
	"context"
	"maps"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// watch ends the generation when a topic of the group has another number of partitions than was dealt out. Only the leader
// watches: the coordinator begins a rebalance when it joins again, whatever it says.
func (gen *Generation) watch(ctx context.Context, counts map[string]int) {
	defer close(gen.watched)
	g := gen.group
	tick := time.NewTicker(metadataAge)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-gen.done:
			return
		case <-tick.C:
		}
		now, err := g.countPartitions(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			g.client.log.Debug("number of partitions not known", "group", g.cfg.Group, "err", err)
		case !maps.Equal(now, counts):
			g.client.log.Info("number of partitions has changed, the group deals them out anew", "group", g.cfg.Group,
				"topic", g.cfg.Topic, "partitions", now[g.cfg.Topic])
			gen.finish(nil)
			return
		}
	}
}

// countPartitions asks how many partitions each topic of the group has. A topic that goes along and does not exist has none.
func (g *Group) countPartitions(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	for i, topic := range append([]string{g.cfg.Topic}, g.cfg.With...) {
		info, err := g.client.refreshTopic(ctx, topic)
		switch code, _ := codeOf(err); {
		case err == nil:
			counts[topic] = len(info.leaders)
		case i > 0 && code == kafkago.UnknownTopicOrPartition:
			counts[topic] = 0
		default:
			return nil, err
		}
	}
	return counts, nil
}
