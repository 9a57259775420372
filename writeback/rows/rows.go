// Package rows turns decoded records into rows to be written: which row, what
// is done to it, and the values of its fields in the form that Salesforce takes,
// checked against the object's description. It calls nobody.
//
// What is wrong with a record is found here wherever the description can tell,
// so that it costs no call and the reason names the remedy. What only the org
// can know, such as required fields that its automations fill, is left to it.
package rows

import "sfbridge/salesforce"

// Operation is what is done to a row.
type Operation string

// The operations.
const (
	Insert   Operation = "insert"
	Update   Operation = "update"
	Upsert   Operation = "upsert"
	Delete   Operation = "delete"
	Undelete Operation = "undelete"
)

// What a tombstone means.
const (
	TombstoneDelete = "delete"
	TombstoneIgnore = "ignore"
	TombstoneReject = "reject"
)

// Config says how records of a topic become rows of an object.
type Config struct {
	Object     string
	ExternalID string    // external id field that tells rows apart; empty or "Id": the record id
	Operation  Operation // fixed, for records without one of their own
	// OperationFrom gives the operation of each record; Operations translates
	// its values, besides the operations' own names.
	OperationFrom string
	Operations    map[string]Operation
	OnTombstone   string // default delete
	// Fields maps names of fields to expressions. Nil maps each field of the
	// record to the field of the same name.
	Fields map[string]string
	// Unmapped, without Fields: what becomes of a record's field that the
	// object lacks: reject (the default) or ignore.
	IgnoreUnmapped bool
	Version        string // expression for conflict policies; empty: the record's timestamp
	PicklistLabels bool   // values of picklists are given by their labels
	Namespace      salesforce.Namespace
}

// Row is one record, mapped. It is not changed any more once it is made.
type Row struct {
	Op  Operation
	Key string // external id or record id (18 characters) as text; "" for an insert without one
	// Identity is equal for rows that may be the same row of the org: what
	// orders and merges them. It is Key, in one case where the external id has
	// none; "" like it.
	Identity string
	Shape    string // rows of different shapes do not go into one call: person and business accounts
	// Parent is the record or external id of the first reference, "" for none:
	// rows of one parent wait for each other's locks.
	Parent  string
	Version string // of the source: RFC 3339 in UTC with milliseconds, or digits
	Values  []Value
}

// Value is one field of a row, in the order of the mapper's columns. Rows are
// held in great number while a bulk job is gathered, so it is kept small.
type Value struct {
	Column int32
	Kind   Kind
	Text   string
}

// Kind is how a value is written.
type Kind uint8

// The kinds.
const (
	Null   Kind = iota
	Text        // as it is
	Number      // digits with an optional minus and point, no exponent
	Bool        // true or false
)

// Rejection is a record that cannot become a row.
type Rejection struct {
	Reason string   // of package flow: bad_value, unknown_field, no_key, ...
	Code   string   // that the org would have answered with: STRING_TOO_LONG; may be empty
	Fields []string // that it is about
	Err    error    // a sentence with the remedy, without the value
}

func (e *Rejection) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Rejection) Unwrap() error { return e.Err }
