package bridge

import (
	"time"

	"sfbridge/event"
	"sfbridge/pubsub"
)

// tracker follows the position of one channel while its events are encoded.
// One goroutine uses it.
type tracker struct {
	pos    event.Position
	cursor *pubsub.Cursor
}

// newTracker starts from a stored position, or where the capture says when
// there is none.
func newTracker(pos event.Position, earliest bool) *tracker {
	return &tracker{pos: pos, cursor: pubsub.NewCursor(pos.Channel, startOf(pos, earliest))}
}

func startOf(pos event.Position, earliest bool) pubsub.Start {
	start := pubsub.Start{
		Preset: pubsub.After, ReplayID: pos.ReplayID,
		OpenReplayID: pos.OpenReplayID, OpenCount: pos.OpenCount,
	}
	switch {
	case len(pos.ReplayID) > 0:
	case earliest:
		start.Preset = pubsub.Earliest
	case len(pos.OpenReplayID) > 0: // nothing before it to go back to
		start = pubsub.AfterReplayID(pos.OpenReplayID)
	default:
		start = pubsub.FromLatest()
	}
	return start
}

// known tells whether there is a position to resume from.
func (t *tracker) known() bool { return len(t.pos.ReplayID) > 0 || len(t.pos.OpenReplayID) > 0 }

// lastKnown is the commit time of the last event, or, when there was none, the
// time at which the position was received: what the topic is complete up to.
func (t *tracker) lastKnown() time.Time {
	if t.pos.CommitTimestamp > 0 {
		return time.UnixMilli(t.pos.CommitTimestamp).UTC()
	}
	return time.UnixMilli(t.pos.ReceivedAt).UTC()
}

// forget drops a position that the org no longer accepts.
func (t *tracker) forget(earliest bool) {
	t.pos.ReplayID, t.pos.OpenReplayID, t.pos.OpenCount = nil, nil, 0
	t.cursor = pubsub.NewCursor(t.pos.Channel, startOf(t.pos, earliest))
}

// saved is a state to go back to.
type saved struct {
	pos    event.Position
	cursor pubsub.Cursor
}

func (t *tracker) save() saved { return saved{t.pos, *t.cursor} }

func (t *tracker) restore(s saved) { t.pos, *t.cursor = s.pos, s.cursor }

// at returns the position as it is now, stamped with the time of receipt.
func (t *tracker) at(received time.Time) event.Position {
	start, _ := t.cursor.Resume()
	t.pos.ReplayID, t.pos.OpenReplayID, t.pos.OpenCount = start.ReplayID, start.OpenReplayID, start.OpenCount
	t.pos.ReceivedAt = received.UnixMilli()
	return t.pos
}
