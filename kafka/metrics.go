package kafka

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what this package counts. Without a registerer they are counted and seen by nobody.
type metrics struct {
	commits       *prometheus.CounterVec // outcome: committed, fenced, too_large, doubt, refused
	commitSeconds prometheus.Histogram
	written       prometheus.Counter
	writtenBytes  prometheus.Counter
	read          prometheus.Counter
	hidden        prometheus.Counter
	retries       *prometheus.CounterVec // reason
	connects      *prometheus.CounterVec // outcome: ok, failed
	generations   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commits: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_commits_total", Help: "Commits by outcome.",
		}, []string{"outcome"})),
		commitSeconds: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sfbridge_kafka_commit_seconds", Help: "Time that a commit takes.",
			Buckets: []float64{.001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8, 16},
		})),
		written: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_written_total", Help: "Records committed.",
		})),
		writtenBytes: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_written_bytes_total", Help: "Bytes of record batches committed, after compression.",
		})),
		read: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_read_total", Help: "Committed records read.",
		})),
		hidden: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_hidden_total", Help: "Records of aborted transactions that were passed over.",
		})),
		retries: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_retries_total", Help: "Requests sent again, by reason.",
		}, []string{"reason"})),
		connects: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_connects_total", Help: "Connections opened to brokers, by outcome.",
		}, []string{"outcome"})),
		generations: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_group_generations_total", Help: "Generations of consumer groups that this process joined.",
		})),
	}
	return m
}

// register adds c to reg, or returns the collector of that name which another client of this process registered.
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
