package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// longestKey is the longest key of a source record that its result has too: a
// topic of results takes smaller records than some sources.
const longestKey = 64 << 10

func source(r *kafka.Record) flow.Source {
	return flow.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Time.UTC()}
}

// done settles a record that is published, or is not to be.
func (c *carrier) done(it *item, outcome, reason string) {
	now := time.Now().UTC()
	c.f.metrics.outcome(outcome, &it.d.Record, now)
	c.f.state.Moved()
	if c.f.cfg.ResultsTopic == "" {
		it.d.Settle()
		return
	}
	r := flow.Result{
		Flow: c.f.cfg.Name, Org: c.f.cfg.Org, Object: c.f.cfg.Event, Outcome: outcome, Reason: reason,
		RetryOf: header(&it.d.Record, flow.HeaderRetryOf), Source: source(&it.d.Record), Time: now,
	}
	if outcome == flow.Published {
		r.ID, r.API, r.Attempts = it.event.ID, "pubsub", it.attempts+1
	}
	key := it.d.Key
	if len(key) > longestKey {
		key = nil
	}
	it.d.Settle(kafka.Record{Topic: c.f.cfg.ResultsTopic, Partition: kafka.AnyPartition, Key: key, Value: encode(&r), Time: now})
}

// refuse settles a record as a dead letter. It waits while Kafka cannot tell how
// large a letter may be; if ctx ends before, the record stays unsettled.
func (c *carrier) refuse(ctx context.Context, it *item, why *refusal) error {
	now := time.Now().UTC()
	rec, err := c.fitting(ctx, c.letter(it, why, now))
	if err != nil {
		return err
	}
	it.d.Settle(rec)
	c.f.metrics.outcome(flow.DeadLetter, &it.d.Record, now)
	c.f.state.Moved()
	if c.f.cfg.DeadLettered != nil {
		c.f.cfg.DeadLettered(why.reason)
	}
	c.f.log.Warn("record set aside", "reason", why.reason, "topic", it.d.Topic, "partition", it.d.Partition, "offset", it.d.Offset, "err", why.text)
	return nil
}

func (c *carrier) letter(it *item, why *refusal, now time.Time) *flow.Letter {
	d := &it.d.Record
	l := &flow.Letter{
		Kind: flow.KindPublish, Reason: why.reason, Error: why.text, Code: why.code, Message: why.message, Fields: why.fields,
		Flow: c.f.cfg.Name, Org: c.f.cfg.Org, Object: c.f.cfg.Event, Key: it.event.ID, Attempts: it.attempts,
		RetryOf: header(d, flow.HeaderRetryOf), Source: source(d), RecordKey: d.Key, Value: d.Value, Tombstone: d.Value == nil, Time: now,
	}
	for _, h := range d.Headers {
		l.Headers = append(l.Headers, flow.Header{Key: h.Key, Value: h.Value})
	}
	return l
}

// fitting makes the record of a letter, which leaves out what the topic has no
// room for: the value, and then headers and key. The source still has them.
func (c *carrier) fitting(ctx context.Context, l *flow.Letter) (kafka.Record, error) {
	key := l.RecordKey
	for _, shorten := range [...]func(){
		func() {},
		func() { l.Value = nil },
		func() { l.Headers, l.RecordKey, l.Fields, key = nil, nil, nil, nil },
	} {
		shorten()
		rec := kafka.Record{
			Topic: c.f.cfg.DeadLetterTopic, Partition: kafka.AnyPartition, Key: key, Value: encode(l), Time: l.Time,
			Headers: []kafka.Header{{Key: flow.HeaderReason, Value: []byte(l.Reason)}},
		}
		fits, err := c.fits(ctx, rec)
		if err != nil || fits {
			return rec, err
		}
	}
	return kafka.Record{}, fmt.Errorf("topic %s takes no dead letter at all: raise its max.message.bytes", c.f.cfg.DeadLetterTopic)
}

// fits asks until Kafka answers.
func (c *carrier) fits(ctx context.Context, rec kafka.Record) (bool, error) {
	policy := backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second}
	for n := 1; ; n++ {
		fits, err := c.f.cfg.Kafka.Fits(ctx, rec)
		if err == nil {
			return fits, nil
		}
		if backoff.Sleep(ctx, policy.Wait(n, 0)) != nil {
			return false, fmt.Errorf("size of topic %s: %w", rec.Topic, err)
		}
	}
}

// encode gives the JSON of what is always encodable.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("publish: outcome that is no JSON: " + err.Error())
	}
	return b
}
