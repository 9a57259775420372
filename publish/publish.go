// Package publish turns the records of Kafka topics into platform events:
// records come in through a consumer group, go out through the Pub/Sub API's
// PublishStream in the order of their partition, and leave an outcome each.
package publish

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	Drain           time.Duration // default 30 s

	Kafka   *kafka.Client
	Decoder *schemas.Decoder
	PubSub  *pubsub.Client
	Schemas *schemas.Cache
	API     *salesforce.Client // tells the user id for CreatedById

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Flow carries one topic to one platform event.
type Flow struct{}

// New checks the configuration. It calls nobody.
func New(cfg Config) (*Flow, error) { return nil, errors.ErrUnsupported }

// Prepare reaches the org and the topic once and checks that they fit: channel,
// permission, mapping. Errors that waiting mends are Retryable.
func (f *Flow) Prepare(ctx context.Context) error { return errors.ErrUnsupported }

// Run publishes until ctx ends; it waits out what passes. An error needs a
// person.
func (f *Flow) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Status tells how the flow is doing in this process.
func (f *Flow) Status() flow.Status { return flow.Status{} }

// Problem is why the flow is not well, "" if it is.
func (f *Flow) Problem() string { return "" }

// Retryable tells whether an error of Prepare may pass.
func Retryable(err error) bool { return false }
