package bridge

import (
	"log/slog"
	"sync"
	"time"

	"sfbridge/event"
)

// The states of a channel, as /readyz and status show them.
const (
	stateWaiting      = "waiting" // for its lane
	stateConnecting   = "connecting"
	stateStreaming    = "streaming"
	stateReconnecting = "reconnecting"
	stateStopped      = "stopped" // needs a person; tried again now and then
)

// channel is one capture at work. All but the state belongs to the goroutine
// that pulls; mu guards what others look at.
type channel struct {
	capture Capture
	org     *org
	lane    int32
	log     *slog.Logger
	tracker *tracker
	stopped string // why it stopped last, without what differs from try to try
	expired string // the replay id that was counted as expired last

	mu    sync.Mutex
	state ChannelStatus
}

// ChannelStatus is what is known of a channel at one moment.
type ChannelStatus struct {
	Org        string         `json:"org"`
	Channel    string         `json:"channel"`
	Lane       int32          `json:"lane"`
	Assigned   bool           `json:"assigned"` // to this process
	State      string         `json:"state"`
	Reason     string         `json:"reason,omitempty"` // why it is not streaming
	Since      time.Time      `json:"since"`
	InHand     int            `json:"in_hand"` // events received and not committed yet
	ReplayID   event.ReplayID `json:"replay_id,omitempty"`
	LastCommit time.Time      `json:"last_commit,omitzero"` // Salesforce commit time of the last committed event
	PositionAt time.Time      `json:"position_at,omitzero"` // when the committed position was received
	Events     int64          `json:"events"`
	Records    int64          `json:"records"`
	caughtUp   time.Time      // last time that nothing was known to wait
	heard      bool           // a response came since the stream was opened
}

// settle is how long an open stream may be silent before that means that
// nothing waits.
const settle = 5 * time.Second

// quiet tells whether nothing is known to wait, in the org or in hand.
func (s *ChannelStatus) quiet(now time.Time) bool {
	return s.State == stateStreaming && s.InHand == 0 && (s.heard || now.Sub(s.Since) >= settle)
}

// lag is how far Kafka is behind the org: 0 while the stream is open and
// nothing is in hand, else the age of the last committed event, or the time
// since the channel was last known to be caught up if that is later.
func (s *ChannelStatus) lag(now time.Time) time.Duration {
	if s.quiet(now) {
		return 0
	}
	from := s.LastCommit
	if s.caughtUp.After(from) {
		from = s.caughtUp
	}
	if from.IsZero() {
		from = s.Since
	}
	return max(0, now.Sub(from))
}

func (c *channel) snapshot() ChannelStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// now gives the state alone.
func (c *channel) now() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.State
}

func (c *channel) update(f func(*ChannelStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state)
}

// enter moves to a state and tells whether that changed anything, so that the
// log speaks once of each change.
func (c *channel) enter(state, reason string) (changed bool) {
	c.update(func(s *ChannelStatus) {
		changed = s.State != state || s.Reason != reason
		if s.State != state {
			now := time.Now()
			if s.quiet(now) {
				s.caughtUp = now
			}
			s.Since = now
			s.heard = s.heard && state == stateStreaming
		}
		s.State, s.Reason = state, reason
	})
	return changed
}

// received counts events that are in hand from now on.
func (c *channel) received(events int) {
	c.update(func(s *ChannelStatus) {
		if now := time.Now(); s.quiet(now) {
			s.caughtUp = now // up to this response
		}
		s.InHand += events
		s.heard = true
	})
}

// dropped takes events out of hand that have to be received again, so the
// channel is not caught up without them.
func (c *channel) dropped(events int) {
	if c.now() == stateStreaming {
		c.enter(stateReconnecting, "")
	}
	c.update(func(s *ChannelStatus) { s.InHand -= events })
}

// committed takes over what a transaction made permanent.
func (c *channel) committed(pos event.Position, events int) {
	c.update(func(s *ChannelStatus) {
		s.InHand -= events
		s.ReplayID = pos.ReplayID
		s.Events, s.Records = pos.Events, pos.Records
		s.PositionAt = time.UnixMilli(pos.ReceivedAt)
		if pos.CommitTimestamp > 0 {
			s.LastCommit = time.UnixMilli(pos.CommitTimestamp)
		}
		if now := time.Now(); s.quiet(now) {
			s.caughtUp = now
		}
	})
}
