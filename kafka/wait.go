package kafka

import (
	"context"
	"log/slog"
	"time"

	"sfbridge/internal/backoff"
)

// waiter pauses between the attempts of one call, longer each time.
type waiter struct {
	policy   backoff.Policy
	attempts int
	began    time.Time
	told     bool
}

func newWaiter(base, max time.Duration) *waiter {
	return &waiter{policy: backoff.Policy{Base: base, Max: max}, began: time.Now()}
}

// wait returns an error only when ctx ends first.
func (w *waiter) wait(ctx context.Context) error {
	w.attempts++
	return backoff.Sleep(ctx, w.policy.Wait(w.attempts, 0))
}

// noticeAfter is when trying again is worth a line at level Warn.
const noticeAfter = 2 * time.Second

// level is that of the line which tells of a failed attempt: Warn once, when it has gone on for a while, and Debug otherwise.
func (w *waiter) level() slog.Level {
	if w.told || time.Since(w.began) < noticeAfter {
		return slog.LevelDebug
	}
	w.told = true
	return slog.LevelWarn
}
