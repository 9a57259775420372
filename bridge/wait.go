package bridge

import (
	"context"
	"time"

	"sfbridge/internal/backoff"
)

// retries counts the attempts of one piece of work and waits between them.
type retries struct {
	policy backoff.Policy
	n      int
}

func retrying(base, ceiling time.Duration) *retries {
	return &retries{policy: backoff.Policy{Base: base, Max: ceiling}}
}

// wait pauses before the next attempt; its error is the context's.
func (r *retries) wait(ctx context.Context) error {
	r.n++
	return backoff.Sleep(ctx, r.policy.Wait(r.n, 0))
}

func (r *retries) reset() { r.n = 0 }
