package orgsim

import (
	"net/http"
	"sync"
	"time"
)

// longCall is how long a call has to be under way to count towards the limit
// of concurrent ones; shorter ones have no limit (Developer Limits and
// Allocations, "Concurrent API Request Limits").
const longCall = 20 * time.Second

// runningCalls are the calls under way.
type runningCalls struct {
	mu      sync.Mutex
	started map[*call]time.Time // guarded by mu
}

// begin counts a call in; what it returns counts it out.
func (rc *runningCalls) begin(c *call) (end func()) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.started == nil {
		rc.started = map[*call]time.Time{}
	}
	rc.started[c] = time.Now()
	return func() {
		rc.mu.Lock()
		defer rc.mu.Unlock()
		delete(rc.started, c)
	}
}

// long counts the calls that have been under way for long.
func (rc *runningCalls) long() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	n := 0
	for _, began := range rc.started {
		if time.Since(began) >= longCall {
			n++
		}
	}
	return n
}

// checkConcurrent refuses a call while too many long ones are under way. Code
// and status are those of the daily limit; only the message tells.
func (c *call) checkConcurrent() error {
	if limit := c.rest.cfg.MaxLongCalls; limit > 0 && c.rest.running.long() >= limit {
		return &apiError{
			Status: http.StatusForbidden, Code: "REQUEST_LIMIT_EXCEEDED",
			Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
		}
	}
	return nil
}

// travel lets the time pass that a call takes on its way and in the org, before
// the call has any effect.
func (c *call) travel() {
	if c.rest.cfg.Latency <= 0 {
		return
	}
	select {
	case <-time.After(c.rest.cfg.Latency):
	case <-c.ctx.Done():
		panic(http.ErrAbortHandler)
	}
}
