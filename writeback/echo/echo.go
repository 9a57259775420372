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
	"iter"
	"slices"

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
	KeyField string // external id field, "" or "Id" if rows are told by record id
	Writes   []Write
	// Each gives the writes in place of Writes, for batches that are too large to
	// lie in memory twice. It may use one slice of fields for all of them.
	Each iter.Seq[Write]
}

func (b *Batch) each() iter.Seq[Write] {
	if b.Each != nil {
		return b.Each
	}
	return slices.Values(b.Writes)
}

// keyField is the external id field, "" if record ids tell the rows.
func (b *Batch) keyField() string {
	if b.KeyField == "Id" {
		return ""
	}
	return b.KeyField
}
