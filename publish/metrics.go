package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/flow"
	"sfbridge/internal/metric"
	"sfbridge/kafka"
)

// metrics are what one flow counts; docs/metrics.md explains each. All flows of
// a process share the vectors.
type metrics struct {
	name    string
	records *prometheus.CounterVec
	latency prometheus.Observer
	lag     *flow.Lags
}

func newMetrics(reg prometheus.Registerer, name string) *metrics {
	return &metrics{
		name: name,
		records: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_publish_records_total", Help: "Records on their way to platform events, by their outcome.",
		}, []string{"flow", "outcome"})),
		latency: metric.Register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sfbridge_publish_latency_seconds", Help: "From the record's timestamp to its outcome being known.",
			Buckets: []float64{.025, .05, .1, .2, .3, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}, []string{"flow"})).WithLabelValues(name),
		lag: metric.Register(reg, flow.NewLags("sfbridge_publish_lag_records", "sfbridge_publish_lag_seconds")),
	}
}

// outcome counts what became of a record.
func (m *metrics) outcome(outcome string, r *kafka.Record, now time.Time) {
	m.records.WithLabelValues(m.name, outcome).Inc()
	m.latency.Observe(max(0, now.Sub(r.Time).Seconds()))
}
