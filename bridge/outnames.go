package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"sfbridge/internal/flow"
)

// maxTopicName is the longest name that Kafka takes for a topic.
const maxTopicName = 249

func (c *Config) resultsTopic() string { return c.Topics.Prefix + ".results" }

func (c *Config) results(none bool) string {
	if none {
		return ""
	}
	return c.resultsTopic()
}

// drain is how long a flow may take to finish its calls: less than the process
// has, so that their outcomes can be committed after them.
func (c *Config) drain() time.Duration { return c.ShutdownTimeout * 3 / 4 }

func (c *Config) writebackNames(w *Writeback) flowNames {
	return c.flowNames(flow.KindWriteback, w.Topic, w.Org, w.Rows.Object)
}

func (c *Config) publishNames(p *Publish) flowNames {
	return c.flowNames(flow.KindPublish, p.Topic, p.Org, p.Event)
}

func (c *Config) flowNames(kind, topic, org, object string) flowNames {
	dotted := strings.Join([]string{topic, org, object}, ".")
	n := flowNames{
		kind: kind, flow: flowName(topic, org, object), topic: topic, org: org, object: object,
		group: c.group() + "." + dotted,
		retry: "_sfbridge." + c.Name + ".retry." + dotted,
	}
	if len(n.retry) > maxTopicName {
		sum := sha256.Sum256([]byte(n.flow))
		n.retry = "_sfbridge." + c.Name + ".retry." + hex.EncodeToString(sum[:16])
	}
	return n
}

// transactionalID names the writer of a partition's outcomes.
func (n *flowNames) transactionalID(name string) func(int32) string {
	base := fmt.Sprintf("sfbridge-%s-%s-%s-%s-", name, n.topic, n.org, n.object)
	return func(partition int32) string { return fmt.Sprint(base, partition) }
}

// flows gives the names of all flows, in the order of the configuration.
func (c *Config) flows() []flowNames {
	var all []flowNames
	for i := range c.Writebacks {
		all = append(all, c.writebackNames(&c.Writebacks[i]))
	}
	for i := range c.Publishes {
		all = append(all, c.publishNames(&c.Publishes[i]))
	}
	return all
}
