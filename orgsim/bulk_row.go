package orgsim

import (
	"fmt"
	"strings"
)

// nullText clears a field; an empty value leaves it as it is.
const nullText = "#N/A"

// bulkColumn is what a column of an upload means.
type bulkColumn struct {
	field  *FieldDef // of the object; for a relationship the reference field
	isID   bool      // Id
	isKey  bool      // the external id of an upsert
	parent string    // field of the parent, for Account.ERP_Id__c
	object string    // kind of parent, for Lead:Who.Email
}

// columnsOf binds the header; a column that the object does not have fails
// the whole job.
func (j *bulkJob) columnsOf(names []string) ([]bulkColumn, error) {
	out := make([]bulkColumn, len(names))
	for i, name := range names {
		col, ok := j.column(name)
		if !ok {
			return nil, fmt.Errorf("InvalidBatch : Field name not found : %s", name)
		}
		if (j.operation == "delete" || j.operation == "hardDelete") && (!col.isID || len(names) > 1) {
			return nil, fmt.Errorf("InvalidBatch : %s takes one column, Id", j.operation)
		}
		out[i] = col
	}
	return out, nil
}

// column binds one name: a field, or a parent's external id with or without
// the kind of parent.
func (j *bulkJob) column(name string) (bulkColumn, bool) {
	if path, field, ok := strings.Cut(name, "."); ok {
		return j.parentColumn(path, field)
	}
	f := j.def.Field(name)
	if f == nil || j.call.access.hides(j.def.Name, f.Name) {
		return bulkColumn{}, false
	}
	return bulkColumn{field: f, isID: f.Type == TypeID, isKey: f == j.key}, true
}

func (j *bulkJob) parentColumn(path, field string) (bulkColumn, bool) {
	object, relationship, typed := strings.Cut(path, ":")
	if !typed {
		object, relationship = "", path
	}
	ref := referenceOf(j.def, relationship)
	if ref == nil || j.call.access.hides(j.def.Name, ref.Name) || typed && len(ref.ReferenceTo) < 2 {
		return bulkColumn{}, false
	}
	target := ref.ReferenceTo[0]
	if typed {
		target = ""
		for _, to := range ref.ReferenceTo {
			if to == object {
				target = to
			}
		}
	}
	def := j.call.rest.org.Object(target)
	if def == nil || def.Field(field) == nil || !def.Field(field).IDLookup() {
		return bulkColumn{}, false
	}
	return bulkColumn{field: ref, parent: def.Field(field).Name, object: target}, true
}

// bulkRow is one row of an upload, read.
type bulkRow struct {
	id     string         // column Id
	key    string         // of an upsert or an update, as written
	dedupe string         // the same in the form in which keys are compared
	body   map[string]any // as REST would have it
	err    error          // why the row cannot be used
}

// read makes a row of CSV into the body that REST would get, so that both
// APIs share everything that follows.
func (j *bulkJob) read(at csvRow) (row bulkRow) {
	rec := j.form.read(j.data[:at.end], at.start, nil)
	switch {
	case rec.bad != "":
		row.err = badRequest("INVALID_CSV_ROW", "Failed to parse CSV row: "+rec.bad)
	case len(rec.fields) != len(j.columns):
		row.err = badRequest("INVALID_CSV_ROW", fmt.Sprintf("The row has %d columns, the header has %d", len(rec.fields), len(j.columns)))
	case at.end-at.start > maxCSVRecord:
		row.err = badRequest(CodeStringTooLong, fmt.Sprintf("A record is limited to %d characters", maxCSVRecord))
	}
	if row.err != nil {
		return row
	}
	row.body = make(map[string]any, len(rec.fields))
	for i, text := range rec.fields {
		if len(text) > maxCSVField {
			row.err = badRequest(CodeStringTooLong, fmt.Sprintf("A field is limited to %d characters", maxCSVField), j.columns[i].field.Name)
			return row
		}
		row.put(j.columns[i], text)
	}
	switch {
	case j.key != nil && j.key.Type != TypeID:
		if v, err := j.key.FromText(row.key); err == nil && !v.IsNull() {
			row.dedupe = indexKey(j.key, v)
		}
	case row.id != "":
		row.key, row.dedupe = row.id, row.id
		if full, err := ID18(row.id); err == nil {
			row.dedupe = full
		}
	}
	return row
}

// put places one value of a row.
func (row *bulkRow) put(col bulkColumn, text string) {
	null := text == nullText
	switch {
	case text == "":
	case (col.isID || col.isKey) && null:
	case col.isID:
		row.id = text
	case col.isKey:
		row.key = text
	case null:
		row.body[col.field.Name] = nil
	case col.parent != "":
		row.body[col.field.RelationshipPath()] = map[string]any{col.parent: text, "attributes": map[string]any{"type": col.object}}
	default:
		row.body[col.field.Name] = text
	}
}
