package echo

import (
	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
)

type announcerMetrics struct {
	announced prometheus.Counter
	seconds   prometheus.Histogram
}

func newAnnouncerMetrics(reg prometheus.Registerer) *announcerMetrics {
	return &announcerMetrics{
		announced: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_echo_announced_total",
			Help: "Writes that were announced before they were sent.",
		})),
		seconds: metric.Register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sfbridge_echo_announce_seconds",
			Help:    "How long a call waited until its writes were announced.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		})),
	}
}

type registryMetrics struct {
	live      prometheus.Gauge
	forgotten prometheus.Counter
	unsettled prometheus.Counter
}

func newRegistryMetrics(reg prometheus.Registerer) *registryMetrics {
	return &registryMetrics{
		live: metric.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_echo_live_writes",
			Help: "Announced writes that no event has shown yet.",
		})),
		forgotten: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_echo_forgotten_total",
			Help: "Announced writes that were dropped before an event showed them: too old, or too many.",
		})),
		unsettled: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_echo_unsettled_total",
			Help: "Times that the announcements could not be read up to their end before events were judged.",
		})),
	}
}
