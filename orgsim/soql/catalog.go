package soql

import "strings"

// Catalog is what a query is bound to: the objects that its user may see.
type Catalog interface {
	// Object finds an object by API name, whatever its case.
	Object(name string) (Object, bool)
}

// Object describes one sObject.
type Object interface {
	// Name is the API name: Account, Order__c.
	Name() string
	// Fields lists every field that can be selected, in describe order.
	Fields() []Field
	// Field finds one by API name, whatever its case.
	Field(name string) (Field, bool)
	// Parent resolves the relationship name of a look-up: Account, Plant__r.
	Parent(relationship string) (Relation, bool)
	// Child resolves a child relationship name: Contacts.
	Child(relationship string) (Relation, bool)
}

// Relation is one end of a look-up between two objects.
type Relation struct {
	Name   string // of the relationship, as the org spells it
	Object string // at the other end: the parent's, or the child's
	Field  string // the reference field, which the child has
}

// Kind says how the values of a field compare.
type Kind uint8

// The kinds of fields.
const (
	String   Kind = iota // text, picklists, phones, ...
	LongText             // text that can be neither filtered nor sorted
	ID                   // record ids and references
	Bool
	Number
	Date
	DateTime
	Time
	Multi    // values joined by semicolons
	Compound // address, location: selected as a whole, never filtered
)

// noun is what messages call a value of the kind.
func (k Kind) noun() string {
	return [...]string{"string", "string", "ID", "boolean", "double", "date", "dateTime", "time", "string", "string"}[k]
}

// Field describes one field of an object.
type Field struct {
	Name          string
	Kind          Kind
	CaseSensitive bool // of strings; others compare without case
	Custom        bool
}

// Value is a field's value: nil, string, bool, Num, Day, Clock, Stamp, or
// anything else for a compound field, which is only carried.
type Value any

// The typed values. None is ever a float, so that 18 digits stay 18 digits.
type (
	Num   string // decimal text
	Day   int32  // days since 1970-01-01
	Clock int64  // milliseconds of the day
	Stamp int64  // milliseconds since the epoch, UTC
)

// Row is one record as it was when the query ran.
type Row interface {
	Value(field string) Value
}

// Source gives the rows.
type Source interface {
	// Scan calls fn with every row of an object until it returns false,
	// deleted ones too if asked.
	Scan(object string, deleted bool, fn func(Row) bool)
	// Row finds one record by its id of 18 characters.
	Row(object, id string, deleted bool) (Row, bool)
}

// To18 completes an id of 15 characters with its three check characters; other
// strings come back as they are. Source: SOAP API guide, "ID Field Type".
func To18(id string) string {
	if len(id) != 15 {
		return id
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	var b strings.Builder
	b.WriteString(id)
	for group := range 3 {
		n := 0
		for i := range 5 {
			if c := id[5*group+i]; c >= 'A' && c <= 'Z' {
				n |= 1 << i
			}
		}
		b.WriteByte(alphabet[n])
	}
	return b.String()
}
