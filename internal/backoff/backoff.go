// Package backoff says how long to wait before trying again: exponential, with
// full jitter, under a ceiling, and never sooner than the server asked for.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Policy describes a growing wait. The zero value is usable: one second,
// doubling, up to a minute.
type Policy struct {
	Base time.Duration // ceiling of the first wait; one second if zero
	Max  time.Duration // ceiling of every wait; one minute if zero

	// Rand gives numbers in [0,1) and is here for tests; nil means
	// math/rand/v2. It is called from whatever goroutine calls Wait.
	Rand func() float64
}

// Wait returns the pause before the attempt that follows attempt failures
// (counted from one). It is spread evenly between half of the base and the
// ceiling, since clients that fail together would otherwise come back together.
// A wait that the server asked for is kept, with up to one base on top of it.
func (p Policy) Wait(attempt int, asked time.Duration) time.Duration {
	base, ceiling := p.bounds()
	random := p.Rand
	if random == nil {
		random = rand.Float64
	}
	if asked > 0 {
		return asked + time.Duration(random()*float64(base))
	}
	high := base
	for n := 1; n < attempt && high < ceiling; n++ {
		high *= 2
	}
	high = min(high, ceiling)
	low := base / 2
	return low + time.Duration(random()*float64(high-low))
}

func (p Policy) bounds() (base, ceiling time.Duration) {
	base, ceiling = p.Base, p.Max
	if base <= 0 {
		base = time.Second
	}
	if ceiling <= 0 {
		ceiling = time.Minute
	}
	return base, max(base, ceiling)
}

// Sleep pauses for d, or until ctx is done; then it returns the cause.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
