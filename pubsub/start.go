package pubsub

import "sfbridge/event"

// Preset says from where a subscription starts.
type Preset int

// The presets. Latest is the service's zero value too: events stored from now
// on, of which the service may miss those of the first seconds.
const (
	Latest   Preset = iota
	Earliest        // all that the org still keeps, then new ones
	After           // those after a replay id
)

// Start is where a subscription starts.
type Start struct {
	Preset   Preset
	ReplayID event.ReplayID // with After

	// OpenReplayID and OpenCount resume inside a group of events that share
	// one replay id (enriched events): the first OpenCount events with
	// OpenReplayID are passed over. Position of package event stores the same.
	OpenReplayID event.ReplayID
	OpenCount    int
}

// FromEarliest starts with the oldest event that the org keeps.
func FromEarliest() Start { return Start{Preset: Earliest} }

// FromLatest starts with what happens from now on.
func FromLatest() Start { return Start{Preset: Latest} }

// AfterReplayID starts with the event that follows id.
func AfterReplayID(id event.ReplayID) Start { return Start{Preset: After, ReplayID: id} }
