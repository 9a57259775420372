// Package echo recognises the changes that this bridge itself made when they
// come back from the org as change events. Every write is announced in a topic
// before it is sent, as hashes of its fields and values; capture takes an event
// with this bridge's change origin for an echo only if a write was announced
// that explains all of it, and uses up the announcement. So what an automation
// changes under the same user, or in the same transaction, stays a change.
//
// Announcements are read back through the topic by all processes of a bridge, and
// since they stand there before the call is made, reading the topic to its present
// end settles any event.
package echo

import (
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// Write is one row about to be written.
type Write struct {
	Operation rows.Operation
	ID        string // record id of 18 characters, if it is known
	Key       string // value of the external id, if that tells the row
	Fields    []Pair
}

// Pair is a field and what is written into it.
type Pair struct {
	Field *salesforce.Field
	Value rows.Value
}

// Batch is what one API call or job writes.
type Batch struct {
	Org      string // name of the org in the configuration
	Object   string
	KeyField string // external id field, "" if rows are told by record id
	Writes   []Write
}

// Announcer tells of writes before they are made. The nil *Announcer announces
// nothing, for objects that nobody captures.
type Announcer struct{}

// Announced is a batch that was announced.
type Announced struct{}
