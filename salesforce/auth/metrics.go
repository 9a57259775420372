package auth

import (
	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
)

// metrics counts what the session does.
type metrics struct {
	logins      *prometheus.CounterVec // by outcome: success, refused, failed
	invalidated prometheus.Counter
}

// newMetrics registers with reg, or counts for nobody when reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		logins: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_auth_logins_total",
			Help: "Logins to the org by outcome: success, refused (a person has to act), failed (not reached or busy).",
		}, []string{"outcome"})),
		invalidated: metric.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_auth_tokens_invalidated_total",
			Help: "Access tokens that the org stopped taking.",
		})),
	}
}
