package writeback

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
	name     string
	records  *prometheus.CounterVec
	latency  prometheus.Observer
	calls    *prometheus.CounterVec
	rows     *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	inFlight prometheus.Gauge
	lag      *flow.Lags
}

func newMetrics(reg prometheus.Registerer, name string) *metrics {
	return &metrics{
		name: name,
		records: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_writeback_records_total", Help: "Records by their outcome.",
		}, []string{"flow", "outcome"})),
		latency: metric.Register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sfbridge_writeback_latency_seconds", Help: "From the record's timestamp to its outcome being known.",
			Buckets: []float64{.025, .05, .1, .2, .3, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}, []string{"flow"})).WithLabelValues(name),
		calls: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_writeback_calls_total", Help: "Writing calls and bulk jobs by the API that was chosen.",
		}, []string{"flow", "api"})),
		rows: metric.Register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sfbridge_writeback_batch_rows", Help: "Rows of a call or bulk job.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 200, 1000, 5000, 20000, 100000},
		}, []string{"flow", "api"})),
		retries: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_writeback_retries_total", Help: "Rows and calls that are tried again, by reason.",
		}, []string{"flow", "reason"})),
		inFlight: metric.Register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sfbridge_writeback_in_flight", Help: "Rows in calls that are under way.",
		}, []string{"flow"})).WithLabelValues(name),
		lag: metric.Register(reg, flow.NewLags("sfbridge_writeback_lag_records", "sfbridge_writeback_lag_seconds")),
	}
}

// outcome counts what became of a record.
func (m *metrics) outcome(outcome string, r *kafka.Record, now time.Time) {
	m.records.WithLabelValues(m.name, outcome).Inc()
	m.latency.Observe(max(0, now.Sub(r.Time).Seconds()))
}

func (m *metrics) called(b *batch) {
	m.calls.WithLabelValues(m.name, b.api).Inc()
	m.rows.WithLabelValues(m.name, b.api).Observe(float64(len(b.items)))
}

func (m *metrics) retry(reason string) { m.retries.WithLabelValues(m.name, reason).Inc() }
