package orgsim

import (
	"net/http"
	"sync"
	"time"
)

// apiUsage counts calls over the last 24 hours, an hour a bucket.
type apiUsage struct {
	mu      sync.Mutex
	buckets [24]int // guarded by mu
	last    int64   // guarded by mu; the hour of the newest bucket, since the epoch
}

// count adds a call, unless the limit is reached; it gives the calls of the
// last 24 hours.
func (u *apiUsage) count(now time.Time, limit int) (used int, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	used = u.roll(now)
	if used >= limit {
		return used, false
	}
	u.buckets[u.last%24]++
	return used + 1, true
}

// used gives the calls of the last 24 hours.
func (u *apiUsage) used(now time.Time) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.roll(now)
}

// roll empties the buckets of hours gone by. The caller holds mu.
func (u *apiUsage) roll(now time.Time) int {
	hour := now.Unix() / 3600
	for h := max(u.last+1, hour-23); h <= hour; h++ {
		u.buckets[h%24] = 0
	}
	u.last = max(u.last, hour)
	sum := 0
	for _, n := range u.buckets {
		sum += n
	}
	return sum
}

// limit is one entry of the limits resource.
type limit struct {
	Max       int
	Remaining int
}

// limits answers with the allocations that a bridge reads.
func (c *call) limits() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	daily, bulk := c.rest.cfg.DailyAPILimit, c.rest.bulk
	free := func(n int) limit { return limit{Max: n, Remaining: n} }
	used := func(most, usual, n int64) limit {
		if most == 0 {
			most = usual
		}
		return limit{Max: int(most), Remaining: int(max(0, most-n))}
	}
	o := c.rest.org
	return c.json(http.StatusOK, map[string]limit{
		"DailyApiRequests":                            {Max: daily, Remaining: max(0, daily-c.rest.usage.used(time.Now()))},
		"DailyBulkApiBatches":                         {Max: bulk.cfg.DailyBatches, Remaining: bulk.batchesLeft()},
		"DailyBulkV2QueryJobs":                        {Max: bulk.cfg.DailyQueries, Remaining: bulk.queriesLeft()},
		"DailyBulkV2QueryFileStorageMB":               free(976562),
		"DailyDeliveredPlatformEvents":                used(o.cfg.DeliveryLimit, 50_000, o.Delivered()),
		"HourlyPublishedPlatformEvents":               used(o.cfg.PublishLimit, 250_000, o.Published()),
		"HourlyPublishedStandardVolumePlatformEvents": free(1000),
		"MonthlyPlatformEventsUsageEntitlement":       free(0),
		"DurableStreamingApiConcurrentClients":        free(2000),
		"DailyDurableStreamingApiEvents":              free(1000000),
		"HourlyODataCallout":                          free(20000),
		"HourlyLongTermIdMapping":                     free(100000),
		"HourlyShortTermIdMapping":                    free(100000),
		"DailyAsyncApexExecutions":                    free(250000),
		"DataStorageMB":                               free(10240),
		"FileStorageMB":                               free(10240),
	})
}
