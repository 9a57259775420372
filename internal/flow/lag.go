package flow

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Lags tells at each scrape how far the running flows of one kind are behind. It
// is a prometheus.Collector.
type Lags struct {
	records, seconds *prometheus.Desc

	mu    sync.Mutex // guards flows
	flows map[*watched]struct{}
}

type watched struct {
	name, topic string
	partitions  func() []Partition
}

// NewLags returns the collector of the metrics with these names.
func NewLags(recordsName, secondsName string) *Lags {
	return &Lags{
		records: prometheus.NewDesc(recordsName,
			"Offsets between the first record without a committed outcome and the end of the partition.", []string{"flow", "partition"}, nil),
		seconds: prometheus.NewDesc(secondsName,
			"Age of the oldest record without a committed outcome; 0 when there is none.", []string{"flow"}, nil),
		flows: map[*watched]struct{}{},
	}
}

// Watch adds a running flow, until stop is called. Records are those of its
// source topic; the age counts retried ones as well.
func (l *Lags) Watch(name, topic string, partitions func() []Partition) (stop func()) {
	w := &watched{name, topic, partitions}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flows[w] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.flows, w)
	}
}

// Describe implements prometheus.Collector.
func (l *Lags) Describe(ch chan<- *prometheus.Desc) { ch <- l.records; ch <- l.seconds }

// Collect implements prometheus.Collector.
func (l *Lags) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.flows {
		var age time.Duration
		for _, p := range w.partitions() {
			if p.Topic == w.topic {
				ch <- prometheus.MustNewConstMetric(l.records, prometheus.GaugeValue, float64(p.Lag), w.name, strconv.Itoa(int(p.Partition)))
			}
			if !p.Oldest.IsZero() {
				age = max(age, time.Since(p.Oldest))
			}
		}
		ch <- prometheus.MustNewConstMetric(l.seconds, prometheus.GaugeValue, age.Seconds(), w.name)
	}
}
