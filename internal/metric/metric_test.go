package metric_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/metric"
)

func counter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total"})
}

func TestRegister_SecondClientSharesTheFirstOnes(t *testing.T) {
	reg := prometheus.NewRegistry()
	first := metric.Register(reg, counter())
	if second := metric.Register(reg, counter()); second != first {
		t.Error("a second client got a collector that nobody reads")
	}
	if other := metric.Register(prometheus.NewRegistry(), counter()); other == first {
		t.Error("another registry shares a collector")
	}
	if metric.Register(nil, counter()) == nil {
		t.Error("no collector without a registry")
	}
}
