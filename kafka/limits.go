package kafka

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
)

// defaultMaxMessageBytes is Apache Kafka's default for max.message.bytes: 1 MiB and a log entry's header of 12 bytes. It
// stands in when the cluster does not let us read a topic's configuration.
const defaultMaxMessageBytes = 1<<20 + 12

// limitAge is how long a topic's limit is believed.
const limitAge = 10 * time.Minute

// limit is how large a record batch a topic takes.
type limit struct {
	bytes int
	plain bool // the broker unpacks before it stores (compression.type=uncompressed), so the plain size counts
	asked time.Time
}

// limits remembers them.
type limits struct {
	mu      sync.Mutex // guards both
	known   map[string]limit
	learned map[string]int // least size that was refused although the configuration allows it
}

// MaxRecordBytes returns the size of the largest record batch that a topic takes, its max.message.bytes. A record fits if a
// batch of it alone, after compression, is no larger; [Client.Fits] measures that.
func (c *Client) MaxRecordBytes(ctx context.Context, topic string) (int, error) {
	l, err := c.limit(ctx, topic)
	return l.bytes, err
}

func (c *Client) limit(ctx context.Context, topic string) (limit, error) {
	c.limits.mu.Lock()
	l, ok := c.limits.known[topic]
	c.limits.mu.Unlock()
	if ok && time.Since(l.asked) < limitAge {
		return l, nil
	}
	fresh, err := c.askLimit(ctx, topic)
	if err != nil && ok && Retryable(err) {
		return l, nil
	}
	return fresh, err
}

// askLimit reads a topic's limit from the cluster.
func (c *Client) askLimit(ctx context.Context, topic string) (limit, error) {
	l := limit{bytes: defaultMaxMessageBytes, asked: time.Now()}
	configs, err := c.topicConfigs(ctx, topic, "max.message.bytes", "compression.type")
	switch code, _ := codeOf(err); {
	case code == kafkago.TopicAuthorizationFailed:
		c.log.Warn("topic configuration may not be read, the default size limit is assumed", "topic", topic,
			"bytes", l.bytes, "hint", "allow DescribeConfigs on the topic")
	case err != nil:
		return limit{}, err
	default:
		if n, err := strconv.Atoi(configs["max.message.bytes"]); err == nil && n > 0 {
			l.bytes = n
		}
		l.plain = configs["compression.type"] == "uncompressed"
	}
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	if n, ok := c.limits.learned[topic]; ok && n <= l.bytes {
		l.bytes = n - 1
	}
	if c.limits.known == nil {
		c.limits.known = map[string]limit{}
	}
	c.limits.known[topic] = l
	return l, nil
}

// refused notes that the broker found a batch too large, and asks for the limit again. If the configuration allows that
// size (a broker that packs with another codec, or a proxy with a limit of its own), the refusal itself is remembered: the
// next commit of the same record then says so before it sends anything.
func (c *Client) refused(ctx context.Context, topic string, size int) {
	c.limits.mu.Lock()
	if c.limits.learned == nil {
		c.limits.learned = map[string]int{}
	}
	delete(c.limits.known, topic)
	delete(c.limits.learned, topic)
	c.limits.mu.Unlock()
	l, err := c.askLimit(ctx, topic)
	if err != nil || l.bytes < size {
		return
	}
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	c.limits.learned[topic] = size
	delete(c.limits.known, topic)
}

// resourceTopic is DescribeConfigs' resource type of topics.
const resourceTopic = 2

// topicConfigs reads configuration entries of a topic, all when no names are given.
func (c *Client) topicConfigs(ctx context.Context, topic string, names ...string) (map[string]string, error) {
	m, err := c.callAny(ctx, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{{
		ResourceType: resourceTopic, ResourceName: topic, ConfigNames: names,
	}}})
	if err != nil {
		return nil, fmt.Errorf("read configuration of topic %s: %w", topic, err)
	}
	configs := map[string]string{}
	for _, r := range m.(*describeconfigs.Response).Resources {
		if err := brokerError(r.ErrorCode); err != nil {
			return nil, fmt.Errorf("read configuration of topic %s: %w", topic, err)
		}
		for _, e := range r.ConfigEntries {
			configs[e.ConfigName] = e.ConfigValue
		}
	}
	return configs, nil
}

// Fits reports whether a batch of rec alone, compressed when need be, is within its topic's limit.
func (c *Client) Fits(ctx context.Context, rec Record) (bool, error) {
	l, err := c.limit(ctx, rec.Topic)
	if err != nil {
		return false, err
	}
	ms := millis(rec.Time, time.Now().UnixMilli())
	var b batchBuilder
	if b.sizeWith(&rec, ms) <= l.bytes {
		return true, nil
	}
	if l.plain || c.pack.codec == compress.None {
		return false, nil
	}
	b.add(&rec, ms)
	sealed, err := b.seal(&c.pack, nil)
	if err != nil {
		return false, join(fmt.Errorf("measure record for topic %s", rec.Topic), err)
	}
	return len(sealed.buf) <= l.bytes, nil
}
