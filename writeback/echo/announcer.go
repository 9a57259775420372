package echo

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/kafka"
)

// AnnouncerConfig says where writes are announced.
type AnnouncerConfig struct {
	Kafka      *kafka.Client
	Topic      string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// NewAnnouncer makes the announcer that all flows of a process share. It calls
// nobody.
func NewAnnouncer(cfg AnnouncerConfig) *Announcer { return &Announcer{} }

// Close writes what Done was told and ends. It may be called twice, and is safe
// on nil.
func (a *Announcer) Close() error { return nil }

// Announce returns once the batch stands in the topic, so that whoever sees its
// effect can know of it.
func (a *Announcer) Announce(ctx context.Context, b Batch) (*Announced, error) {
	if a == nil {
		return nil, nil
	}
	return nil, errors.ErrUnsupported
}

// Done tells what the batch's rows are: record ids in the order of its writes, ""
// for those that were not written and will cause no event. It does not block; a
// loss of it costs precision, not truth. It is safe on nil.
func (a *Announced) Done(ids []string) {}
