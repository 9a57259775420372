package kafka

import (
	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
)

// metrics are what this package counts. Without a registerer they are counted and seen by nobody.
type metrics struct {
	commits       *prometheus.CounterVec // outcome: committed, fenced, stale, too_large, doubt, refused
	commitSeconds prometheus.Histogram
	written       prometheus.Counter
	writtenBytes  prometheus.Counter
	read          prometheus.Counter
	hidden        prometheus.Counter
	retries       *prometheus.CounterVec // reason
	connects      *prometheus.CounterVec // outcome: ok, failed
	generations   prometheus.Counter
	delivered     prometheus.Counter
	settled       prometheus.Counter
	lost          prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commits: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_commits_total", Help: "Commits by outcome.",
		}, []string{"outcome"})),
		commitSeconds: metric.Register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sfbridge_kafka_commit_seconds", Help: "Time that a commit takes.",
			Buckets: []float64{.001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8, 16},
		})),
		written: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_written_total", Help: "Records committed.",
		})),
		writtenBytes: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_written_bytes_total", Help: "Bytes of record batches committed, after compression.",
		})),
		read: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_read_total", Help: "Committed records read.",
		})),
		hidden: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_hidden_total", Help: "Records of aborted transactions that were passed over.",
		})),
		retries: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_retries_total", Help: "Requests sent again, by reason.",
		}, []string{"reason"})),
		connects: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_kafka_connects_total", Help: "Connections opened to brokers, by outcome.",
		}, []string{"outcome"})),
		generations: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_group_generations_total", Help: "Generations of consumer groups that this process joined.",
		})),
		delivered: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_delivered_total", Help: "Records of consumed topics handed out; some come again after a rebalance.",
		})),
		settled: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_settled_total", Help: "Records of consumed topics whose outcome and offset are committed.",
		})),
		lost: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_kafka_records_lost_total", Help: "Offsets that retention deleted before they were read, passed over as configured.",
		})),
	}
	return m
}
