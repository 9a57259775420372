package writeback

import (
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// pace says how many calls may be under way, by how the org took those before.
// It is for one goroutine.
type pace struct {
	most   int // calls at once in good times
	policy backoff.Policy

	now    int       // calls at once
	raised time.Time // when now was changed last
	fails  int       // calls that failed as a whole, one after the other
	until  time.Time // no call before
	reason string    // of the wait
	limit  bool      // the wait is for a limit of the org
	locks  time.Time // rows of one parent stay apart until then
}

const (
	recovery  = 15 * time.Second // of one call more at once
	lockQuiet = 5 * time.Minute  // how long rows of one parent stay apart after a lock
	limitLook = 5 * time.Minute  // between looks at a limit that is used up
)

func newPace(most int) *pace {
	return &pace{most: most, now: most, policy: backoff.Policy{Base: time.Second, Max: time.Minute}}
}

// calls is how many may be under way at once; 0 while the org is left alone.
// The first call after a wait goes alone.
func (p *pace) calls(now time.Time) int {
	switch {
	case now.Before(p.until):
		return 0
	case p.fails > 0:
		return 1
	}
	if p.now < p.most && now.Sub(p.raised) >= recovery {
		p.now, p.raised = p.now+1, now
	}
	return p.now
}

// exclusive tells whether rows of one parent have to stay apart.
func (p *pace) exclusive(now time.Time) bool { return now.Before(p.locks) }

// well notes a call that the org took.
func (p *pace) well() {
	p.fails, p.until, p.reason, p.limit = 0, time.Time{}, "", false
}

// failed notes a call that failed as a whole, and gives the label of
// sfbridge_writeback_retries_total.
func (p *pace) failed(now time.Time, e *callError) string {
	if !now.Before(p.until) { // calls that were under way together fail together: that is one failure
		p.fails++
	}
	p.reason, p.limit = e.Error(), false
	wait, label := p.policy.Wait(p.fails, e.after), "unreachable"
	org, said := asError(e.err)
	switch {
	case said && org.Concurrent():
		label = "concurrent"
		p.slower(now)
	case e.class == salesforce.ClassLimit:
		label = "limit"
		p.limit, wait = true, max(wait, limitLook)
	case e.class == salesforce.ClassAuth:
		label = "login"
	case e.unknown:
		label = "unknown_outcome"
	case said:
		label = "refused"
	}
	if until := now.Add(wait); until.After(p.until) {
		p.until = until
	}
	return label
}

// locked notes rows that were refused for locks that others hold.
func (p *pace) locked(now time.Time) {
	if !p.exclusive(now) || now.Sub(p.raised) > time.Second {
		p.slower(now)
	}
	p.locks = now.Add(lockQuiet)
}

// slower halves the calls at once.
func (p *pace) slower(now time.Time) {
	p.now, p.raised = max(1, p.now/2), now
}
