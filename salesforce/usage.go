package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"sfbridge/internal/metric"

	"github.com/prometheus/client_golang/prometheus"
)

// APIUsage is how many of the day's API calls are used, as the latest answer
// told.
type APIUsage struct {
	Used  int64
	Limit int64
	At    time.Time // when it was told; zero if no answer has told yet
}

// Remaining is how many calls are left.
func (u APIUsage) Remaining() int64 { return max(0, u.Limit-u.Used) }

// usage keeps the latest APIUsage and shows it as a metric.
type usage struct {
	mu        sync.Mutex // guards latest
	latest    APIUsage
	remaining prometheus.Gauge
}

func (u *usage) register(reg prometheus.Registerer) {
	u.remaining = metric.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sfbridge_salesforce_api_remaining",
		Help: "API calls left to the org in the current 24 hours, as the latest answer told.",
	}))
}

// read takes Sforce-Limit-Info: api-usage=4711/115000, from an answer.
func (u *usage) read(h http.Header) {
	used, limit, ok := parseLimitInfo(h.Get("Sforce-Limit-Info"))
	if !ok {
		return
	}
	u.mu.Lock()
	u.latest = APIUsage{Used: used, Limit: limit, At: time.Now()}
	left := u.latest.Remaining()
	u.mu.Unlock()
	u.remaining.Set(float64(left))
}

// parseLimitInfo finds api-usage among the items of the header, which may also
// hold per-app-api-usage.
func parseLimitInfo(v string) (used, limit int64, ok bool) {
	for item := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if n, err := fmt.Sscanf(item, "api-usage=%d/%d", &used, &limit); err == nil && n == 2 && used >= 0 && limit >= 0 {
			return used, limit, true
		}
	}
	return 0, 0, false
}

// APIUsage returns what the latest answer told.
func (c *Client) APIUsage() APIUsage {
	c.usage.mu.Lock()
	defer c.usage.mu.Unlock()
	return c.usage.latest
}
