package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/kafka"
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
func (e *encoder) codec(ctx context.Context, id event.SchemaID) (codec *schemas.Codec, err error) {
	unknown := 0
	passing := func(err error) bool {
		if unknownSchema(err) {
			unknown++
			return unknown < 3 // a service that is starting may say so in error
		}
		return pubsub.Retryable(err)
	}
	err = e.patiently(ctx, "schema not fetched, trying again", passing, func() (err error) {
		codec, err = e.ch.org.codecs.Codec(ctx, id)
		return err
	})
	bad := new(schemas.SchemaError)
	switch {
	case err == nil:
		return codec, nil
	case unknownSchema(err):
		return nil, &poisonError{Reason: reasonUnknownSchema, err: err}
	case errors.As(err, &bad):
		return nil, &poisonError{Reason: reasonBadSchema, err: err}
	}
	return nil, fmt.Errorf("schema %s: %w", id, err)
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
	limit, err := e.prepareTopic(ctx, r.topic)
	if err != nil {
		return nil, err
	}
	id, err := e.register(ctx, r.topic+"-value", codec.Normalised())
	if err != nil {
		return nil, err
	}
	r.id, r.limit = id, limit
	return r, nil
}

// recordOverhead is more than what a batch and a record add around key, value
// and headers.
const recordOverhead = 1024

// patiently repeats a step until it succeeds, fails in a way that waiting does
// not mend, or ctx ends: passing over the event would lose it, and giving up
// the channel would call for a person who can do nothing.
func (e *encoder) patiently(ctx context.Context, waiting string, retryable func(error) bool, step func() error) error {
	bo := retrying(200*time.Millisecond, 30*time.Second)
	for {
		err := step()
		if err == nil || !retryable(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.ch.log.Warn(waiting, "err", err)
		if err := bo.wait(ctx); err != nil {
			return err
		}
	}
}

// register waits for a registry that is away; its refusal ends the channel.
func (e *encoder) register(ctx context.Context, subject, schema string) (id schemas.ID, err error) {
	err = e.patiently(ctx, "registry does not take the schema, trying again", schemas.Retryable, func() (err error) {
		id, err = e.b.registry.Register(ctx, subject, schema)
		if err == nil || schemas.Retryable(err) {
			e.b.health.part(partRegistry, err)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", subject, err)
	}
	return id, nil
}

// prepareTopic makes sure of a topic and asks for its size limit.
func (e *encoder) prepareTopic(ctx context.Context, topic string) (limit int, err error) {
	err = e.patiently(ctx, "topic cannot be prepared yet, trying again", kafka.Retryable, func() (err error) {
		if err = e.b.ensureDataTopic(ctx, topic); err == nil {
			limit, err = e.b.kafka.MaxRecordBytes(ctx, topic)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prepare topic %s: %w", topic, err)
	}
	return limit - recordOverhead, nil
}

// fits asks whether a topic can hold a record.
func (e *encoder) fits(ctx context.Context, rec kafka.Record) (ok bool, err error) {
	err = e.patiently(ctx, "size of a record not settled, trying again", kafka.Retryable, func() (err error) {
		ok, err = e.b.kafka.Fits(ctx, rec)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("size limit of topic %s: %w", rec.Topic, err)
	}
	return ok, nil
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
