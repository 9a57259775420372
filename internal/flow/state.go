package flow

import (
	"fmt"
	"sync"
	"time"
)

const (
	patience = 30 * time.Second // that a flow may back off before it is not well
	stuck    = 5 * time.Minute  // that records may wait while none gets its outcome
)

// State is the state of a flow, kept by the goroutines that change it and read
// by those that tell people. Use NewState. It is safe for many goroutines.
type State struct {
	mu     sync.Mutex // guards all below
	state  string
	reason string
	until  time.Time
	since  time.Time
	moved  time.Time
}

// NewState is the state of a flow that waits for its share.
func NewState() *State {
	now := time.Now()
	return &State{state: Waiting, since: now, moved: now}
}

// Set changes the state. The reason is a sentence for people, "" while all is
// well; until is when a wait ends, zero if nobody knows. It tells whether the
// state is another one than before: then is the time to log.
func (s *State) Set(state, reason string, until time.Time) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if changed = s.state != state; changed {
		s.since = time.Now()
	}
	if state == Waiting { // what others have in hand is no concern of this process
		s.moved = time.Now()
	}
	s.state, s.reason, s.until = state, reason, until
	return changed
}

// Moved notes that the flow gets on: records got their outcome, or came in when
// none were in hand.
func (s *State) Moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = time.Now()
}

// Fill writes the state into a status.
func (s *State) Fill(st *Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.State, st.Reason, st.Until, st.Since = s.state, s.reason, s.until, s.since
}

// Problem is why the flow is not well, "" if it is: it stopped, is at a limit,
// has backed off for longer than half a minute, or has had records in hand for
// five minutes without an outcome for any.
func (s *State) Problem(parts []Partition) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.state == Stopped, s.state == AtLimit, s.state == BackingOff && now.Sub(s.since) > patience:
		text := s.state
		if s.reason != "" {
			text += ": " + s.reason
		}
		if s.until.After(now) {
			text += ", until " + s.until.UTC().Format(time.RFC3339)
		}
		return text
	case now.Sub(s.moved) <= stuck:
		return ""
	}
	for _, p := range parts {
		if !p.Oldest.IsZero() && now.Sub(p.Oldest) > stuck {
			return fmt.Sprintf("no record of partition %d of %s got an outcome since %s, and the oldest is from %s",
				p.Partition, p.Topic, s.moved.UTC().Format(time.RFC3339), p.Oldest.UTC().Format(time.RFC3339))
		}
	}
	return ""
}
