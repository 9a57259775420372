package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sfbridge/event"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

// start reaches every side once. What only time can mend is tried again for
// StartTimeout; the rest ends the start at once, with a remedy.
func (b *Bridge) start(ctx context.Context) error {
	started, cancel := context.WithTimeout(ctx, b.cfg.StartTimeout)
	defer cancel()
	g, ctx := errgroup.WithContext(started)
	g.Go(func() error { return b.reach(ctx, partRegistry, schemas.Retryable, b.registry.Check) })
	g.Go(func() error { return b.reach(ctx, partKafka, kafka.Retryable, b.startKafka) })
	for _, o := range b.orgs {
		g.Go(func() error {
			if err := b.reach(ctx, partOrg(o.name), auth.Retryable, o.login); err != nil {
				return err
			}
			return b.checkChannels(ctx, o)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := b.startFlows(started); err != nil {
		return err
	}
	if len(b.channels) == 0 {
		return nil
	}
	return b.reach(started, partKafka, kafka.Retryable, func(ctx context.Context) error {
		positions, err := b.positions(ctx)
		if err != nil {
			return err
		}
		return b.checkPositions(positions)
	})
}

// checkPositions insists that the positions which are there belong to the orgs
// that the logins led to.
func (b *Bridge) checkPositions(positions map[string][]byte) error {
	for _, ch := range b.channels {
		if _, err := b.storedPosition(ch, positions); err != nil {
			return &permanentError{err}
		}
	}
	return nil
}

// storedPosition gives the position of a channel, empty if there is none.
func (b *Bridge) storedPosition(ch *channel, positions map[string][]byte) (event.Position, error) {
	pos := event.Position{Org: ch.capture.Org, Channel: ch.capture.Channel}
	raw, ok := positions[pos.Key()]
	if !ok {
		return pos, nil
	}
	if err := json.Unmarshal(raw, &pos); err != nil {
		return pos, fmt.Errorf("checkpoint %s in %s/%d: %w", pos.Key(), b.cfg.checkpointTopic(), ch.lane, err)
	}
	if id := ch.org.id(); pos.OrgID != "" && id != "" && pos.OrgID != id {
		return pos, fmt.Errorf("checkpoint %s belongs to org %s, but the login leads to org %s: "+
			"give this org a name of its own, or the bridge another name", pos.Key(), pos.OrgID, id)
	}
	return pos, nil
}

// reach tries one side until it answers, or says something that waiting will
// not change, or the time for the start is over. Each client knows which of its
// errors pass; asked about another's, it may take them for a broken network.
func (b *Bridge) reach(ctx context.Context, part string, retryable func(error) bool, try func(context.Context) error) error {
	bo := retrying(100*time.Millisecond, 3*time.Second)
	var last error
	for {
		err := try(ctx)
		if !strings.HasPrefix(part, partChannel) { // channels have a state of their own
			b.health.part(part, err)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() == nil {
			if !passing(err, retryable) {
				return fmt.Errorf("%s: %w", part, err)
			}
			b.log.Warn("not reached yet, trying again", "part", part, "err", err)
		}
		if bo.wait(ctx) != nil {
			return fmt.Errorf("%s: not reached within %s: %w", part, b.cfg.StartTimeout, last)
		}
	}
}

// passing tells whether waiting may mend an error of the start. An attempt that
// took too long, while the start has time left, may go better next time.
func passing(err error, retryable func(error) bool) bool {
	var perm *permanentError
	if errors.As(err, &perm) {
		return false
	}
	return retryable(err) || errors.Is(err, context.DeadlineExceeded)
}

// permanentError marks what waiting will not mend.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

func permanent(format string, args ...any) error {
	return &permanentError{fmt.Errorf(format, args...)}
}

func (o *org) login(ctx context.Context) error {
	tok, err := o.session.Token(ctx)
	if err != nil {
		return err
	}
	o.orgID.Store(tok.OrgID)
	return nil
}

// checkChannels asks for every channel of an org, a few at a time.
func (b *Bridge) checkChannels(ctx context.Context, o *org) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, ch := range b.channels {
		if ch.org != o {
			continue
		}
		g.Go(func() error {
			part := partChannel + ch.capture.Org + ch.capture.Channel
			return b.reach(ctx, part, pubsub.Retryable, func(ctx context.Context) error {
				return checkChannel(ctx, o, ch.capture.Channel)
			})
		})
	}
	return g.Wait()
}

func checkChannel(ctx context.Context, o *org, channel string) error {
	topic, err := o.pubsub.Topic(ctx, channel)
	if err != nil {
		return err
	}
	if !topic.CanSubscribe {
		return permanent("the integration user may not subscribe to %s: give it View All Records on the object "+
			"(change events) or Read on the event (platform events)", channel)
	}
	return nil
}

// startKafka makes sure of the topics and that no process of another
// configuration uses the name.
func (b *Bridge) startKafka(ctx context.Context) error {
	if err := b.kafka.Ping(ctx); err != nil {
		return err
	}
	for _, spec := range b.topicSpecs() {
		if err := b.ensureTopic(ctx, spec); err != nil {
			return err
		}
	}
	if len(b.channels) > 0 {
		if err := b.checkLanes(ctx); err != nil {
			return err
		}
	}
	return b.awaitMembers(ctx)
}

// awaitMembers checks the members until they are all of this configuration, or
// one that is not has stayed for longer than a dead process is remembered: a
// restart with another file after a crash finds the dead one still listed.
func (b *Bridge) awaitMembers(ctx context.Context) error {
	patience := time.Now().Add(b.cfg.SessionTimeout + 3*time.Second)
	again := retrying(200*time.Millisecond, time.Second)
	for warned := false; ; warned = true {
		err := b.checkMembers(ctx)
		var other *permanentError
		if err == nil || !errors.As(err, &other) || time.Now().After(patience) {
			return err
		}
		if !warned {
			b.log.Warn("another configuration has this name; waiting in case its process is dead", "err", err)
		}
		if again.wait(ctx) != nil {
			return err
		}
	}
}

// topicSpecs lists what must exist before anything can be written; the topics
// of channels that carry several kinds of event are made when the first comes.
func (b *Bridge) topicSpecs() []kafka.TopicSpec {
	c := &b.cfg
	// Brokers that are not Apache Kafka's may apply the default retention to a
	// compacted topic as well; a position must outlive any outage.
	compact := map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"}
	var specs []kafka.TopicSpec
	if len(b.channels) > 0 {
		specs = append(specs,
			kafka.TopicSpec{Name: c.assignmentTopic(), Partitions: c.Lanes, Replication: c.Topics.Replication},
			kafka.TopicSpec{Name: c.checkpointTopic(), Partitions: c.Lanes, Replication: c.Topics.Replication, Configs: compact})
	}
	dlq := c.deleteConfigs()
	dlq["max.message.bytes"] = strconv.Itoa(4 << 20) // a whole event of 1 MB, in base64
	specs = append(specs, kafka.TopicSpec{
		Name: c.deadLetterTopic(), Partitions: c.Topics.Partitions,
		Replication: c.Topics.Replication, Configs: dlq,
	})
	for _, cp := range c.Captures {
		if topic := c.topicOfChannel(cp.Channel); topic != "" {
			specs = append(specs, c.dataTopic(topic))
		}
	}
	if b.echoes != nil {
		specs = append(specs, c.writesSpec())
	}
	return append(specs, b.outboundTopics()...)
}

// dataTopic is a topic that holds events.
func (c *Config) dataTopic(name string) kafka.TopicSpec {
	return kafka.TopicSpec{
		Name: name, Partitions: c.Topics.Partitions, Replication: c.Topics.Replication,
		Configs: c.deleteConfigs(),
	}
}

func (c *Config) deleteConfigs() map[string]string {
	m := map[string]string{"cleanup.policy": "delete"}
	if c.Topics.Retention > 0 {
		m["retention.ms"] = strconv.FormatInt(c.Topics.Retention.Milliseconds(), 10)
	}
	if c.Topics.MaxBytes > 0 {
		m["max.message.bytes"] = strconv.Itoa(c.Topics.MaxBytes)
	}
	return m
}

func (b *Bridge) ensureTopic(ctx context.Context, spec kafka.TopicSpec) error {
	if !b.cfg.Topics.Create {
		_, err := b.kafka.Partitions(ctx, spec.Name)
		return b.explainTopic(spec, err) // it may have been made a moment ago, so this is tried again
	}
	created, err := b.kafka.EnsureTopic(ctx, spec)
	if created {
		b.log.Info("topic created", "topic", spec.Name, "partitions", spec.Partitions)
	}
	if te, ok := errors.AsType[*kafka.TopicError](err); ok && te.What == "partitions" && b.cfg.byLane(spec.Name) {
		return nil // checkLanes knows what to do about it
	}
	return b.explainTopic(spec, err)
}

// explainTopic adds the keys of the configuration that speak of a topic.
func (b *Bridge) explainTopic(spec kafka.TopicSpec, err error) error {
	te, ok := errors.AsType[*kafka.TopicError](err)
	switch {
	case ok && te.What == "partitions":
		return fmt.Errorf("%w (kafka.topics.partitions says %d)", err, spec.Partitions)
	case kafka.IsUnknownTopic(err):
		return fmt.Errorf("topic %s: %w: create it with %d partitions, or set kafka.topics.create to true",
			spec.Name, err, spec.Partitions)
	}
	return err
}

// checkLanes insists that both internal topics have exactly one partition a
// lane: a channel's checkpoint lives in the partition of its lane.
func (b *Bridge) checkLanes(ctx context.Context) error {
	for _, topic := range b.cfg.laneTopics() {
		n, err := b.kafka.Partitions(ctx, topic)
		if err != nil {
			return err
		}
		if n != b.cfg.Lanes {
			return b.wrongLanes(topic, n)
		}
	}
	return nil
}

func (b *Bridge) wrongLanes(topic string, n int32) error {
	return permanent("topic %s has %d partitions and kafka.lanes says %d: the number of lanes is fixed when a bridge "+
		"first starts, since positions live by lane; set kafka.lanes to %d", topic, n, b.cfg.Lanes, n)
}

// joining tells whether a member is one of this bridge's processes whose group
// is just sharing out its lanes: until that is over the coordinator does not
// show what members say of themselves (Kafka protocol guide, DescribeGroups).
// Such a one is looked at when the new generation begins.
func (b *Bridge) joining(m kafka.GroupMember) bool {
	return len(m.UserData) == 0 && m.ClientID == "sfbridge-"+b.cfg.Name
}

// groups are the consumer groups that this bridge's processes are members of.
func (b *Bridge) groups() []string {
	var groups []string
	if len(b.channels) > 0 {
		groups = append(groups, b.cfg.group())
	}
	for _, o := range b.outbound {
		groups = append(groups, o.names.group)
	}
	return groups
}

// checkMembers refuses to work beside a process that has the same name and
// another configuration: they would share out what only one knows.
func (b *Bridge) checkMembers(ctx context.Context) error {
	for _, group := range b.groups() {
		members, err := b.kafka.GroupMembers(ctx, group)
		if err != nil {
			return fmt.Errorf("members of group %s: %w", group, err)
		}
		for _, m := range members {
			if err := b.checkMember(group, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bridge) checkMember(group string, m kafka.GroupMember) error {
	if b.joining(m) {
		return nil
	}
	var other identity
	if json.Unmarshal(m.UserData, &other) != nil {
		return permanent("group %s has a member (%s at %s) that is no sfbridge: give this bridge another name",
			group, m.ClientID, m.Host)
	}
	if other.Fingerprint != b.cfg.Fingerprint {
		return permanent("a process on host %s (pid %d, since %s) has the name %q and another configuration (fingerprint %s, "+
			"here %s): give both the same file, stop that one first, or choose another name",
			other.Host, other.PID, other.Started.Format(time.RFC3339), b.cfg.Name, other.Fingerprint, b.cfg.Fingerprint)
	}
	return nil
}
