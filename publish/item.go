package publish

import (
	"context"
	"fmt"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/schemas"
)

// What one event and one request may hold (Pub/Sub API guide): the guide says
// 1 MB and not which; 200 events and 3 MB are advised.
const (
	maxEventBytes   = 1 << 20
	sureEventBytes  = 1_000_000
	maxRequest      = 200
	maxRequestBytes = 2_900_000
)

// item is one record on its way: from its delivery until it is settled. Its
// fields belong to the goroutine that has it.
type item struct {
	d        *kafka.Delivery
	event    pubsub.Event
	attempts int                  // at sending that the org refused
	why      *pubsub.PublishError // the last refusal
	due      time.Time
}

func (it *item) size() int {
	return len(it.event.Payload) + len(it.event.ID) + len(it.event.SchemaID) + 32
}

// build makes the event of a record. skip is why there is none; an error means
// that ctx ended.
func (c *carrier) build(ctx context.Context, it *item) (why *refusal, skip string, err error) {
	if it.d.Value == nil {
		return nil, flow.SkipTombstone, nil
	}
	in, why, err := c.input(ctx, &it.d.Record)
	if why != nil || err != nil {
		return why, "", err
	}
	s := c.f.shape.Load()
	it.event.SchemaID = s.id
	if it.event.Payload, why = c.f.encode(s, in); why == nil {
		it.event.ID, why = c.f.uuid(&it.d.Record, in)
	}
	return why, "", nil
}

// encode makes the Avro datum of a decoded record.
func (f *Flow) encode(s *shape, in *expression.Input) ([]byte, *refusal) {
	values, why := f.values(s, in)
	if why != nil {
		return nil, why
	}
	values[fieldDate], values[fieldUser] = time.Now().UnixMilli(), s.user
	payload, err := s.codec.AppendValues(nil, values)
	switch n := len(payload); {
	case err != nil:
		return nil, &refusal{reason: flow.BadValue, text: err.Error()}
	case n > maxEventBytes:
		return nil, &refusal{reason: flow.TooLarge, text: fmt.Sprintf("the event has %d bytes, one may have 1 MB", n)}
	}
	return payload, nil
}

// uuid is the event's: what the configuration says, the id of the CloudEvent
// that the record is, or one made from the record's position. Equal records
// give equal ones, so that an event published twice can be told.
func (f *Flow) uuid(r *kafka.Record, in *expression.Input) (string, *refusal) {
	if f.id == nil {
		if id := header(r, "ce_id"); id != "" {
			if isUUID(id) {
				return asUUID(id), nil
			}
			return uuidOf(header(r, "ce_source") + "\n" + id), nil
		}
		return uuidOf(positionOf(r)), nil
	}
	v, present, err := f.id.Eval(in)
	if err != nil {
		return "", &refusal{reason: flow.BadMapping, text: fmt.Sprintf("id: %v", err)}
	}
	t := target{avro: "string"}
	text, err := t.convert(v)
	switch id, ok := text.(string); {
	case err != nil:
		return "", &refusal{reason: flow.BadValue, text: fmt.Sprintf("id: %v", err)}
	case !present || !ok:
		return "", &refusal{reason: flow.NoKey, text: "the record has no value for the event's id"}
	default:
		return asUUID(id), nil
	}
}

// input decodes a record for expressions. It waits while the registry cannot be
// asked; an error means that ctx ended.
func (c *carrier) input(ctx context.Context, rec *kafka.Record) (*expression.Input, *refusal, error) {
	in := &expression.Input{Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Time.UnixMilli()}
	if len(rec.Headers) > 0 {
		in.Headers = make(map[string]string, len(rec.Headers))
		for _, h := range rec.Headers {
			in.Headers[h.Key] = string(h.Value)
		}
	}
	var err error
	if in.Value, err = c.ask(ctx, rec.Value, c.f.cfg.Decoder.Decode); err != nil {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		return nil, &refusal{reason: flow.Undecodable, text: err.Error()}, nil
	}
	if c.f.needsKey() {
		if in.Key, err = c.ask(ctx, rec.Key, c.f.cfg.Decoder.DecodeKey); err != nil {
			return nil, nil, err
		}
	}
	return in, nil, nil
}

// needsKey tells whether any expression may look at the key.
func (f *Flow) needsKey() bool { return f.cfg.Fields != nil || f.id != nil }

// ask decodes a value or a key, and asks the registry again while it is away.
func (c *carrier) ask(ctx context.Context, data []byte, decode func(context.Context, []byte, schemas.Format) (any, error)) (any, error) {
	policy := backoff.Policy{Base: 500 * time.Millisecond, Max: 30 * time.Second}
	for n := 1; ; n++ {
		v, err := decode(ctx, data, c.f.cfg.Format)
		if err == nil || !schemas.Retryable(err) || ctx.Err() != nil {
			c.registry.Store(nil)
			return v, err
		}
		text := "schema registry: " + err.Error()
		c.registry.Store(&text)
		if err := backoff.Sleep(ctx, policy.Wait(n, 0)); err != nil {
			return nil, err
		}
	}
}
