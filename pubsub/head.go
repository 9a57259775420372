package pubsub

import (
	"hash/maphash"

	"sfbridge/event"
)

// head passes over events at the head of a stream that were handed out before
// an earlier one was lost: siblings of a group that is resumed, and whatever
// lies at or before the position, which a service that keeps its word does not
// send. It ends with the first event that is new.
type head struct {
	after  event.ReplayID
	open   event.ReplayID
	count  int // siblings still to pass over
	recent *recent
	begun  bool
	over   bool
}

func newHead(c *Cursor, seen *recent) *head {
	start, _ := c.Resume()
	return &head{after: start.ReplayID, open: start.OpenReplayID, count: start.OpenCount, recent: seen}
}

// unseen returns the events of a response that are new; they stay in place.
func (h *head) unseen(events []event.Raw) []event.Raw {
	if h.over {
		return events
	}
	events = h.pastPosition(events)
	for i := range events {
		if !h.seen(&events[i]) {
			h.over = true
			return events[i:]
		}
	}
	return nil
}

// pastPosition cuts the first response behind the event that is resumed after,
// should it be there: what comes before it is older.
func (h *head) pastPosition(events []event.Raw) []event.Raw {
	if h.begun || len(events) == 0 || len(h.after) == 0 {
		return events
	}
	h.begun = true
	for i := len(events) - 1; i >= 0; i-- {
		if string(events[i].ReplayID) == string(h.after) {
			return events[i+1:]
		}
	}
	return events
}

func (h *head) seen(e *event.Raw) bool {
	switch id := string(e.ReplayID); {
	case id == "":
		return false
	case id == string(h.after):
		return true
	case id == string(h.open):
		h.count--
		return h.count >= 0
	}
	return h.recent.has(e)
}

// recent knows the last events that were handed out, by a hash of replay id
// and UUID.
type recent struct {
	seed maphash.Seed
	sums [128]uint64
	next int
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

func (r *recent) add(e *event.Raw) {
	r.sums[r.next%len(r.sums)] = r.sum(e)
	r.next++
}

func (r *recent) has(e *event.Raw) bool {
	sum := r.sum(e)
	for _, s := range r.sums[:min(r.next, len(r.sums))] {
		if s == sum {
			return true
		}
	}
	return false
}

// sum mixes two hashes, so that no buffer joins the two texts.
func (r *recent) sum(e *event.Raw) uint64 {
	return maphash.Bytes(r.seed, e.ReplayID)*31 + maphash.String(r.seed, e.UUID)
}
