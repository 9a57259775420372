package auth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the session does.
type metrics struct {
	logins      *prometheus.CounterVec // by outcome: success, refused, failed
	invalidated prometheus.Counter
}

// newMetrics registers with reg, or counts for nobody when reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		logins: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sfbridge_auth_logins_total",
			Help: "Logins to the org by outcome: success, refused (a person has to act), failed (not reached or busy).",
		}, []string{"outcome"})),
		invalidated: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sfbridge_auth_tokens_invalidated_total",
			Help: "Access tokens that the org stopped taking.",
		})),
	}
}

// register returns the collector that is registered under c's name: c, or the
// one of an earlier session.
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
