package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/schemas"
)

// route finds where an event goes. The first event of a schema fetches it from
// the org, registers it and makes sure of the topic; the rest is a look-up.
func (e *encoder) route(ctx context.Context, ev *event.Raw) (*route, error) {
	if e.last != nil && e.lastID == ev.SchemaID {
		return e.last, nil
	}
	r := e.routes[ev.SchemaID]
	if r == nil {
		codec, err := e.codec(ctx, ev.SchemaID)
		if err != nil {
			return nil, err
		}
		if r, err = e.newRoute(ctx, codec); err != nil {
			return nil, err
		}
		e.routes[ev.SchemaID] = r
	}
	e.last, e.lastID = r, ev.SchemaID
	return r, nil
}

// codec gets the compiled schema. A schema that the org does not have, or that
// is no Avro schema, is the event's own fault; anything else is tried again
// until the channel ends, since passing over the event would lose it.
func (e *encoder) codec(ctx context.Context, id event.SchemaID) (*schemas.Codec, error) {
	bo := retrying(200*time.Millisecond, 30*time.Second)
	for attempt := 1; ; attempt++ {
		codec, err := e.ch.org.codecs.Codec(ctx, id)
		if err == nil {
			return codec, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if unknown := unknownSchema(err); unknown && attempt >= 3 {
			return nil, &poisonError{Reason: reasonUnknownSchema, err: err}
		} else if !unknown && !pubsub.Retryable(err) {
			if bad := new(schemas.SchemaError); errors.As(err, &bad) {
				return nil, &poisonError{Reason: reasonBadSchema, err: err}
			}
			return nil, fmt.Errorf("schema %s: %w", id, err)
		}
		e.ch.log.Warn("schema not fetched, trying again", "schema_id", id, "err", err)
		if err := bo.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// unknownSchema tells whether the org says that it has no such schema.
func unknownSchema(err error) bool {
	var e *pubsub.Error
	return errors.As(err, &e) && (e.Status == codes.NotFound || e.Status == codes.InvalidArgument)
}

func (e *encoder) newRoute(ctx context.Context, codec *schemas.Codec) (*route, error) {
	cfg := &e.b.cfg
	r := &route{codec: codec, schemaID: []byte(codec.SchemaID()), types: make(map[event.ChangeType][]byte)}
	if codec.IsChangeEvent() {
		r.topic = cfg.changeTopic(objectOfChannel("/data/" + codec.Name()))
	} else {
		r.topic = cfg.eventTopic(codec.Name())
		r.types[""] = []byte("com.salesforce." + codec.Name())
	}
	if err := e.b.ensureDataTopic(ctx, r.topic); err != nil {
		return nil, err
	}
	id, err := e.register(ctx, r.topic+"-value", codec.Normalised())
	if err != nil {
		return nil, err
	}
	r.id = id
	limit, err := e.b.kafka.MaxRecordBytes(ctx, r.topic)
	if err != nil {
		return nil, fmt.Errorf("size limit of topic %s: %w", r.topic, err)
	}
	r.limit = limit - recordOverhead
	return r, nil
}

// recordOverhead is more than what a batch and a record add around key, value
// and headers.
const recordOverhead = 1024

// register waits for a registry that is away; its refusal ends the channel.
func (e *encoder) register(ctx context.Context, subject, schema string) (schemas.ID, error) {
	bo := retrying(200*time.Millisecond, 30*time.Second)
	for attempt := 1; ; attempt++ {
		id, err := e.b.registry.Register(ctx, subject, schema)
		if err == nil {
			e.b.health.part(partRegistry, nil)
			return id, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if !schemas.Retryable(err) {
			return 0, fmt.Errorf("register %s: %w", subject, err)
		}
		e.b.health.part(partRegistry, err)
		e.ch.log.Warn("registry does not take the schema, trying again", "subject", subject, "err", err)
		if err := bo.wait(ctx); err != nil {
			return 0, err
		}
	}
}

// ensureDataTopic makes sure of a topic that holds events, once per process.
func (b *Bridge) ensureDataTopic(ctx context.Context, topic string) error {
	if _, ok := b.topics.Load(topic); ok {
		return nil
	}
	if err := b.ensureTopic(ctx, b.cfg.dataTopic(topic)); err != nil {
		return err
	}
	b.topics.Store(topic, true)
	return nil
}
