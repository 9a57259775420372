package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// findKey finds the field that tells rows apart.
func (m *Mapper) findKey() error {
	name := m.cfg.ExternalID
	if name == "" {
		name = "Id"
	}
	f, ok := m.field(name)
	switch {
	case !ok && name == "Id":
		f = &salesforce.Field{Name: "Id", Type: "id", IDLookup: true}
	case !ok:
		m.key = &salesforce.Field{Name: name} // so that the check can go on
		return fmt.Errorf("external_id: %s has no field %s, or the integration user may not see it%s", m.object.Name, name, m.nearFields(name))
	case f.Type != "id" && !f.ExternalID && !f.IDLookup:
		m.key = f
		return fmt.Errorf("external_id: %s is not an external id: tick External ID (and Unique) in the field's definition", f.Name)
	}
	m.key = f
	c, err := m.own(f)
	if err != nil {
		return fmt.Errorf("external_id: %w", err)
	}
	m.keyColumn = c
	m.columns.add(c)
	return nil
}

// rowKey gives the key of the row that a record is about, "" for none where
// none is needed: in an insert.
func (m *Mapper) rowKey(in *expression.Input, op Operation) (string, error) {
	if op == Insert && m.key.Type == "id" {
		return "", nil
	}
	v, present, err := m.keyValue(in)
	if err != nil && in.Value != nil { // a tombstone has nothing to work on
		return "", m.reject(flow.BadMapping, m.key.Name, err)
	}
	if present && v != nil {
		key, err := m.keyText(v)
		if err != nil {
			return "", m.reject(flow.BadValue, m.key.Name, err)
		}
		if key != "" {
			return key, nil
		}
	}
	removal := op == Delete || op == Undelete
	switch {
	case op == Insert:
		return "", nil
	case !removal && (m.keyFrom != nil || present):
		return "", m.reject(flow.NoKey, m.key.Name, errors.New("the record has no value for it, so nothing tells which row is meant"))
	case m.cfg.Fields == nil && m.key.Type != "id" && changeEvent(in.Value):
		return "", m.reject(flow.NoKey, m.key.Name, errNotInEvent)
	}
	return m.recordKey(in.Key)
}

// errNotInEvent keeps the record id of the org that an event comes from from
// becoming the external id of a new row, only because the event had no reason
// to carry the external id.
var errNotInEvent = errors.New("a change event carries what has changed, and the external id has not: " +
	"enrich the channel with it, or say in fields what is the key, such as _key for the record id")

// changeEvent tells whether a record is a change event of an org.
func changeEvent(v any) bool {
	tree, ok := v.(map[string]any)
	_, header := tree["ChangeEventHeader"].(map[string]any)
	return ok && header
}

// keyValue is what the mapping gives for the key.
func (m *Mapper) keyValue(in *expression.Input) (v any, present bool, err error) {
	if m.keyFrom != nil {
		return m.keyFrom.Eval(in)
	}
	tree, ok := in.Value.(map[string]any)
	if !ok || m.cfg.Fields != nil {
		return nil, false, nil
	}
	if v, present = tree[m.key.Name]; !present && m.cfg.Namespace != "" {
		v, present = tree[m.unprefixed(m.key.Name)]
	}
	return v, present, nil
}

// unprefixed is an org's name without the namespace.
func (m *Mapper) unprefixed(name string) string {
	return strings.TrimPrefix(name, string(m.cfg.Namespace)+"__")
}

// recordKey takes the key of the Kafka record for the row's.
func (m *Mapper) recordKey(v any) (string, error) {
	const remedy = ": map %s to where the record has it"
	switch v.(type) {
	case nil:
		return "", m.reject(flow.NoKey, m.key.Name, fmt.Errorf("neither the record nor its key in Kafka has it"+remedy, m.key.Name))
	case string, json.Number:
	default:
		return "", m.reject(flow.NoKey, m.key.Name, fmt.Errorf("the record's key in Kafka is %s"+remedy+", such as _key.id", kindOf(v), m.key.Name))
	}
	key, err := m.keyText(v)
	switch {
	case err != nil:
		return "", m.reject(flow.NoKey, m.key.Name, fmt.Errorf("the record's key in Kafka, taken for want of another: %w", err))
	case key == "":
		return "", m.reject(flow.NoKey, m.key.Name, errors.New("the record's key in Kafka, taken for want of another, is empty"))
	}
	return key, nil
}

// keyText is a key in the one form that it has: trimmed, as the org stores it;
// a number by its digits (C58 of the users' cases).
func (m *Mapper) keyText(v any) (string, error) {
	if n, ok := v.(json.Number); ok {
		s, err := canonical(n)
		if err != nil {
			return "", err
		}
		v = json.Number(s)
	}
	kind, s, err := m.keyColumn.convert(v)
	if err != nil {
		return "", err
	}
	if kind != Number {
		return strings.TrimSpace(s), nil
	}
	if s, err = canonical(json.Number(s)); err != nil {
		return "", err
	}
	if _, fraction, _ := strings.Cut(s, "."); len(fraction) > m.key.Scale {
		return "", fmt.Errorf("a key with %d digits behind the point, of which the field holds %d: the org would round it to another key", len(fraction), m.key.Scale)
	}
	return s, nil
}

// Identity is equal for keys that may mean the same row. Texts are told apart
// by case only where the description says so (SOAP API guide, "upsert").
func (m *Mapper) Identity(key string) string {
	if m.key.CaseSensitive || m.key.Type == "id" {
		return key
	}
	return strings.ToLower(key)
}

// sameKey tells whether two keys surely mean the same row.
func (m *Mapper) sameKey(a, b string) bool {
	return a == b || m.key.Unique && !m.key.CaseSensitive && strings.EqualFold(a, b)
}
