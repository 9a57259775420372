package rows

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"sfbridge/salesforce"
)

// Size is about how many bytes the row holds in memory.
func (r *Row) Size() int {
	n := int(unsafe.Sizeof(*r)) + cap(r.Values)*int(unsafe.Sizeof(Value{})) + len(r.Key) + len(r.Parent) + len(r.Version)
	for _, v := range r.Values {
		n += len(v.Text)
	}
	return n
}

// Record gives a row as the clients take it, its key included: under the external
// id field, or as Id.
func (m *Mapper) Record(r *Row) salesforce.Record {
	set := m.columns.set()
	rec := make(salesforce.Record, len(r.Values)+1)
	if r.Key != "" {
		rec[m.key.Name] = m.keyColumn.value(Text, r.Key)
	}
	for _, v := range r.Values {
		c := set.list[v.Column]
		value := c.value(v.Kind, v.Text)
		switch {
		case !c.parent() || v.Kind == Null:
			rec[c.field.Name] = value
		case c.attributes == nil:
			rec[c.relationship] = salesforce.Record{c.parentField: value}
		default:
			rec[c.relationship] = salesforce.Record{c.parentField: value, "attributes": c.attributes}
		}
	}
	return rec
}

// value gives a value as the clients take it.
func (c *column) value(kind Kind, text string) any {
	switch kind {
	case Text:
		switch c.field.Type {
		case "int", "long", "double", "currency", "percent": // a key
			return json.Number(text)
		}
		return text
	case Number:
		return json.Number(text)
	case Bool:
		return text == "true"
	}
	return nil
}

// Columns are the columns that rows need in CSV, in the order of their names.
func (m *Mapper) Columns(rs []*Row) []string {
	set := m.columns.set()
	used := make([]bool, len(set.list))
	keys := false
	for _, r := range rs {
		keys = keys || r.Key != ""
		for _, v := range r.Values {
			used[v.Column] = true
		}
	}
	names := map[string]bool{}
	for i, c := range set.list {
		if used[i] {
			names[c.name] = true
		}
	}
	if keys {
		names[m.key.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// The bounds of CSV, in characters (Bulk API 2.0 guide, "Valid CSV Record
// Rows"). A record has room left for the commas of 5,000 columns.
const (
	csvNull      = "#N/A"
	maxCSVValue  = 131_072
	maxCSVRecord = 400_000 - 5_000
)

// FitsBulk tells whether CSV can say what the row says. Text that CSV takes for
// null has to go by REST, and so has a row that is too long.
func (r *Row) FitsBulk() bool {
	most := 2*len(r.Key) + 3
	if r.Key == csvNull {
		return false
	}
	for _, v := range r.Values {
		if v.Text == csvNull || len(v.Text) > maxCSVValue && salesforce.TextLength(v.Text) > maxCSVValue {
			return false
		}
		most += 2*len(v.Text) + 3 // as if every character were a quote
	}
	if most <= maxCSVRecord {
		return true
	}
	length := 0
	for text := range r.texts {
		length += salesforce.TextLength(text) + strings.Count(text, `"`) + 3
	}
	return length <= maxCSVRecord
}

// texts are the key and the values.
func (r *Row) texts(yield func(string) bool) {
	if !yield(r.Key) {
		return
	}
	for _, v := range r.Values {
		if !yield(v.Text) {
			return
		}
	}
}

// Fields gives names and values of a row's own fields for the recognition of
// echoes: without its key, which is Row.Key, and without references by external
// id, whose record ids are not known.
func (m *Mapper) Fields(r *Row, yield func(f *salesforce.Field, v Value) bool) {
	set := m.columns.set()
	for _, v := range r.Values {
		c := set.list[v.Column]
		if c.parent() && v.Kind != Null {
			continue
		}
		if !yield(c.field, v) {
			return
		}
	}
}
