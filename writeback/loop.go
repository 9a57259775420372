package writeback

import (
	"context"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/writeback/rows"
)

// lookAround is how often the state is told anew while nothing happens.
const lookAround = 10 * time.Second

// loop decides what is called when, until the share is over, taking ends or
// somebody has to look.
func (c *carrier) loop(taking context.Context) error {
	timer := time.NewTimer(lookAround)
	defer timer.Stop()
	for {
		now := time.Now()
		wake := c.dispatch(taking, now)
		c.tell(now)
		timer.Reset(untilWake(now, wake))
		select {
		case items := <-c.arrivals:
			c.arrive(items)
		case rep := <-c.reports:
			c.finished(rep)
			if rep.lost {
				return nil
			}
		case <-timer.C:
		case <-c.pokes:
		case err := <-c.ended:
			return err
		case <-taking.Done():
			return nil
		}
	}
}

func untilWake(now, wake time.Time) time.Duration {
	if wake.IsZero() {
		return lookAround
	}
	return min(lookAround, max(wake.Sub(now), time.Millisecond))
}

// arrive takes items in. A target that came between their mapping and now is
// for them, too.
func (c *carrier) arrive(items []*item) {
	now := time.Now()
	if c.sched.waiting == 0 && c.inFlight.Load() == 0 {
		c.f.state.Moved()
	}
	c.follow(now)
	kept := items[:0]
	for _, it := range items {
		if it.target == c.target || c.remap(it) {
			kept = append(kept, it)
		}
	}
	c.sched.add(now, kept)
}

// follow maps what waits anew if the target has changed.
func (c *carrier) follow(now time.Time) {
	if t := c.f.target.Load(); t != c.target {
		c.target = t
		c.sched.retarget(now, c.remap)
	}
}

// remap maps an item for the present target. It tells whether the item still
// has to be written.
func (c *carrier) remap(it *item) bool {
	why, err := c.mapRow(c.calling, it)
	switch {
	case err != nil: // the share has ended
		return true
	case why != nil:
		c.work.Go(func() { c.settler.refuse(c.calling, it, why) })
		return false
	case it.row == nil:
		c.settler.skip(it, flow.SkipTombstone)
		return false
	}
	if it.moved && it.row.Op == rows.Upsert {
		row := *it.row
		row.Op = rows.Update
		it.row = &row
	}
	return true
}

// dispatch makes the calls that are due, and says when to look again.
func (c *carrier) dispatch(taking context.Context, now time.Time) (wake time.Time) {
	more, known := c.more()
	if !known && now.Before(c.began.Add(firstLook)) {
		return now.Add(firstLook / 20)
	}
	out := outlook{now: now, calls: c.pace.calls(now), exclusive: c.pace.exclusive(now), more: more}
	if out.calls == 0 {
		wake = c.pace.until
	}
	if c.sched.trails.due() {
		wake = sooner(wake, c.sched.committed(now, c.share.Positions()))
	}
	for {
		a := c.allowance()
		out.spacing = a.spacing
		if a.atLimit {
			out.calls = 0
			wake = sooner(wake, c.look(c.calling, now))
		}
		b, at := c.sched.next(out)
		if b == nil {
			return sooner(wake, at)
		}
		c.start(taking, b)
	}
}

// allowance is what the day's API calls allow, with the calls under way counted
// as made.
func (c *carrier) allowance() allowance {
	u := c.f.cfg.API.APIUsage()
	u.Used += int64(c.sched.calls)
	return c.budget.at(u)
}

// start carries a batch out. Bulk jobs end with the share; other calls may end
// in their own time.
func (c *carrier) start(taking context.Context, b *batch) {
	ctx := c.calling
	if b.api == apiBulk {
		ctx = taking
	}
	c.count(len(b.items))
	c.work.Go(func() { c.reports <- c.call(ctx, b) })
}

func (c *carrier) count(rows int) {
	c.inFlight.Add(int64(rows))
	c.met.inFlight.Add(float64(rows))
}

// finished takes a call's report.
func (c *carrier) finished(rep report) {
	now := time.Now()
	c.count(-len(rep.b.items))
	switch {
	case rep.err != nil:
		label := c.pace.failed(now, rep.err)
		c.met.retry(label)
	case rep.well:
		c.pace.well()
	}
	if rep.locks {
		c.pace.locked(now)
	}
	if c.over { // what has to be written still is for whoever has the partitions next
		return
	}
	c.follow(now)
	for it, again := range rep.again {
		rep.again[it] = c.current(again)
	}
	c.sched.end(now, rep.b, rep.again)
}

// current maps items anew that come back from a call with an older target.
func (c *carrier) current(items []*item) []*item {
	var out []*item
	for _, it := range items {
		if it.target == c.target {
			out = append(out, it)
			continue
		}
		for _, one := range it.parts() {
			if c.remap(one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// markers is how many offsets between what is delivered and the stable end are
// taken for markers of transactions, which are never delivered.
const markers = 2

// firstLook is how long a new share may take to hear how much there is, before
// it begins without knowing.
const firstLook = time.Second

// more is how many records are about to come: those in the hands of the intake,
// and those in Kafka, if that is known already.
func (c *carrier) more() (n int64, known bool) {
	known = true
	for _, at := range c.share.Positions() {
		known = known && at.Stable >= 0
		if gap := at.Stable - at.Next; gap > markers {
			n += gap
		}
	}
	return n + c.share.Delivered() - c.handed.Load(), known // asked last: what was delivered meanwhile counts twice, not never
}

// look asks the org for its limits while nothing else is called, so that the
// flow notices when calls are free again; it says when it does so next.
func (c *carrier) look(ctx context.Context, now time.Time) time.Time {
	since := c.looked
	if at := c.f.cfg.API.APIUsage().At; at.After(since) {
		since = at
	}
	next := since.Add(limitLook)
	if c.probing.Load() || c.sched.waiting == 0 || next.After(now) {
		return next
	}
	c.looked = now
	c.probing.Store(true)
	c.work.Go(func() {
		if _, err := c.f.cfg.API.Limits(ctx); err != nil {
			c.f.log.Debug("limits not read", "err", err)
		}
		c.probing.Store(false)
		c.poke()
	})
	return now.Add(limitLook)
}

// tell makes the flow's state what it is.
func (c *carrier) tell(now time.Time) {
	state, reason, until := flow.Running, "", time.Time{}
	a, kafka := c.allowance(), c.share.Trouble()
	switch text := c.troubled.Load(); {
	case text != nil:
		state, reason = flow.BackingOff, *text
	case kafka != nil:
		state, reason = flow.BackingOff, "kafka: "+kafka.Error()
	case c.pace.fails > 0 && (c.sched.waiting > 0 || now.Before(c.pace.until)):
		state, reason, until = flow.BackingOff, c.pace.reason, c.pace.until
		if c.pace.limit {
			state = flow.AtLimit
		}
	case a.atLimit && c.sched.waiting > 0:
		state, reason, until = flow.AtLimit, a.reason+"; the next look is due", c.nextLook()
	default:
		reason = c.jobsText(now)
	}
	if c.f.state.Set(state, reason, until) {
		c.f.logState(state, reason, until)
	}
}

func (c *carrier) nextLook() time.Time {
	at := c.f.cfg.API.APIUsage().At
	return later(c.looked, at).Add(limitLook)
}

// longestJob is how long a bulk job may keep rows before people are told.
const longestJob = time.Hour

// jobsText says which bulk job is waited for. One that runs is no stand-still,
// unless it takes too long.
func (c *carrier) jobsText(now time.Time) string {
	jobs := c.f.jobs.list()
	if len(jobs) == 0 {
		return ""
	}
	if jobs[0].err == nil && now.Sub(jobs[0].since) < longestJob {
		c.f.state.Moved()
	}
	return jobs[0].String()
}
