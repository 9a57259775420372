package rows

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sfbridge/salesforce"
)

// Parents are the objects to which the mapping refers by external ids.
func Parents(cfg Config, object *salesforce.Object) []string {
	m := &Mapper{cfg: cfg, object: object}
	m.index()
	found := map[string]bool{}
	for to := range cfg.Fields {
		if object, relationship, _ := m.path(to); m.byRelationship[relationship] != nil {
			found[m.parentOf(object, relationship)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// path reads Account.ERP_Id__c or Lead:Who.Email, in the org's own names but
// for the last. Other targets have no relationship.
func (m *Mapper) path(to string) (object, relationship, field string) {
	path, field, nested := strings.Cut(to, ".")
	if !nested {
		return "", "", to
	}
	object, relationship, typed := strings.Cut(path, ":")
	if !typed {
		object, relationship = "", path
	}
	relationship = m.orgName(relationship, func(n string) bool { return m.byRelationship[n] != nil })
	if ref := m.byRelationship[relationship]; ref != nil {
		object = m.orgName(object, func(n string) bool { return slices.Contains(ref.ReferenceTo, n) })
	}
	return object, relationship, field
}

// parentOf is the object at the other end of a relationship.
func (m *Mapper) parentOf(object, relationship string) string {
	if ref := m.byRelationship[relationship]; object == "" && len(ref.ReferenceTo) == 1 {
		return ref.ReferenceTo[0]
	}
	return object
}

// parentTarget makes the column of a target that is a parent's external id.
func (m *Mapper) parentTarget(to string) (*column, error) {
	object, relationship, field := m.path(to)
	if f, ok := m.field(relationship); ok && compound(f) {
		return nil, fmt.Errorf("%s is made of other fields: write %s", f.Name, m.components(f))
	}
	if ref := m.byRelationship[relationship]; ref != nil {
		if err := m.writable(ref); err != nil {
			return nil, err
		}
	}
	return m.ofParent(object, relationship, m.parentField(object, relationship, field))
}

// parentField puts the namespace on a field of a parent. Without the parent's
// description, it is taken to have one unless the way to it is a custom field
// that has none.
func (m *Mapper) parentField(object, relationship, field string) string {
	with := m.cfg.Namespace.Name(field)
	if with == field || m.byRelationship[relationship] == nil {
		return field
	}
	if p := m.parents[m.parentOf(object, relationship)]; p != nil {
		if _, ok := p.Field(with); !ok {
			return field
		}
		return with
	}
	if strings.HasSuffix(relationship, "__r") && !strings.HasPrefix(relationship, string(m.cfg.Namespace)+"__") {
		return field
	}
	return with
}

// ofParent makes the column of a parent's external id, and that of the
// reference itself, which takes null.
func (m *Mapper) ofParent(object, relationship, field string) (*column, error) {
	ref, ok := m.byRelationship[relationship]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s has no relationship %s%s", m.object.Name, relationship, m.nearRelationships(relationship))
	case !apiName.MatchString(field):
		return nil, fmt.Errorf("%.80q is not the name of a field", field)
	case object != "" && !slices.Contains(ref.ReferenceTo, object):
		return nil, fmt.Errorf("%s refers to %s, not to %s", ref.Name, list(ref.ReferenceTo), object)
	case object == "" && len(ref.ReferenceTo) > 1:
		return nil, fmt.Errorf("%s refers to %s: say which one, such as %s:%s.%s", ref.Name, list(ref.ReferenceTo), ref.ReferenceTo[0], relationship, field)
	}
	if err := m.parentKeyField(m.parents[m.parentOf(object, relationship)], field); err != nil {
		return nil, err
	}
	c := &column{field: ref, relationship: relationship, parentField: field, convert: parentKey}
	if len(ref.ReferenceTo) > 1 {
		c.name = parentName(object, relationship, field)
		c.attributes = salesforce.Record{"type": object}
	} else {
		c.name = parentName("", relationship, field)
	}
	self, err := m.own(ref)
	if err != nil {
		return nil, err
	}
	c.slot = m.columns.add(self)
	return c, nil
}

// parentKeyField tells why a field of a parent cannot tell its rows apart, or
// nil, also if the parent is not described.
func (m *Mapper) parentKeyField(parent *salesforce.Object, field string) error {
	if parent == nil {
		return nil
	}
	f, ok := parent.Field(field)
	switch {
	case !ok:
		names := make([]string, len(parent.Fields))
		for i := range parent.Fields {
			names[i] = parent.Fields[i].Name
		}
		return fmt.Errorf("%s has no field %s, or the integration user may not see it%s", parent.Name, field, near(field, names))
	case !f.ExternalID && !f.IDLookup:
		return fmt.Errorf("%s of %s is not an external id: tick External ID (and Unique) in the field's definition", field, parent.Name)
	}
	return nil
}

// parentName is a parent's external id as CSV names it.
func parentName(object, relationship, field string) string {
	if object != "" {
		return object + ":" + relationship + "." + field
	}
	return relationship + "." + field
}

// parentKey takes the value of a parent's external id. It goes out as text
// whatever its type, which the org reads as the parent's field has it.
func parentKey(v any) (Kind, string, error) {
	if _, isBool := v.(bool); isBool {
		return 0, "", wrongKind(v, "the external id of a parent", "")
	}
	s, err := plainText(v)
	if err != nil {
		return 0, "", errors.New(kindOf(v) + " where the field takes the external id of a parent")
	}
	return checkedText(s, 0)
}
