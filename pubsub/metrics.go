package pubsub

import (
	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
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
		reconnects: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_reconnects_total",
			Help: "Streams lost and opened again, by channel and reason: transport, unavailable, auth, exhausted, limit, silence, clean_close, internal.",
		}, []string{"channel", "reason"})),
		streams: metric.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_pubsub_calls_open",
			Help: "Calls to the Pub/Sub API that are open now.",
		})),
		conns: metric.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_pubsub_connections",
			Help: "HTTP/2 connections to the Pub/Sub API in the pool.",
		})),
		published: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_pubsub_published_events_total",
			Help: "Events handed to Publish by outcome: success, refused, unknown.",
		}, []string{"outcome"})),
	}
}
