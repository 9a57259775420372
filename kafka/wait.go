package kafka

import (
	"context"
	"time"

	"sfbridge/internal/backoff"
)

// waiter pauses between the attempts of one call, longer each time.
type waiter struct {
	policy   backoff.Policy
	attempts int
}

func newWaiter(base, max time.Duration) *waiter {
	return &waiter{policy: backoff.Policy{Base: base, Max: max}}
}

// wait returns an error only when ctx ends first.
func (w *waiter) wait(ctx context.Context) error {
	w.attempts++
	return backoff.Sleep(ctx, w.policy.Wait(w.attempts, 0))
}
