package rows

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// stamps are what an org notes about each row by itself. Rows that come from an
// org carry them, so they are passed over; so is Id, which is the row's key or
// of no use in another org.
var stamps = []string{"Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}

// passedOver are names that are no fields: what REST and Pub/Sub put beside
// them.
var passedOver = []string{"attributes", "ChangeEventHeader"}

// everyField makes the columns of all fields that can be written, for records
// that need no mapping.
func (m *Mapper) everyField() error {
	n := 0
	for i := range m.object.Fields {
		f := &m.object.Fields[i]
		if f.Name == m.key.Name || f.Type == "id" || m.writable(f) != nil {
			continue
		}
		c, err := m.own(f)
		if err != nil {
			continue // of a type that cannot be written
		}
		m.columns.add(c)
		m.noBulk = m.noBulk || f.Type == "base64"
		n++
	}
	if n == 0 && m.cfg.Operation != Delete && m.cfg.Operation != Undelete {
		return fmt.Errorf("object: %s has no field that the integration user may write: check the field-level security", m.object.Name)
	}
	return nil
}

// every maps each field of a record to the field of the same name.
func (w *work) every(value any) {
	tree, ok := value.(map[string]any)
	if !ok {
		w.wrong(flow.BadMapping, "_value", fmt.Errorf("the record is %s without names: say in fields what it means", kindOf(value)))
		return
	}
	w.values = make([]Value, 0, len(tree))
	for name, v := range tree {
		if !slices.Contains(passedOver, name) {
			w.named(name, v)
		}
	}
}

// named maps one field of a record.
func (w *work) named(name string, v any) {
	m := w.m
	f, isField := m.field(name)
	if !isField {
		path := m.orgName(name, func(n string) bool { return m.byRelationship[n] != nil })
		if ref := m.byRelationship[path]; ref != nil {
			w.parent(name, ref, v)
			return
		}
		w.unknown(name, errors.New("the object has no such field, or the integration user may not see it"+m.nearFields(name)))
		return
	}
	if f.Name == m.key.Name {
		return
	}
	if parts := m.parts[f.Name]; len(parts) > 0 {
		if fields, ok := v.(map[string]any); ok || v == nil && compound(f) {
			w.compound(f, parts, fields)
			return
		}
	}
	if column, ok := w.set.byName[f.Name]; ok {
		w.put(column, v)
		return
	}
	if !slices.Contains(stamps, f.Name) {
		w.unknown(name, m.writable(f))
	}
}

// unknown is a field of a record that has no place in the object.
func (w *work) unknown(name string, err error) {
	if w.m.cfg.IgnoreUnmapped {
		return
	}
	if err == nil {
		err = errors.New("it cannot be written")
	}
	w.wrong(flow.UnknownField, name, fmt.Errorf("%w; unmapped: ignore passes over such fields", err))
}

// compound maps an address, a location or a name to the fields that it is made
// of; nil clears them all.
func (w *work) compound(f *salesforce.Field, parts []*salesforce.Field, fields map[string]any) {
	if fields == nil {
		for _, part := range parts {
			if column, ok := w.set.byName[part.Name]; ok {
				w.put(column, nil)
			}
		}
		return
	}
	for name, v := range fields {
		at := slices.IndexFunc(parts, func(part *salesforce.Field) bool { return strings.EqualFold(partOf(f.Name, part.Name), name) })
		if at < 0 {
			w.unknown(f.Name+"."+name, errors.New("the field has no such part"))
			continue
		}
		if column, ok := w.set.byName[parts[at].Name]; ok {
			w.put(column, v)
		} else {
			w.unknown(f.Name+"."+name, w.m.writable(parts[at]))
		}
	}
}

var customPart = regexp.MustCompile(`^__(\w+)__s$`)

// partOf is the name of a part within its compound field: City for BillingCity
// in BillingAddress and for Ship_To__City__s in Ship_To__c.
func partOf(compound, part string) string {
	if base, custom := strings.CutSuffix(compound, "__c"); custom {
		rest, _ := strings.CutPrefix(part, base)
		if match := customPart.FindStringSubmatch(rest); match != nil {
			return match[1]
		}
		return part
	}
	return strings.TrimPrefix(part, strings.TrimSuffix(compound, "Address"))
}

// parent maps what a record has under the name of a relationship: one field of
// the parent, its external id.
func (w *work) parent(name string, ref *salesforce.Field, v any) {
	m := w.m
	if err := m.writable(ref); err != nil {
		w.unknown(name, err)
		return
	}
	if v == nil {
		w.put(w.set.byName[ref.Name], nil)
		return
	}
	fields, ok := v.(map[string]any)
	field, object := parentFields(fields)
	if !ok || field == "" {
		w.wrong(flow.BadValue, name, errors.New("a parent is given as an object with one field in it, its external id"))
		return
	}
	if object != "" && len(ref.ReferenceTo) > 1 {
		object = m.orgName(object, func(n string) bool { return slices.Contains(ref.ReferenceTo, n) })
	} else {
		object = ""
	}
	column, err := m.parentColumn(object, ref.Relationship, m.parentField(object, ref.Relationship, field))
	if err != nil {
		w.wrong(flow.BadValue, name, err)
		return
	}
	w.set = m.columns.set()
	w.put(column, fields[field])
}

// parentColumn finds the column of a parent's external id, or makes it.
func (m *Mapper) parentColumn(object, relationship, field string) (int32, error) {
	if column, ok := m.columns.set().byName[parentName(object, relationship, field)]; ok {
		return column, nil
	}
	c, err := m.ofParent(object, relationship, field)
	if err != nil {
		return 0, err
	}
	return m.columns.found(c)
}

// parentFields finds the one field of a parent, and its type if that is there.
func parentFields(fields map[string]any) (field, object string) {
	n := 0
	for name := range fields {
		if name != "attributes" {
			field = name
			n++
		}
	}
	if n != 1 {
		return "", ""
	}
	if attributes, ok := fields["attributes"].(map[string]any); ok {
		object, _ = attributes["type"].(string)
	}
	return field, object
}
