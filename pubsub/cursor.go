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
// group, and resuming goes back to before a group that may not be complete.
type Cursor struct {
	start  Start
	shared bool
	// after is the last replay id whose events are all seen; open and count
	// speak of the group that follows it. Both are copies: an id of an event
	// would keep the whole response in memory.
	after event.ReplayID
	open  event.ReplayID
	count int
}

// NewCursor returns a cursor for a channel that is read from start on.
func NewCursor(channel string, start Start) *Cursor {
	return &Cursor{
		start: start, shared: SharesReplayIDs(channel),
		after: slices.Clone(start.ReplayID), open: slices.Clone(start.OpenReplayID), count: start.OpenCount,
	}
}

// Event moves past one event. An event without a replay id moves nothing.
func (c *Cursor) Event(id event.ReplayID) {
	if len(id) == 0 {
		return
	}
	switch {
	case !c.shared:
		c.after = append(c.after[:0], id...)
	case len(c.open) > 0 && bytes.Equal(c.open, id):
		c.count++
	default:
		if len(c.open) > 0 {
			c.after, c.open = c.open, c.after
		}
		c.open, c.count = append(c.open[:0], id...), 1
	}
}

// Keepalive moves to the position that an empty response tells: everything up
// to it has been delivered, so a group that was open is complete.
func (c *Cursor) Keepalive(latest event.ReplayID) {
	if len(latest) == 0 {
		return
	}
	c.after, c.open, c.count = append(c.after[:0], latest...), c.open[:0], 0
}

// Resume returns where to start again, and whether that is known to miss
// nothing. It is not when the stream began at Latest and told no position yet,
// or only one event group that may not be complete: then there is no position
// before it to go back to.
func (c *Cursor) Resume() (start Start, exact bool) {
	after, open := slices.Clone(c.after), slices.Clone(c.open)
	if len(after) > 0 {
		return Start{Preset: After, ReplayID: after, OpenReplayID: open, OpenCount: c.count}, true
	}
	switch {
	case c.start.Preset == Earliest:
		return Start{Preset: Earliest, OpenReplayID: open, OpenCount: c.count}, true
	case len(open) > 0:
		return Start{Preset: After, ReplayID: open}, false
	}
	return Start{Preset: Latest}, false
}
