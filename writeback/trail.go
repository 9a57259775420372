package writeback

import (
	"maps"
	"time"

	"sfbridge/kafka"
	"sfbridge/writeback/rows"
)

// trail is the last record of a row that is settled, while its outcome may not
// be committed yet. After a crash it is applied once more, to the row as later
// records have left it.
type trail struct {
	kafka.TopicPartition
	offset int64
	op     rows.Operation
}

// spoils tells whether applying the operation once more, after next, would do
// what the records do not say: an update finds the row that an upsert has made
// since, a delete takes the row that replaced its own, with all its children.
func (t trail) spoils(next rows.Operation) bool {
	switch {
	case t.op == next:
		return false
	case next == rows.Update:
		return t.op != rows.Upsert && t.op != rows.Insert
	case next == rows.Upsert:
		return t.op != rows.Insert
	}
	return true
}

// trails are those of all rows, by identity, and the lanes that wait for one of
// them to be committed.
type trails struct {
	last  map[string]trail
	held  map[*lane]struct{}
	swept int       // how many trails the last sweep left
	let   time.Time // when one of the held was let go last, or the first was held
}

func newTrails() trails {
	return trails{last: map[string]trail{}, held: map[*lane]struct{}{}}
}

// settled notes that an item, and all that it carries, has an outcome. The item
// has no row any more.
func (t *trails) settled(it *item, op rows.Operation) {
	if name := it.lane.name; name != "" {
		t.last[name] = trail{kafka.TopicPartition{Topic: it.d.Topic, Partition: it.d.Partition}, it.d.Offset, op}
	}
}

// holds tells whether an item has to wait until the outcome of the one before
// it is committed. Only records of one partition wait for one another: their
// commits come in the order of their offsets, so there is no circle.
func (t *trails) holds(it *item) bool {
	last, ok := t.last[it.row.Identity]
	return ok && last.Topic == it.d.Topic && last.Partition == it.d.Partition && last.offset < it.d.Offset && last.spoils(it.row.Op)
}

// Rows that wait for a commit are looked at often at first, since a commit takes
// a few milliseconds, and more seldom when something else holds it up.
const (
	commitLook    = 5 * time.Millisecond
	commitLookMax = 250 * time.Millisecond
)

// many tells whether the trails are worth a sweep.
func (t *trails) many() bool { return len(t.last) > 2*t.swept+4096 }

// due says whether to look what has been committed: something waits for it, or
// the trails have become many.
func (t *trails) due() bool { return len(t.held) > 0 || t.many() }

// committed lets go what waited for outcomes that are committed now. It says
// when to look again, never if nothing waits.
func (s *scheduler) committed(now time.Time, positions []kafka.SharePosition) time.Time {
	at := make(map[kafka.TopicPartition]int64, len(positions))
	for _, p := range positions {
		at[p.TopicPartition] = p.Committed
	}
	t := &s.trails
	if t.many() {
		maps.DeleteFunc(t.last, func(_ string, last trail) bool { return last.offset < at[last.TopicPartition] })
		t.swept = len(t.last)
	}
	for l := range t.held {
		if last, waits := t.last[l.name]; !waits || last.offset < at[last.TopicPartition] {
			delete(t.last, l.name)
			s.place(l, now)
			t.let = now
		}
	}
	if len(t.held) == 0 {
		t.let = time.Time{}
		return time.Time{}
	}
	if t.let.IsZero() {
		t.let = now
	}
	return now.Add(min(commitLookMax, max(commitLook, now.Sub(t.let)/4)))
}
