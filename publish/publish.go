// Package publish turns the records of Kafka topics into platform events:
// records come in through a consumer group, go out through the Pub/Sub API's
// PublishStream, and leave an outcome each, which is committed together with
// the offset.
//
// Events of one key are sent in the order of their records, one at a time: an
// event that the org refuses holds back later ones of its key and nobody else.
// The service itself stores an event again when the answer to it was lost; the
// event's UUID is made from the record, so that subscribers can tell.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/schemas"
)

// Config is one flow: a topic to a platform event.
type Config struct {
	Name     string // of the flow: erp.shipments/main/Shipment__e
	Org      string
	Event    string               // API name: Shipment__e
	Consumer kafka.ConsumerConfig // topic, group, retry topic under With, transactional ids
	Format   schemas.Format
	// Fields maps names of the event's fields to expressions. Nil maps each
	// field of the record to the field of the same name.
	Fields map[string]string
	// IgnoreUnmapped, without Fields: drop what the event lacks, in place of a
	// dead letter.
	IgnoreUnmapped bool
	ID             string // expression for the event's UUID; default: header ce_id, else made from the record's position

	ResultsTopic    string // "" writes no results
	DeadLetterTopic string
	Drain           time.Duration // how long a share that ends may take to finish its calls; default 30 s

	Kafka   *kafka.Client
	Decoder *schemas.Decoder
	PubSub  *pubsub.Client
	Schemas *schemas.Cache
	API     *salesforce.Client // tells the user id for CreatedById

	DeadLettered func(reason string) // counts dead letters; nil for nobody

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Flow carries one topic to one platform event.
type Flow struct {
	cfg     Config
	log     *slog.Logger
	state   *flow.State
	fields  []mapped               // of Config.Fields, by name
	id      *expression.Expression // nil without Config.ID
	metrics *metrics
	shape   atomic.Pointer[shape]   // set by Prepare
	share   atomic.Pointer[carrier] // of this process; nil while there is none
}

// New checks the configuration. It calls nobody.
func New(cfg Config) (*Flow, error) {
	switch {
	case cfg.Event == "" || cfg.Consumer.Topic == "":
		return nil, errors.New("publish: a topic and a platform event are needed")
	case cfg.DeadLetterTopic == "":
		return nil, errors.New("publish: a topic for dead letters is needed")
	case cfg.Kafka == nil || cfg.Decoder == nil || cfg.PubSub == nil || cfg.Schemas == nil || cfg.API == nil:
		return nil, errors.New("publish: clients of Kafka, the registry and the org are needed")
	}
	if cfg.Format == "" {
		cfg.Format = schemas.Auto
	}
	if cfg.Drain <= 0 {
		cfg.Drain = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Flow{cfg: cfg, state: flow.NewState(), log: cfg.Logger.With("component", "publish")}
	if err := f.compile(); err != nil {
		return nil, fmt.Errorf("publish %s: %w", cfg.Name, err)
	}
	f.metrics = newMetrics(cfg.Registerer, cfg.Name)
	return f, nil
}

// channel is the event's channel of the Pub/Sub API.
func (f *Flow) channel() string { return "/event/" + f.cfg.Event }

// Prepare reaches the org and the topic once and checks that they fit: channel,
// permission, mapping. Errors that waiting mends are Retryable.
func (f *Flow) Prepare(ctx context.Context) error {
	if _, err := f.cfg.Kafka.Partitions(ctx, f.cfg.Consumer.Topic); err != nil {
		return fmt.Errorf("publish %s: %w", f.cfg.Name, &stepError{err, kafka.Retryable(err)})
	}
	if _, err := f.refresh(ctx); err != nil {
		return fmt.Errorf("publish %s: %w", f.cfg.Name, err)
	}
	return nil
}

// Status tells how the flow is doing in this process.
func (f *Flow) Status() flow.Status {
	st := flow.Status{
		Flow: f.cfg.Name, Kind: flow.KindPublish, Topic: f.cfg.Consumer.Topic, Group: f.cfg.Consumer.Group,
		Org: f.cfg.Org, Object: f.cfg.Event, Partitions: f.partitions(),
	}
	f.state.Fill(&st)
	if c := f.share.Load(); c != nil {
		st.InFlight = int(c.inFlight.Load())
	}
	return st
}

// Problem is why the flow is not well, "" if it is.
func (f *Flow) Problem() string { return f.state.Problem(f.partitions()) }

func (f *Flow) partitions() []flow.Partition {
	c := f.share.Load()
	if c == nil {
		return nil
	}
	var out []flow.Partition
	for _, p := range c.share.Positions() {
		out = append(out, flow.Partition{
			Topic: p.Topic, Partition: p.Partition, Committed: p.Committed, End: max(p.Stable, p.Committed),
			Lag: max(0, p.Stable-p.Committed), Oldest: p.Oldest,
		})
	}
	return out
}

// stepError is an error of one of the clients, with what that client says of
// trying again.
type stepError struct {
	err   error
	again bool
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// Retryable tells whether an error of Prepare may pass.
func Retryable(err error) bool {
	e, ok := errors.AsType[*stepError](err)
	return ok && e.again
}
