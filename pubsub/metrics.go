package pubsub

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the client does.
type metrics struct {
	reconnects *prometheus.CounterVec // channel, reason
	streams    prometheus.Gauge
	conns      prometheus.Gauge
	published  *prometheus.CounterVec // outcome
}

// newMetrics registers with reg, or counts for nobody when reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		reconnects: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_reconnects_total",
			Help: "Streams lost and opened again, by channel and reason: transport, unavailable, auth, exhausted, limit, silence, clean_close, internal.",
		}, []string{"channel", "reason"})),
		streams: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_pubsub_calls_open",
			Help: "Calls to the Pub/Sub API that are open now.",
		})),
		conns: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_pubsub_connections",
			Help: "HTTP/2 connections to the Pub/Sub API in the pool.",
		})),
		published: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_pubsub_published_events_total",
			Help: "Events handed to Publish by outcome: success, refused, unknown.",
		}, []string{"outcome"})),
	}
}

// register returns the collector that is registered under c's name: c, or the
// one of an earlier client.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := already.ExistingCollector.(C); ok {
			return same
		}
	}
	return c
}
