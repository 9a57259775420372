package writeback

import (
	"slices"
	"strings"
	"time"

	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// scheduler has all rows that wait and says which of them go into which call,
// and when. It has neither goroutine nor clock and calls nobody; it is for one
// goroutine.
type scheduler struct {
	maxWait   time.Duration
	bulkAbove int // 0: never
	bulkRows  int
	bulkTakes func(*rows.Row) bool
	// merge puts older into newer, which then has the effect of both, or says
	// that they have to be written one after the other.
	merge func(older, newer *item) bool

	lanes   map[string]*lane   // by identity
	single  map[*lane]struct{} // of rows without one
	groups  map[groupKey]*group
	delayed delays
	trails  trails
	waiting int // items in lanes that are in no call

	calls   int            // under way, without bulk jobs
	jobs    int            // bulk jobs under way
	parents map[string]int // of rows in calls, while locks are a trouble

	arrived   time.Time // when the latest item came
	called    time.Time // when the latest call was made
	bulkSince time.Time // since when a job is wanted and gathers rows
}

func newScheduler(cfg *Config) *scheduler {
	s := &scheduler{
		maxWait: cfg.MaxWait, bulkAbove: cfg.BulkAbove, bulkRows: cfg.BulkRows,
		lanes: map[string]*lane{}, single: map[*lane]struct{}{}, groups: map[groupKey]*group{}, parents: map[string]int{},
		trails: newTrails(), merge: join, bulkTakes: func(*rows.Row) bool { return false },
	}
	if cfg.Conflict != Overwrite { // each record's version is compared with the row's
		s.merge = func(older, newer *item) bool { return false }
	}
	return s
}

// join merges an older item that waits into a newer one of the same row.
func join(older, newer *item) bool {
	merged, ok := newer.target.mapper.Merge(older.row, newer.row)
	if !ok {
		return false
	}
	combine(older, newer, merged)
	return true
}

// combine makes newer carry older, and what that one carries, with a row that
// has the effect of all.
func combine(older, newer *item, merged *rows.Row) {
	newer.plain, newer.row = newer.own(), merged
	newer.under = append(append(older.under, older), newer.under...)
	older.row, older.plain, older.under = older.own(), nil, nil
}

// parts takes a merged item to the records that it carries, in order.
func (it *item) parts() []*item {
	all := append(it.under, it)
	it.under = nil
	if it.plain != nil {
		it.row, it.plain = it.plain, nil
	}
	return all
}

// apart takes a merged item to its records, each to be written alone.
func (it *item) apart() []*item {
	all := it.parts()
	for _, one := range all {
		one.alone = true
	}
	return all
}

// outlook is what the scheduler has to know of the world.
type outlook struct {
	now     time.Time
	calls   int           // that may be under way at once; 0: none now
	more    int64         // records that are about to come from Kafka
	spacing time.Duration // at least, between calls that are not full; 0 while calls are plenty
	// exclusive keeps rows of one parent out of calls that run side by side.
	exclusive bool
}

// While more rows are about to come, a call that is not full waits for them:
// as long as they do come, and not beyond a limit.
const (
	gather     = 50 * time.Millisecond
	gatherBulk = 5 * time.Second
)

// add takes new items, in the order of their partitions.
func (s *scheduler) add(now time.Time, items []*item) {
	for _, it := range items {
		it.arrived = now
		l := s.laneOf(it)
		if n := len(l.queue); n == 0 || !s.joined(l.queue[n-1], it) {
			l.queue = append(l.queue, it)
			s.waiting++
		} else {
			l.queue[n-1] = it
		}
		s.place(l, now)
	}
	s.arrived = now
}

// joined merges an item that waits into one that came later, if that may be. Rows that may have
// been inserted stay as they are: they will be looked up.
func (s *scheduler) joined(older, newer *item) bool {
	if older.alone || newer.alone || older.unknown || newer.unknown || older.attempts > 0 || older.target != newer.target {
		return false
	}
	if !s.merge(older, newer) {
		return false
	}
	newer.arrived, newer.after = older.arrived, older.after
	if older.id != "" && newer.id == "" {
		newer.id = older.id
	}
	return true
}

// next gives a batch to be sent now, or when to ask again; a zero time is for
// when something has changed.
func (s *scheduler) next(o outlook) (*batch, time.Time) {
	s.wake(o.now)
	wake := s.delayed.next()
	if o.calls == 0 {
		return nil, wake
	}
	for _, g := range s.byAge() {
		b, at := s.fromGroup(g, o)
		if b != nil {
			return b, time.Time{}
		}
		wake = sooner(wake, at)
	}
	return nil, wake
}

// byAge gives the groups with rows, that of the oldest row first.
func (s *scheduler) byAge() []*group {
	gs := make([]*group, 0, len(s.groups))
	for k, g := range s.groups {
		if g.n == 0 {
			delete(s.groups, k)
			continue
		}
		g.prune()
		gs = append(gs, g)
	}
	slices.SortFunc(gs, func(a, b *group) int {
		if c := a.first().arrived.Compare(b.first().arrived); c != 0 {
			return c
		}
		return strings.Compare(string(a.key.op)+a.key.shape, string(b.key.op)+b.key.shape)
	})
	return gs
}

func (s *scheduler) fromGroup(g *group, o outlook) (*batch, time.Time) {
	if s.wantsBulk(g, o) {
		if s.jobs > 0 {
			return nil, time.Time{} // the job's end wakes
		}
		if at := s.gatherBulk(g, o); at.After(o.now) {
			return nil, at
		}
		if b := s.take(g, o, apiBulk, s.bulkRows); b != nil {
			s.bulkSince = time.Time{}
			return b, time.Time{}
		}
	}
	if s.calls >= o.calls {
		return nil, time.Time{}
	}
	if at := s.due(g, o); at.After(o.now) {
		return nil, at
	}
	return s.take(g, o, apiCollections, salesforce.MaxCollection), time.Time{}
}

// wantsBulk tells whether so much waits, here and in Kafka, that a job is the
// better way. Most of the threshold has to be here: a small window keeps rows
// from becoming worth a job.
func (s *scheduler) wantsBulk(g *group, o outlook) bool {
	above := s.bulkAbove
	if o.spacing > 0 {
		above = (above + 1) / 2
	}
	if above <= 0 || g.key.limit > 0 || int64(g.n)+o.more <= int64(above) || !s.bulkTakes(g.first().row) {
		return false
	}
	return g.n > above/2 || o.more > 0 && o.now.Before(s.arrived.Add(2*gather))
}

// gatherBulk says how long a job waits for more rows.
func (s *scheduler) gatherBulk(g *group, o outlook) time.Time {
	if s.bulkSince.IsZero() {
		s.bulkSince = o.now
	}
	if g.n >= s.bulkRows {
		return o.now
	}
	// Also when nothing more is known of: who writes a hundred thousand records
	// is read as fast as that, and would else make many small jobs.
	return sooner(s.arrived.Add(2*gather), s.bulkSince.Add(gatherBulk))
}

// due says when a group's next call may be made. A full one goes at once. One
// that is not full goes at once if no other is under way; else it waits, at most
// for maxWait, since rows that come meanwhile cost no call of their own.
func (s *scheduler) due(g *group, o outlook) time.Time {
	if g.n >= g.room() {
		return o.now
	}
	oldest := g.first().arrived
	if o.spacing > 0 {
		return later(oldest.Add(max(s.maxWait, o.spacing)), s.called.Add(o.spacing))
	}
	if s.calls > 0 {
		return oldest.Add(s.maxWait)
	}
	if o.more > 0 {
		return sooner(s.arrived.Add(gather), oldest.Add(s.maxWait))
	}
	return o.now
}

// take makes a batch of a group's oldest rows; nil if none can go now.
func (s *scheduler) take(g *group, o outlook, api string, most int) *batch {
	if g.key.limit > 0 {
		most = min(most, g.key.limit)
	}
	b := &batch{op: g.key.op, target: g.key.target, api: api}
	g.take(most, func(l *lane) bool {
		it := l.queue[0]
		if api == apiBulk && len(b.items) > 0 && !s.bulkTakes(it.row) {
			return false
		}
		if o.exclusive && it.row.Parent != "" && s.parents[it.row.Parent] > 0 {
			return false
		}
		l.queue, l.busy = l.queue[1:], true
		b.items = append(b.items, it)
		return true
	})
	if len(b.items) == 0 {
		return nil
	}
	s.begin(b, o)
	return b
}

// begin counts a batch as under way.
func (s *scheduler) begin(b *batch, o outlook) {
	s.waiting -= len(b.items)
	for _, it := range b.items {
		if p := it.row.Parent; p != "" {
			s.parents[p]++
			b.parents = append(b.parents, p)
		}
	}
	if b.api == apiBulk {
		s.jobs++
	} else {
		s.calls++
	}
	s.called = o.now
	if b.api == apiCollections && len(b.items) == 1 {
		b.api = apiREST
	}
	// Rows of one parent side by side lock it once (C23 of the users' cases).
	slices.SortStableFunc(b.items, func(x, y *item) int { return strings.Compare(x.row.Parent, y.row.Parent) })
}

// end takes a call's batch back. again are the items that have to be written
// still, by the item of the batch that they come from and in their order; items
// that are not there are settled.
func (s *scheduler) end(now time.Time, b *batch, again map[*item][]*item) {
	if b.api == apiBulk {
		s.jobs--
	} else {
		s.calls--
	}
	for _, p := range b.parents {
		if s.parents[p]--; s.parents[p] == 0 {
			delete(s.parents, p)
		}
	}
	for _, it := range b.items {
		s.release(now, b.op, it, again[it])
	}
}

// release gives a row's lane back, with what has to be written still in front.
func (s *scheduler) release(now time.Time, op rows.Operation, it *item, again []*item) {
	l := it.lane
	l.busy = false
	if len(again) == 0 {
		s.trails.settled(it, op)
	}
	for _, a := range again {
		a.lane = l
	}
	if n := len(again); n > 0 {
		s.waiting += n
		if len(l.queue) > 0 && s.joined(again[n-1], l.queue[0]) {
			again = again[:n-1]
			s.waiting--
		}
		l.queue = append(slices.Clone(again), l.queue...)
	}
	s.place(l, now)
}

// retarget takes every waiting item to its records and hands these to fn, which
// maps them again, or takes them out by answering false.
func (s *scheduler) retarget(now time.Time, fn func(*item) bool) {
	for _, l := range s.all() {
		old := l.queue
		l.queue = nil
		s.waiting -= len(old)
		for _, it := range old {
			for _, one := range it.parts() {
				if !fn(one) {
					continue
				}
				one.lane = l
				if n := len(l.queue); n > 0 && s.joined(l.queue[n-1], one) {
					l.queue[n-1] = one
					continue
				}
				l.queue = append(l.queue, one)
				s.waiting++
			}
		}
		s.place(l, now)
	}
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
