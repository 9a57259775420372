package flow

import "time"

// Source says where a record stood in Kafka.
type Source struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"` // the record's timestamp
}

// Header is one header of a source record; the value is base64 in JSON.
type Header struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// Outcomes that a Result can have: the values of its field and of the label of
// sfbridge_writeback_records_total. A record that ends as a dead letter has no
// Result.
const (
	Created    = "created"
	Updated    = "updated" // also by an upsert that found the row
	Deleted    = "deleted" // also if the row was gone already
	Undeleted  = "undeleted"
	Published  = "published"
	Skipped    = "skipped"     // Reason tells why
	DeadLetter = "dead_letter" // in the metric only
)

// Reasons of a skipped record.
const (
	SkipEcho       = "echo"       // this bridge wrote it to an org, and it came back
	SkipTombstone  = "tombstone"  // on_tombstone: ignore
	SkipOlder      = "older"      // conflict: newer-wins
	SkipChanged    = "changed"    // conflict: skip-if-changed
	SkipSuperseded = "superseded" // a retried record, after which a newer one of its key came
)

// Reasons of dead letters of the ways out: the values of the label of
// sfbridge_dead_letters_total.
const (
	Undecodable    = "undecodable"     // no format or schema fits the bytes
	BadMapping     = "bad_mapping"     // an expression failed on this record
	UnknownField   = "unknown_field"   // the record has a field that the object lacks, or the org refuses a field
	BadValue       = "bad_value"       // a value that the field's type does not take
	BadOperation   = "bad_operation"   // the record names no known operation
	NoKey          = "no_key"          // nothing tells which row is meant
	TooLarge       = "too_large"       // beyond a limit of the API
	NotFound       = "not_found"       // no row has the key, or a parent is not there
	Ambiguous      = "ambiguous"       // several rows have the key
	RowDeleted     = "row_deleted"     // the row is in the recycle bin or gone
	DuplicateRule  = "duplicate"       // a duplicate rule or a unique field refused it
	Validation     = "validation"      // a validation rule, a required field, a trigger refused it
	Permission     = "permission"      // the integration user may not
	Locked         = "locked"          // the row stayed locked through all attempts
	Rejected       = "rejected"        // any other refusal of the org
	UnknownOutcome = "unknown_outcome" // an insert whose answer was lost, with no key to look it up by
)

// Result is the value of a record in the results topic: what became of one
// source record. The record's key is the source record's.
type Result struct {
	Flow      string    `json:"flow"`
	Org       string    `json:"org"`
	Object    string    `json:"object"` // or the platform event
	Operation string    `json:"operation,omitempty"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`    // why it was skipped
	ID        string    `json:"id,omitempty"`        // Salesforce record id, or the event's uuid
	Key       string    `json:"key,omitempty"`       // the row's key: external id or record id
	MergedIn  *int64    `json:"merged_in,omitempty"` // offset of the later record of the same row that carried this one's values
	API       string    `json:"api,omitempty"`       // rest, collections, bulk, pubsub
	Job       string    `json:"job,omitempty"`       // bulk job id
	Attempts  int       `json:"attempts,omitempty"`
	RetryOf   string    `json:"retry_of,omitempty"` // topic/partition/offset of the record that a dead letter was made of
	Source    Source    `json:"source"`
	Time      time.Time `json:"time"`
}

// Letter is the value of a record in the dead-letter topic: a source record
// that cannot be applied, whole, with the reason. The record's key is the
// source record's.
type Letter struct {
	Kind      string    `json:"kind"` // writeback or publish; capture has a form of its own
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`             // a sentence for people
	Code      string    `json:"code,omitempty"`    // Salesforce's, also where we found it ourselves: STRING_TOO_LONG
	Message   string    `json:"message,omitempty"` // Salesforce's, or ours where we found it
	Fields    []string  `json:"fields,omitempty"`  // that it is about
	Status    int       `json:"status,omitempty"`  // HTTP
	Flow      string    `json:"flow"`
	Org       string    `json:"org"`
	Object    string    `json:"object"`
	Operation string    `json:"operation,omitempty"`
	Key       string    `json:"row,omitempty"` // the row's key, if known
	Attempts  int       `json:"attempts,omitempty"`
	RetryOf   string    `json:"retry_of,omitempty"`
	Source    Source    `json:"source"`
	RecordKey []byte    `json:"record_key"`             // base64; null if the record has none
	Value     []byte    `json:"record_value,omitempty"` // base64; absent for a tombstone and when too large: Source has it
	Tombstone bool      `json:"tombstone,omitempty"`
	Headers   []Header  `json:"record_headers,omitempty"`
	Time      time.Time `json:"time"`
}

// Kinds of letters.
const (
	KindWriteback = "writeback"
	KindPublish   = "publish"
)

// Headers that a retried record carries.
const (
	HeaderRetryOf = "sf_retry_of" // topic/partition/offset of the record as it was first read
	HeaderReason  = "sf_reason"   // on dead letters: the reason
	// HeaderEcho, with the value true, marks a change that this bridge made itself (docs/echoes.md).
	HeaderEcho = "sf_echo"
	// HeaderRetryForce, with the value true, applies a retried record even if a newer
	// one of its key came meanwhile.
	HeaderRetryForce = "sf_retry_force"
)
