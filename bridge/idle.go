package bridge

import "time"

// idlePositions holds back units without records for a while: a thousand quiet
// channels should not cost a transaction for each keepalive. They ride along
// with the next data, or go together when the time is over. Nothing hangs on
// it but how fresh a position is, and it has to be fresh against the org's
// retention alone.
type idlePositions struct {
	units map[*channel]unit
	wait  time.Duration
	timer *time.Timer
}

func newIdlePositions(retention time.Duration) *idlePositions {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &idlePositions{units: make(map[*channel]unit), wait: min(5*time.Minute, retention/100), timer: t}
}

func (p *idlePositions) stop() { p.timer.Stop() }

func (p *idlePositions) due() <-chan time.Time { return p.timer.C }

// keep takes the units without events out of units and remembers the newest of
// each channel. A channel with events here has overtaken its idle position, and
// a channel's first position does not wait: until it is stored, a crash would
// begin at latest again.
func (p *idlePositions) keep(units []unit) []unit {
	rest := units[:0]
	for _, u := range units {
		if u.events > 0 || len(u.records) > 0 || u.ch.snapshot().PositionAt.IsZero() {
			delete(p.units, u.ch)
			rest = append(rest, u)
			continue
		}
		if len(p.units) == 0 {
			p.timer.Reset(p.wait)
		}
		p.units[u.ch] = u
	}
	return rest
}

// take appends the waiting units to dst, after the units that it holds.
func (p *idlePositions) take(dst []unit) []unit {
	for ch, u := range p.units {
		dst = append(dst, u)
		delete(p.units, ch)
	}
	p.timer.Stop()
	return dst
}
