package bridge

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"sfbridge/pubsub"
)

// Topics, groups and transactional ids, all derived from the bridge's name and
// the prefix, are part of the contract with the people who read them.

func (c *Config) changeTopic(object string) string { return c.Topics.Prefix + ".cdc." + object }
func (c *Config) eventTopic(name string) string    { return c.Topics.Prefix + ".event." + name }
func (c *Config) deadLetterTopic() string          { return c.Topics.Prefix + ".dlq" }

func (c *Config) checkpointTopic() string { return "_sfbridge." + c.Name + ".checkpoints" }
func (c *Config) assignmentTopic() string { return "_sfbridge." + c.Name + ".assignments" }

// laneTopics are the topics with exactly one partition a lane.
func (c *Config) laneTopics() []string { return []string{c.assignmentTopic(), c.checkpointTopic()} }

func (c *Config) byLane(topic string) bool { return slices.Contains(c.laneTopics(), topic) }

func (c *Config) group() string { return "sfbridge-" + c.Name }

func (c *Config) transactionalID(lane int32) string {
	if c.AtLeastOnce {
		return ""
	}
	return fmt.Sprintf("sfbridge-%s-%d", c.Name, lane)
}

// laneOf spreads channels over the lanes. It may never change: a channel's
// checkpoint lives in the partition of its lane.
func (c *Config) laneOf(cp Capture) int32 {
	h := fnv.New32a()
	h.Write([]byte(cp.Org + cp.Channel))
	return int32(h.Sum32() % uint32(c.Lanes))
}

// objectOfChannel gives the object of a single-entity change channel, or "" for
// channels that carry several.
func objectOfChannel(channel string) string {
	name, ok := strings.CutPrefix(channel, "/data/")
	if !ok || pubsub.SharesReplayIDs(channel) {
		return ""
	}
	if base, ok := strings.CutSuffix(name, "__ChangeEvent"); ok {
		return base + "__c"
	}
	return strings.TrimSuffix(name, "ChangeEvent")
}

// topicOfChannel gives the topic of a channel that carries one kind of event,
// or "".
func (c *Config) topicOfChannel(channel string) string {
	if pubsub.SharesReplayIDs(channel) {
		return ""
	}
	if name, ok := strings.CutPrefix(channel, "/event/"); ok {
		return c.eventTopic(name)
	}
	return c.changeTopic(objectOfChannel(channel))
}
