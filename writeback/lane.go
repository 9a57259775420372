package writeback

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// lane is one row of the org and what waits for it, in order.
type lane struct {
	name  string // identity of the row; "" for an insert, which is a row of its own
	queue []*item
	busy  bool      // one of its items is in a call
	after time.Time // it stands among the delayed until then; zero if it does not
	group *group    // it stands ready in; nil if it does not
	turn  uint64    // of its entry in the group
}

// groupKey is what rows of one call have in common.
type groupKey struct {
	op     rows.Operation
	shape  string
	target *target
	limit  int
}

// group has the lanes whose next rows may go into one call, in the order in
// which they became ready.
type group struct {
	key   groupKey
	ready []entry
	n     int // entries that hold
}

// entry is a lane's place in a group. It holds while the turn is the lane's.
type entry struct {
	lane *lane
	turn uint64
}

func (g *group) holds(e entry) bool { return e.lane.group == g && e.lane.turn == e.turn }

// prune drops what does not hold from the front, and all of it once it is the
// most.
func (g *group) prune() {
	for len(g.ready) > 0 && !g.holds(g.ready[0]) {
		g.ready = g.ready[1:]
	}
	if len(g.ready) > 2*g.n+1024 {
		g.ready = slices.DeleteFunc(slices.Clone(g.ready), func(e entry) bool { return !g.holds(e) })
	}
}

// first is the row that is ready for longest. The group is pruned and not empty.
func (g *group) first() *item { return g.ready[0].lane.queue[0] }

// room is how many rows a call takes that is no bulk job.
func (g *group) room() int {
	if g.key.limit > 0 {
		return min(g.key.limit, salesforce.MaxCollection)
	}
	return salesforce.MaxCollection
}

// passed is how many lanes are looked at in vain for one batch.
const passed = 4096

// take offers lanes to fn until most of them were taken; those that it does not
// want keep their places.
func (g *group) take(most int, fn func(*lane) bool) {
	var kept []entry
	i := 0
	for taken := 0; i < len(g.ready) && taken < most && len(kept) < passed; i++ {
		e := g.ready[i]
		switch {
		case !g.holds(e):
		case fn(e.lane):
			taken++
			e.lane.leave()
		default:
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		g.ready = g.ready[i:]
		return
	}
	g.ready = append(kept, g.ready[i:]...)
}

// laneOf finds the lane of an item's row, or makes one.
func (s *scheduler) laneOf(it *item) *lane {
	name := it.row.Identity
	l := s.lanes[name]
	if name == "" || l == nil {
		l = &lane{name: name}
		if name == "" {
			s.single[l] = struct{}{}
		} else {
			s.lanes[name] = l
		}
	}
	it.lane = l
	return l
}

// all gives every lane.
func (s *scheduler) all() []*lane {
	return slices.AppendSeq(slices.Collect(maps.Values(s.lanes)), maps.Keys(s.single))
}

// place puts a lane where it belongs after a change: in a group, among the
// delayed, among those that wait for a commit, or nowhere.
func (s *scheduler) place(l *lane, now time.Time) {
	delete(s.trails.held, l)
	if l.busy {
		l.leave()
		return
	}
	if len(l.queue) == 0 {
		l.leave()
		if l.name == "" {
			delete(s.single, l)
		} else {
			delete(s.lanes, l.name)
		}
		return
	}
	head := l.queue[0]
	if head.after.After(now) {
		l.leave()
		if !l.after.Equal(head.after) {
			l.after = head.after
			heap.Push(&s.delayed, delay{at: head.after, lane: l})
		}
		return
	}
	l.after = time.Time{}
	if s.trails.holds(head) {
		l.leave()
		s.trails.held[l] = struct{}{}
		return
	}
	s.enter(l, groupKey{op: head.row.Op, shape: head.row.Shape, target: head.target, limit: head.limit})
}

func (s *scheduler) enter(l *lane, key groupKey) {
	if l.group != nil && l.group.key == key {
		return
	}
	l.leave()
	g := s.groups[key]
	if g == nil {
		g = &group{key: key}
		s.groups[key] = g
	}
	l.group = g
	g.n++
	g.ready = append(g.ready, entry{l, l.turn})
}

func (l *lane) leave() {
	if l.group != nil {
		l.group.n--
		l.group = nil
	}
	l.turn++
}

// wake makes lanes ready whose delay is over.
func (s *scheduler) wake(now time.Time) {
	for len(s.delayed) > 0 && !s.delayed[0].at.After(now) {
		d := heap.Pop(&s.delayed).(delay)
		if d.lane.after.Equal(d.at) {
			d.lane.after = time.Time{}
			s.place(d.lane, now)
		}
	}
}

// delays are lanes whose next rows have to wait, as a heap.
type delays []delay

type delay struct {
	at   time.Time
	lane *lane
}

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delays) Push(x any)        { *d = append(*d, x.(delay)) }

func (d *delays) Pop() any {
	old := *d
	last := old[len(old)-1]
	old[len(old)-1] = delay{}
	*d = old[:len(old)-1]
	return last
}

// next is when the first delay ends, zero if there is none.
func (d delays) next() time.Time {
	if len(d) == 0 {
		return time.Time{}
	}
	return d[0].at
}
