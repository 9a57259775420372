package echo

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/event"
	"sfbridge/kafka"
	"sfbridge/schemas"
)

// RegistryConfig says where announcements are read.
type RegistryConfig struct {
	Kafka      *kafka.Client
	Topic      string
	Client     string // that this bridge's writes carry in their origin: sfbridge-<name>
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Registry knows the writes that were announced and not seen as events yet. It is
// safe for use by many goroutines.
type Registry struct{ cfg RegistryConfig }

// NewRegistry makes a registry. It calls nobody; Run fills it.
func NewRegistry(cfg RegistryConfig) *Registry { return &Registry{cfg: cfg} }

// Run follows the topic from its start until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Judge judges the events of one channel. One goroutine uses it.
type Judge struct{ r *Registry }

// Judge makes a judge for a channel of an org.
func (r *Registry) Judge(org string) *Judge { return &Judge{r: r} }

// Begin begins a response: what was announced before now covers all its events.
func (j *Judge) Begin() {}

// Own tells whether an event has this bridge's change origin.
func (j *Judge) Own(h *event.Header) bool { return false }

// Echo tells whether the change of one record of an event with this bridge's
// origin is the echo of a write.
func (j *Judge) Echo(ctx context.Context, codec *schemas.Codec, payload []byte, h *event.Header, id string) (bool, error) {
	return false, nil
}
