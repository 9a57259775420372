package writeback

import (
	"fmt"
	"time"

	"sfbridge/salesforce"
)

// budget is what the org's API calls of the day allow.
type budget struct {
	reserve, scarce float64 // shares of the limit
}

// allowance is what a budget says at a moment.
type allowance struct {
	atLimit bool
	reason  string
	// spacing is the least time between calls that are not full, once calls are
	// scarce; 0 before.
	spacing time.Duration
}

// longestSpacing is how long a row may wait for company to save calls.
const longestSpacing = time.Minute

// at says what may be done by the usage that an answer told. Nothing is known
// before the first answer, and then all is allowed.
func (b budget) at(u salesforce.APIUsage) allowance {
	if u.At.IsZero() || u.Limit <= 0 {
		return allowance{}
	}
	left, limit := float64(u.Remaining()), float64(u.Limit)
	switch {
	case left <= b.reserve*limit:
		return allowance{atLimit: true, reason: fmt.Sprintf(
			"%d of the org's %d API calls of 24 hours are used, the last %d are left to others (api_reserve)",
			u.Used, u.Limit, int64(b.reserve*limit))}
	case left < b.scarce*limit:
		return allowance{spacing: min(longestSpacing, time.Duration(float64(24*time.Hour)/limit))}
	}
	return allowance{}
}
