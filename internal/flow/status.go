package flow

import "time"

// States of a flow.
const (
	Waiting    = "waiting"     // for its share of the group
	Running    = "running"     // applying what comes; also when nothing does
	BackingOff = "backing off" // the org or Kafka is away, or refuses for now
	AtLimit    = "at limit"    // the org's API calls are used up to the reserve
	Stopped    = "stopped"     // needs a person
)

// Status is how one flow is doing in this process.
type Status struct {
	Flow       string      `json:"flow"`
	Kind       string      `json:"kind"` // KindWriteback or KindPublish
	Topic      string      `json:"topic"`
	Group      string      `json:"group"`
	Org        string      `json:"org"`
	Object     string      `json:"object"`
	State      string      `json:"state"`
	Reason     string      `json:"reason,omitempty"`
	Until      time.Time   `json:"until,omitzero"` // when a wait ends, if that is known
	Since      time.Time   `json:"since"`
	InFlight   int         `json:"in_flight"` // records on their way to the org
	Partitions []Partition `json:"partitions"`
}

// Partition is how far one partition of this process's share is.
type Partition struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Committed int64     `json:"committed"`       // offset of the first record without a committed outcome
	End       int64     `json:"end"`             // last stable offset, as last heard
	Lag       int64     `json:"lag"`             // records between the two at most: transaction markers count too
	Oldest    time.Time `json:"oldest,omitzero"` // timestamp of the first record without a committed outcome
}
