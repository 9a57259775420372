package pubsub

import (
	"bytes"
	"slices"
	"strings"

	"sfbridge/event"
)

// SharesReplayIDs tells whether several events of a channel may have one
// replay id: enriched change events do, and only custom channels and
// /data/ChangeEvents can be enriched (Change Data Capture guide, enrichment).
func SharesReplayIDs(channel string) bool {
	return strings.HasSuffix(channel, "__chn") || channel == "/data/ChangeEvents"
}

// Cursor follows a channel event by event and knows from where to resume. On
// channels whose events may share a replay id, the events of one id are a
// group, and resuming goes back to before a group that may not be complete. A
// copy of a Cursor is a cursor of its own.
type Cursor struct {
	start  Start
	shared bool
	// after is the last replay id whose events are all seen; open and count
	// speak of the group that follows it.
	after storedID
	open  storedID
	count int
}

// NewCursor returns a cursor for a channel that is read from start on.
func NewCursor(channel string, start Start) *Cursor {
	c := &Cursor{start: start, shared: SharesReplayIDs(channel), count: start.OpenCount}
	c.after.set(start.ReplayID)
	c.open.set(start.OpenReplayID)
	return c
}

// Event moves past one event. An event without a replay id moves nothing.
func (c *Cursor) Event(id event.ReplayID) {
	switch {
	case len(id) == 0:
	case !c.shared:
		c.after.set(id)
	case c.open.is(id):
		c.count++
	default:
		if !c.open.empty() {
			c.after = c.open
		}
		c.open.set(id)
		c.count = 1
	}
}

// Keepalive moves to the position that an empty response tells: everything up
// to it has been delivered, so a group that was open is complete.
func (c *Cursor) Keepalive(latest event.ReplayID) {
	if len(latest) == 0 {
		return
	}
	c.after.set(latest)
	c.open.set(nil)
	c.count = 0
}

// Resume returns where to start again, and whether that is known to miss
// nothing. It is not when the stream began at Latest and told no position yet,
// or only one event group that may not be complete: then there is no position
// before it to go back to.
func (c *Cursor) Resume() (start Start, exact bool) {
	switch {
	case !c.after.empty():
		return Start{Preset: After, ReplayID: c.after.get(), OpenReplayID: c.open.get(), OpenCount: c.count}, true
	case c.start.Preset == Earliest:
		return Start{Preset: Earliest, OpenReplayID: c.open.get(), OpenCount: c.count}, true
	case !c.open.empty():
		return Start{Preset: After, ReplayID: c.open.get()}, false
	}
	return Start{Preset: Latest}, false
}

// storedID is a copy of a replay id. An id of an event would keep its whole
// response in memory, and one on the heap would be made for each event; the
// ids seen so far have at most 16 bytes.
type storedID struct {
	n     int
	small [24]byte
	large string // in place of small, if it is longer
}

func (s *storedID) set(id event.ReplayID) {
	s.n, s.large = len(id), ""
	if copy(s.small[:], id); s.n > len(s.small) {
		s.large = string(id)
	}
}

func (s *storedID) bytes() []byte {
	if s.n > len(s.small) {
		return []byte(s.large)
	}
	return s.small[:s.n]
}

func (s *storedID) empty() bool { return s.n == 0 }

func (s *storedID) is(id event.ReplayID) bool { return s.n > 0 && bytes.Equal(s.bytes(), id) }

// get returns a copy, nil for none.
func (s *storedID) get() event.ReplayID {
	if s.n == 0 {
		return nil
	}
	return slices.Clone(s.bytes())
}
