package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

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
	mu     sync.Mutex // guards latest
	latest APIUsage
}

var remaining = prometheus.NewDesc("sfbridge_salesforce_api_remaining",
	"API calls left to the org in the current 24 hours, as the latest answer told.", nil, nil)

// Describe names the metric.
func (u *usage) Describe(ch chan<- *prometheus.Desc) { ch <- remaining }

// Collect gives the metric, once it is known: zero would say that no call is
// left.
func (u *usage) Collect(ch chan<- prometheus.Metric) {
	if now := u.get(); !now.At.IsZero() {
		ch <- prometheus.MustNewConstMetric(remaining, prometheus.GaugeValue, float64(now.Remaining()))
	}
}

// read takes Sforce-Limit-Info: api-usage=4711/115000, from an answer.
func (u *usage) read(h http.Header) {
	if used, limit, ok := parseLimitInfo(h.Get("Sforce-Limit-Info")); ok {
		u.set(used, limit)
	}
}

func (u *usage) set(used, limit int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.latest = APIUsage{Used: used, Limit: limit, At: time.Now()}
}

func (u *usage) get() APIUsage {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.latest
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
func (c *Client) APIUsage() APIUsage { return c.usage.get() }
