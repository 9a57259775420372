// Package rows turns decoded records into rows to be written: which row, what
// is done to it, and the values of its fields in the form that Salesforce takes,
// checked against the object's description. It calls nobody.
package rows

import (
	"errors"

	"sfbridge/internal/expression"
	"sfbridge/salesforce"
)

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

// Mapper turns records into rows of one object. It is safe for use by many
// goroutines.
type Mapper struct{}

// New compiles the configuration against the object's description. The error
// names the key of the configuration and the remedy.
func New(cfg Config, object *salesforce.Object) (*Mapper, error) { return nil, errors.ErrUnsupported }

// Row is one record, mapped.
type Row struct {
	Op    Operation
	Key   string // external id or record id (18 characters) as text; "" for an insert without one
	Shape string // rows of different shapes do not go into one call: person and business accounts
	// Parent is the record or external id of the first reference, "" for none:
	// rows of one parent wait for each other's locks.
	Parent  string
	Version string // of the source: RFC 3339 in UTC with milliseconds, or digits
	Values  []Value
}

// Value is one field of a row, in the order of the mapper's columns.
type Value struct {
	Column int
	Kind   Kind
	Text   string
}

// Kind is how a value is written.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Text
	Number
	Bool
)

// Size is about how many bytes the row holds in memory.
func (r *Row) Size() int { return 0 }

// Row maps a record; a nil in.Value is a tombstone. The error is a *Rejection.
// A nil row without an error is a tombstone to be ignored.
func (m *Mapper) Row(in *expression.Input) (*Row, error) { return nil, errors.ErrUnsupported }

// Merge gives the row that has the effect of older and then newer, which are of
// one key. ok is false if they have to be written one after the other.
func (m *Mapper) Merge(older, newer *Row) (merged *Row, ok bool) { return nil, false }

// Record gives a row as the clients take it, its key included: under the external
// id field, or as Id.
func (m *Mapper) Record(r *Row) salesforce.Record { return nil }

// Columns are the columns that rows need in CSV, in the order of their names.
func (m *Mapper) Columns(rs []*Row) []string { return nil }

// KeyField is the external id field by the org's own name, or "Id".
func (m *Mapper) KeyField() string { return "" }

// Fields gives names and values of a row's own fields for the recognition of
// echoes: without references by external id, whose record ids are not known.
func (m *Mapper) Fields(r *Row, yield func(f *salesforce.Field, v Value) bool) {}

// Rejection is a record that cannot become a row.
type Rejection struct {
	Reason string   // of package flow: bad_value, unknown_field, no_key, ...
	Fields []string // that it is about
	Err    error    // a sentence with the remedy, without the value
}

func (e *Rejection) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Rejection) Unwrap() error { return e.Err }
