package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sfbridge/kafka"
)

// Finding is one line of a check: what was tried and how it went.
type Finding struct {
	Part   string `json:"part"`
	What   string `json:"what"`
	Detail string `json:"detail,omitempty"` // what works, in a few words
	Err    error  `json:"-"`                // what does not, with the remedy
}

// Check reaches each side and reports, line by line, what works and what to do
// about what does not. It changes nothing. It returns false if anything failed.
func (b *Bridge) Check(ctx context.Context, report func(Finding)) bool {
	c := &checker{b: b, report: report, ok: true}
	reached := c.kafka(ctx)
	c.registry(ctx)
	loggedIn := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(b.orgs)) {
		loggedIn[name] = c.org(ctx, b.orgs[name])
	}
	for _, o := range b.outbound {
		c.flow(ctx, o, reached, loggedIn[o.names.org])
	}
	if reached && len(b.channels) > 0 {
		c.positions(ctx)
	}
	return c.ok
}

type checker struct {
	b      *Bridge
	report func(Finding)
	ok     bool
}

// line reports one attempt and returns whether it worked.
func (c *checker) line(part, what, detail string, err error) bool {
	if err != nil {
		c.ok, detail = false, ""
	}
	c.report(Finding{Part: part, What: what, Detail: detail, Err: err})
	return err == nil
}

func (c *checker) kafka(ctx context.Context) (reached bool) {
	b := c.b
	if !c.line(partKafka, "reach the brokers", fmt.Sprint(b.cfg.Kafka.Brokers), b.kafka.Ping(ctx)) {
		return false
	}
	for _, spec := range b.topicSpecs() {
		detail, err := b.checkTopic(ctx, spec)
		c.line(partKafka, "topic "+spec.Name, detail, err)
	}
	c.line(partGroup, "other processes of "+b.cfg.Name, "none with another configuration", soon(ctx, b.checkMembers))
	if !b.cfg.AtLeastOnce {
		c.line(partKafka, "transactions", "the coordinator answers", soon(ctx, func(ctx context.Context) error {
			return b.kafka.CheckTransactions(ctx, b.cfg.transactionalID(0))
		}))
	}
	return true
}

// soon repeats what a fresh cluster refuses at first: it makes the internal
// topics of its coordinators when it is first asked for one.
func soon(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	bo := retrying(100*time.Millisecond, 2*time.Second)
	for {
		err := try(ctx)
		if err == nil || !kafka.Retryable(err) || bo.wait(ctx) != nil {
			return err
		}
	}
}

// checkTopic looks at a topic without creating it.
func (b *Bridge) checkTopic(ctx context.Context, spec kafka.TopicSpec) (string, error) {
	have, err := b.kafka.Partitions(ctx, spec.Name)
	switch {
	case kafka.IsUnknownTopic(err) && b.cfg.Topics.Create:
		return fmt.Sprintf("will be created with %d partitions", spec.Partitions), nil
	case err != nil:
		return "", b.explainTopic(spec, err)
	case b.cfg.byLane(spec.Name) && have != b.cfg.Lanes:
		return "", b.wrongLanes(spec.Name, have)
	case b.cfg.Topics.Create: // those that others made are theirs
		err = b.explainTopic(spec, b.kafka.CheckTopic(ctx, spec))
	}
	return fmt.Sprintf("%d partitions", have), err
}

// positions looks whether the positions that are there belong to these orgs.
func (c *checker) positions(ctx context.Context) {
	// Asked first, since reading a topic waits for one that was made a moment ago.
	if _, err := c.b.kafka.Partitions(ctx, c.b.cfg.checkpointTopic()); kafka.IsUnknownTopic(err) {
		return // none were ever written
	}
	positions, err := c.b.positions(ctx)
	if kafka.IsUnknownTopic(err) {
		return
	}
	if err == nil {
		err = c.b.checkPositions(positions)
	}
	c.line(partKafka, "positions", fmt.Sprintf("%d channels have one", len(positions)), err)
}

func (c *checker) registry(ctx context.Context) {
	c.line(partRegistry, "reach the registry", c.b.cfg.Registry.URL, c.b.registry.Check(ctx))
}

func (c *checker) org(ctx context.Context, o *org) (loggedIn bool) {
	part := partOrg(o.name)
	err := o.login(ctx)
	if !c.line(part, "log in with "+o.cfg.Auth.Method, "org "+o.id(), err) {
		return false
	}
	c.version(ctx, o, part)
	skew, err := o.rest.ClockSkew(ctx)
	if err == nil && skew.Abs() > time.Minute {
		err = fmt.Errorf("this machine's clock and the org's differ by %s: lag would be wrong, and JWT logins fail beyond "+
			"three minutes: run a time service here", skew.Round(time.Second))
	}
	c.line(part, "compare clocks", skew.Round(time.Millisecond).String(), err)
	limits, err := o.rest.Limits(ctx)
	detail := ""
	if l, ok := limits["DailyApiRequests"]; ok {
		detail = fmt.Sprintf("%d of %d API calls left today", l.Remaining, l.Max)
	}
	c.line(part, "read API limits", detail, err)
	for _, ch := range c.b.channels {
		if ch.org == o {
			c.line(part, "channel "+ch.capture.Channel, "can subscribe", checkChannel(ctx, o, ch.capture.Channel))
		}
	}
	return true
}

func (c *checker) version(ctx context.Context, o *org, part string) {
	versions, err := o.rest.Versions(ctx)
	want := o.cfg.REST.APIVersion
	offered := make([]string, len(versions))
	for i, v := range versions {
		offered[i] = v.Version
	}
	if err == nil && !slices.Contains(offered, want) {
		err = fmt.Errorf("the org does not offer API version %s: set api_version to one of %v", want, offered)
	}
	c.line(part, "API version "+want, "offered", err)
}
