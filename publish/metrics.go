package publish

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
	"sfbridge/kafka"
)

// metrics are what one flow counts; docs/metrics.md explains each. All flows of
// a process share the vectors.
type metrics struct {
	name    string
	records *prometheus.CounterVec
	latency prometheus.Observer
	lag     *lagCollector
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
		lag: metric.Register(reg, newLagCollector()),
	}
}

// outcome counts what became of a record.
func (m *metrics) outcome(outcome string, r *kafka.Record, now time.Time) {
	m.records.WithLabelValues(m.name, outcome).Inc()
	m.latency.Observe(max(0, now.Sub(r.Time).Seconds()))
}

// lagCollector tells at each scrape how far the running flows are behind.
type lagCollector struct {
	records, seconds *prometheus.Desc

	mu    sync.Mutex // guards flows
	flows map[*Flow]struct{}
}

func newLagCollector() *lagCollector {
	return &lagCollector{
		records: prometheus.NewDesc("sfbridge_publish_lag_records",
			"Offsets between the first record without a committed outcome and the end of the partition.", []string{"flow", "partition"}, nil),
		seconds: prometheus.NewDesc("sfbridge_publish_lag_seconds",
			"Age of the oldest record without a committed outcome; 0 when there is none.", []string{"flow"}, nil),
		flows: map[*Flow]struct{}{},
	}
}

func (c *lagCollector) watch(f *Flow) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows[f] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.flows, f)
	}
}

// Describe implements prometheus.Collector.
func (c *lagCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.records; ch <- c.seconds }

// Collect implements prometheus.Collector.
func (c *lagCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.flows {
		var age time.Duration
		for _, p := range f.partitions() {
			if p.Topic == f.cfg.Consumer.Topic {
				ch <- prometheus.MustNewConstMetric(c.records, prometheus.GaugeValue, float64(p.Lag), f.cfg.Name, strconv.Itoa(int(p.Partition)))
			}
			if !p.Oldest.IsZero() {
				age = max(age, time.Since(p.Oldest))
			}
		}
		ch <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, age.Seconds(), f.cfg.Name)
	}
}
