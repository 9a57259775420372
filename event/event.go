// Package event holds what happened in an org, in plain Go: raw events as the
// Pub/Sub API delivers them, the decoded header of a change event, and the
// position that a channel has reached.
//
// It is the leaf of the tree: every package may import it, and it imports the
// standard library alone.
package event

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ReplayID is the position of an event in the org's event bus, as opaque
// bytes: 10 today, 8 formerly. It is stored and echoed, never computed with.
type ReplayID []byte

// String gives the replay id in lower-case hex, the form that logs, headers
// and checkpoints use.
func (r ReplayID) String() string { return hex.EncodeToString(r) }

// MarshalText writes the hex form, so that JSON shows what the logs show.
func (r ReplayID) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, r), nil
}

// UnmarshalText reads the hex form.
func (r *ReplayID) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("replay id %q: want hex digits: %w", text, err)
	}
	*r = b
	return nil
}

// SchemaID is Salesforce's name for a schema: base64url of the MD5 of the
// schema's Avro Parsing Canonical Form, 22 characters.
type SchemaID string

// Raw is one event as it came from the org: the Avro datum is not decoded.
type Raw struct {
	UUID     string   // ProducerEvent.id; the payload does not hold it
	SchemaID SchemaID // the writer's schema of this very event
	Payload  []byte   // one bare Avro datum
	ReplayID ReplayID
}

// ChangeType is the kind of a change event, spelt as Salesforce spells it.
type ChangeType string

// The symbols of the enum ChangeType, in the order of the schema.
const (
	Create      ChangeType = "CREATE"
	Update      ChangeType = "UPDATE"
	Delete      ChangeType = "DELETE"
	Undelete    ChangeType = "UNDELETE"
	GapCreate   ChangeType = "GAP_CREATE"
	GapUpdate   ChangeType = "GAP_UPDATE"
	GapDelete   ChangeType = "GAP_DELETE"
	GapUndelete ChangeType = "GAP_UNDELETE"
	GapOverflow ChangeType = "GAP_OVERFLOW"
	Snapshot    ChangeType = "SNAPSHOT"
)

// ChangeTypes lists the symbols in schema order; the index is the Avro value.
var ChangeTypes = [...]ChangeType{
	Create, Update, Delete, Undelete, GapCreate, GapUpdate, GapDelete, GapUndelete, GapOverflow, Snapshot,
}

// IsGap tells whether the event says that changes happened without saying
// which: its body is empty and the record has to be read.
func (t ChangeType) IsGap() bool { return strings.HasPrefix(string(t), "GAP_") }

// OverflowRecordID stands in GAP_OVERFLOW events in place of a record id.
const OverflowRecordID = "000000000000000AAA"

// Header is a decoded ChangeEventHeader. The three sets of fields hold names,
// such as Phone or BillingAddress.City, once the bitmaps are resolved.
type Header struct {
	EntityName      string // API name of the object: Account, Order__c
	RecordIDs       []string
	ChangeType      ChangeType
	ChangeOrigin    string // com/salesforce/api/<api>/<version>;client=<id>, or empty
	TransactionKey  string
	SequenceNumber  int32
	CommitTimestamp int64 // milliseconds since the epoch; Salesforce sends whole seconds
	CommitNumber    int64 // beyond 2^53: never through a float
	CommitUser      string
	NulledFields    []string
	DiffFields      []string
	ChangedFields   []string
}

// Position is how far a channel of an org has been carried into Kafka. It is
// written in the same transaction as the records that it covers.
type Position struct {
	Org     string `json:"org"`     // the org's name in the configuration
	OrgID   string `json:"org_id"`  // 18 characters; another id means another org
	Channel string `json:"channel"` // /data/AccountChangeEvent

	// ReplayID is the last replay id whose events are all written.
	ReplayID ReplayID `json:"replay_id"`
	// OpenReplayID and OpenCount speak of events after ReplayID that share
	// one replay id (enriched events) and may not be complete: OpenCount of
	// those with OpenReplayID are written, and are passed over on resume.
	OpenReplayID ReplayID `json:"open_replay_id,omitempty"`
	OpenCount    int      `json:"open_count,omitempty"`

	CommitTimestamp int64 `json:"commit_timestamp"` // of the last event, ms since the epoch
	ReceivedAt      int64 `json:"received_at"`      // when the position was received, ms since the epoch
	Events          int64 `json:"events"`           // events carried in the channel's life
	Records         int64 `json:"records"`          // records written for them
}

// Key names the position in the checkpoint topic: <org>/<channel>, where the
// channel starts with a slash of its own.
func (p Position) Key() string { return p.Org + p.Channel }
