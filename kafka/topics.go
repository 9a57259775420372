package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createpartitions"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// TopicSpec is a topic as it should be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16 // -1 or 0: the broker's default.replication.factor
	Configs     map[string]string
}

// leadersTimeout bounds the wait for a new topic's leaders.
const leadersTimeout = 30 * time.Second

// EnsureTopic creates a topic if there is none and waits until each of its partitions has a leader. Another process that
// creates it at the same moment does no harm. An existing topic is left as it is: with fewer partitions than wanted, or
// another cleanup.policy, the answer is a *TopicError that tells the remedy. More partitions are fine.
func (c *Client) EnsureTopic(ctx context.Context, spec TopicSpec) (created bool, err error) {
	_, err = c.refreshTopic(ctx, spec.Name)
	if code, _ := codeOf(err); code == kafkago.UnknownTopicOrPartition {
		created, err = c.createTopic(ctx, spec)
	}
	if err != nil {
		return false, c.topicErr(spec.Name, err)
	}
	info, err := c.awaitLeaders(ctx, spec.Name, 1)
	if err != nil {
		return created, c.topicErr(spec.Name, err)
	}
	if created {
		return true, nil
	}
	return false, c.checkTopic(ctx, spec, info)
}

// createTopic returns false when somebody else was quicker.
func (c *Client) createTopic(ctx context.Context, spec TopicSpec) (bool, error) {
	topic := createtopics.RequestTopic{Name: spec.Name, NumPartitions: spec.Partitions, ReplicationFactor: spec.Replication}
	if topic.ReplicationFactor == 0 {
		topic.ReplicationFactor = -1
	}
	for name, value := range spec.Configs {
		topic.Configs = append(topic.Configs, createtopics.RequestConfig{Name: name, Value: value})
	}
	slices.SortFunc(topic.Configs, func(a, b createtopics.RequestConfig) int { return cmp.Compare(a.Name, b.Name) })
	req := &createtopics.Request{Topics: []createtopics.RequestTopic{topic}, TimeoutMs: int32(leadersTimeout / time.Millisecond)}
	created := false
	err := c.retrying(ctx, topicPartition{topic: spec.Name}, func() error {
		addr, ok := c.cluster.controllerAddr()
		if !ok {
			return fmt.Errorf("find controller: %w", kafkago.LeaderNotAvailable)
		}
		m, err := c.call(ctx, addr, leadersTimeout+requestTimeout, req)
		if err != nil {
			return err
		}
		for _, t := range m.(*createtopics.Response).Topics {
			switch {
			case kafkago.Error(t.ErrorCode) == kafkago.TopicAlreadyExists:
			case t.ErrorCode != 0 && t.ErrorMessage != "":
				return fmt.Errorf("%w: %s", kafkago.Error(t.ErrorCode), t.ErrorMessage)
			case t.ErrorCode != 0:
				return kafkago.Error(t.ErrorCode)
			default:
				created = true
			}
		}
		return nil
	})
	return created, err
}

// controllerAddr returns the broker that creates topics. KRaft brokers name any of them and pass the request on.
func (cl *cluster) controllerAddr() (string, bool) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	addr, ok := cl.brokers[cl.controller]
	return addr, ok
}

// awaitLeaders waits until the topic is known with at least n partitions, and every partition has a leader.
func (c *Client) awaitLeaders(ctx context.Context, topic string, n int32) (*topicInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, leadersTimeout)
	defer cancel()
	wait := newWaiter(10*time.Millisecond, time.Second)
	for {
		info, err := c.refreshTopic(ctx, topic)
		if err == nil {
			at := slices.Index(info.leaders, -1)
			if at < 0 && len(info.leaders) >= int(n) {
				return info, nil
			}
			if at < 0 {
				at = len(info.leaders)
			}
			err = fmt.Errorf("partition %d: %w", at, kafkago.LeaderNotAvailable)
		}
		if !Retryable(err) || wait.wait(ctx) != nil {
			return nil, err
		}
	}
}

// CheckTopic compares an existing topic with what is wanted, as EnsureTopic does, and creates nothing.
func (c *Client) CheckTopic(ctx context.Context, spec TopicSpec) error {
	info, err := c.refreshTopic(ctx, spec.Name)
	if err != nil {
		return c.topicErr(spec.Name, err)
	}
	return c.checkTopic(ctx, spec, info)
}

// checkTopic compares an existing topic with what is wanted.
func (c *Client) checkTopic(ctx context.Context, spec TopicSpec, info *topicInfo) error {
	if have := len(info.leaders); have < int(spec.Partitions) {
		return &TopicError{
			Topic: spec.Name, What: "partitions", Have: strconv.Itoa(have), Want: strconv.Itoa(int(spec.Partitions)),
			Remedy: fmt.Sprintf("ask for %d, or add partitions by hand, knowing that records of one key then move to another partition", have),
		}
	}
	want, ok := spec.Configs[cleanupPolicy]
	if !ok {
		return nil
	}
	configs, err := c.topicConfigs(ctx, spec.Name, cleanupPolicy)
	if code, _ := codeOf(err); code == kafkago.TopicAuthorizationFailed {
		c.log.Warn("topic configuration may not be read, cleanup.policy is not checked", "topic", spec.Name)
		return nil
	}
	if err != nil {
		return err
	}
	if have := configs[cleanupPolicy]; have != want {
		return &TopicError{
			Topic: spec.Name, What: cleanupPolicy, Have: have, Want: want,
			Remedy: fmt.Sprintf("set it with kafka-configs --alter --topic %s --add-config %s=%s, or use another topic", spec.Name, cleanupPolicy, want),
		}
	}
	return nil
}

const cleanupPolicy = "cleanup.policy"

// topicErr adds the remedy to errors of making a topic.
func (c *Client) topicErr(topic string, err error) error {
	hint := ""
	switch code, _ := codeOf(err); code {
	case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
		hint = "allow Create and Describe on the topic, or create it by hand"
	case kafkago.InvalidReplicationFactor:
		hint = "the cluster has fewer brokers than the replication factor"
	case kafkago.PolicyViolation:
		hint = "the cluster's topic policy forbids it: create the topic by hand"
	}
	return &Error{Op: "make topic " + topic, Err: err, Hint: hint}
}

// GrowTopic gives a topic n partitions if it has fewer, and waits until each has a leader. Records of one key may then go to
// another partition than before.
func (c *Client) GrowTopic(ctx context.Context, topic string, n int32) error {
	var info *topicInfo
	err := c.retrying(ctx, topicPartition{topic: topic}, func() (err error) { // it may have been made a moment ago
		info, err = c.refreshTopic(ctx, topic)
		return err
	})
	if err == nil && len(info.leaders) < int(n) {
		err = c.growTopic(ctx, topic, n)
	}
	if err != nil {
		return c.growErr(topic, n, err)
	}
	if _, err = c.awaitLeaders(ctx, topic, n); err != nil {
		return c.growErr(topic, n, err)
	}
	return nil
}

func (c *Client) growErr(topic string, n int32, err error) error {
	hint := ""
	switch code, _ := codeOf(err); code {
	case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
		hint = fmt.Sprintf("allow Alter on the topic, or run kafka-topics --alter --topic %s --partitions %d", topic, n)
	case kafkago.PolicyViolation:
		hint = "the cluster's topic policy forbids it: add the partitions by hand"
	}
	return &Error{Op: fmt.Sprintf("grow topic %s to %d partitions", topic, n), Err: err, Hint: hint}
}

func (c *Client) growTopic(ctx context.Context, topic string, n int32) error {
	req := &createpartitions.Request{Topics: []createpartitions.RequestTopic{{Name: topic, Count: n}}, TimeoutMs: int32(leadersTimeout / time.Millisecond)}
	return c.retrying(ctx, topicPartition{topic: topic}, func() error {
		addr, ok := c.cluster.controllerAddr()
		if !ok {
			return fmt.Errorf("find controller: %w", kafkago.LeaderNotAvailable)
		}
		m, err := c.call(ctx, addr, leadersTimeout+requestTimeout, req)
		if err != nil {
			return err
		}
		for _, t := range m.(*createpartitions.Response).Results {
			switch {
			case t.ErrorCode == 0:
			case kafkago.Error(t.ErrorCode) == kafkago.InvalidPartitionNumber: // somebody else was quicker, or gave it more
				info, err := c.refreshTopic(ctx, topic)
				if err == nil && len(info.leaders) >= int(n) {
					return nil
				}
				return join(kafkago.Error(t.ErrorCode), err)
			case t.ErrorMessage != "":
				return fmt.Errorf("%w: %s", kafkago.Error(t.ErrorCode), t.ErrorMessage)
			default:
				return kafkago.Error(t.ErrorCode)
			}
		}
		return nil
	})
}

// Partitions returns how many partitions a topic has now.
func (c *Client) Partitions(ctx context.Context, topic string) (int32, error) {
	info, err := c.refreshTopic(ctx, topic)
	if err != nil {
		return 0, err
	}
	return int32(len(info.leaders)), nil
}

// Topics returns the topics that this client may see and their numbers of partitions, without the brokers' internal ones.
func (c *Client) Topics(ctx context.Context) (map[string]int32, error) {
	res, err := c.metadata(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	topics := make(map[string]int32, len(res.Topics))
	for _, t := range res.Topics {
		if t.ErrorCode == 0 && !t.IsInternal {
			topics[t.Name] = int32(len(t.Partitions))
		}
	}
	return topics, nil
}
