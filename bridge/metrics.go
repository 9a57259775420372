package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/flow"
)

// metrics are the bridge's promises in numbers; docs/metrics.md explains each.
type metrics struct {
	events        *prometheus.CounterVec
	records       *prometheus.CounterVec
	transactions  *prometheus.CounterVec
	latency       *prometheus.HistogramVec
	lastEvent     *prometheus.GaugeVec
	deadLetters   *prometheus.CounterVec
	gaps          *prometheus.CounterVec
	replayExpired *prometheus.CounterVec
	laneRestarts  *prometheus.CounterVec
	up            *prometheus.GaugeVec
	buffered      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_events_total",
			Help: "Events committed to Kafka, set aside ones included.",
		}, []string{"org", "channel"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_records_total",
			Help: "Records committed to Kafka: one for each record id of an event.",
		}, []string{"org", "channel"}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_transactions_total",
			Help: "Kafka transactions by outcome.",
		}, []string{"outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sfbridge_capture_latency_seconds",
			Help:    "From commit in Salesforce (whole seconds) to commit in Kafka.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}, []string{"org", "channel"}),
		lastEvent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sfbridge_capture_last_event_timestamp_seconds",
			Help: "Salesforce commit time of the last committed event.",
		}, []string{"org", "channel"}),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_dead_letters_total",
			Help: "Events and records set aside in the dead-letter topic.",
		}, []string{"reason"}),
		gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_gaps_total",
			Help: "Gap and overflow events by what became of them.",
		}, []string{"type", "outcome"}),
		replayExpired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_replay_expired_total",
			Help: "Positions that the org no longer accepted.",
		}, []string{"org", "channel"}),
		laneRestarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_capture_lane_restarts_total",
			Help: "Lanes that dropped their work and resumed from the checkpoint, by reason.",
		}, []string{"reason"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sfbridge_up",
			Help: "1 while the part can be used.",
		}, []string{"part"}),
		buffered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sfbridge_capture_buffered_bytes",
			Help: "Bytes of records that wait for their transaction.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.events, m.records, m.transactions, m.latency, m.lastEvent,
		m.deadLetters, m.gaps, m.replayExpired, m.laneRestarts, m.buffered,
	} {
		reg.MustRegister(c)
	}
	return m
}

// lagCollector computes lag and window when scraped, so that they grow while
// nothing arrives.
type lagCollector struct {
	b           *Bridge
	lag, window *prometheus.Desc
}

func newLagCollector(b *Bridge) *lagCollector {
	labels := []string{"org", "channel"}
	return &lagCollector{
		b: b,
		lag: prometheus.NewDesc("sfbridge_capture_lag_seconds",
			"Now minus the commit time of the last committed event; 0 when caught up.", labels, nil),
		window: prometheus.NewDesc("sfbridge_replay_window_remaining_seconds",
			"Time until the org forgets the position that this channel would resume from.", labels, nil),
	}
}

func (c *lagCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.lag; ch <- c.window }

func (c *lagCollector) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	for _, ch := range c.b.channels {
		s := ch.snapshot()
		if !s.Assigned {
			continue // another process reports it
		}
		labels := []string{ch.capture.Org, ch.capture.Channel}
		out <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, s.lag(now).Seconds(), labels...)
		if !s.PositionAt.IsZero() {
			left := c.b.cfg.Retention - now.Sub(s.PositionAt)
			out <- prometheus.MustNewConstMetric(c.window, prometheus.GaugeValue, left.Seconds(), labels...)
		}
	}
}

// flowCollector shows the state of each flow when scraped.
type flowCollector struct {
	b     *Bridge
	state *prometheus.Desc
}

func newFlowCollector(b *Bridge) *flowCollector {
	return &flowCollector{b: b, state: prometheus.NewDesc("sfbridge_flow_state",
		"1 for the state that a flow out of Kafka is in, 0 for the others.", []string{"flow", "kind", "state"}, nil)}
}

func (c *flowCollector) Describe(out chan<- *prometheus.Desc) { out <- c.state }

func (c *flowCollector) Collect(out chan<- prometheus.Metric) {
	for _, o := range c.b.outbound {
		now := o.status().State
		for _, state := range []string{flow.Waiting, flow.Running, flow.BackingOff, flow.AtLimit, flow.Stopped} {
			v := 0.0
			if state == now {
				v = 1
			}
			out <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, v, o.names.flow, o.names.kind, state)
		}
	}
}

// upCollector asks the flows how they are when scraped; the other parts tell of
// themselves when that changes.
type upCollector struct{ b *Bridge }

func (c upCollector) Describe(out chan<- *prometheus.Desc) { c.b.metrics.up.Describe(out) }

func (c upCollector) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	for _, o := range c.b.outbound {
		up := 1.0
		if o.problem(now) != "" {
			up = 0
		}
		c.b.metrics.up.WithLabelValues(o.names.part()).Set(up)
	}
	c.b.metrics.up.Collect(out)
}
