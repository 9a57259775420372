package publish

import (
	"fmt"
	"maps"
	"slices"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
)

// mapped is one field of the event and where its value comes from.
type mapped struct {
	name string
	from *expression.Expression
}

// refusal is a record that cannot become an event, or an event that the org
// does not take.
type refusal struct {
	reason  string // of package flow
	text    string // sentence for people, without values
	fields  []string
	code    string // the service's
	message string // the service's
}

// compile reads the expressions of the configuration.
func (f *Flow) compile() (err error) {
	for _, name := range slices.Sorted(maps.Keys(f.cfg.Fields)) {
		if isSystem(name) {
			return fmt.Errorf("field %s is set by the bridge and the org", name)
		}
		m := mapped{name: name}
		if m.from, err = expression.Compile(f.cfg.Fields[name]); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		f.fields = append(f.fields, m)
	}
	if f.cfg.ID != "" {
		if f.id, err = expression.Compile(f.cfg.ID); err != nil {
			return fmt.Errorf("id: %w", err)
		}
	}
	return nil
}

// values maps a record to the event's fields.
func (f *Flow) values(s *shape, in *expression.Input) (map[string]any, *refusal) {
	out := make(map[string]any, len(s.names))
	if f.cfg.Fields == nil {
		return out, f.sameNames(s, in, out)
	}
	for i, m := range f.fields {
		v, present, err := m.from.Eval(in)
		if err != nil {
			return nil, &refusal{reason: flow.BadMapping, text: fmt.Sprintf("field %s: %v", m.name, err), fields: []string{m.name}}
		}
		if !present {
			continue
		}
		if why := s.mapped[i].put(out, v); why != nil {
			return nil, why
		}
	}
	return out, nil
}

// sameNames maps each field of a record to the event's field of that name.
func (f *Flow) sameNames(s *shape, in *expression.Input, out map[string]any) *refusal {
	rec, ok := in.Value.(map[string]any)
	if !ok {
		return &refusal{reason: flow.BadMapping, text: "the record's value has no fields: map it with expressions under fields"}
	}
	var unknown []string
	for name, v := range rec {
		if isSystem(name) {
			continue
		}
		t := s.field(f.cfg.Event, name)
		if t == nil {
			unknown = append(unknown, name)
			continue
		}
		if _, twice := out[t.name]; twice {
			return &refusal{reason: flow.BadMapping, text: "two fields of the record stand for " + t.name, fields: []string{t.name}}
		}
		if why := t.put(out, v); why != nil {
			return why
		}
	}
	if len(unknown) > 0 && !f.cfg.IgnoreUnmapped {
		slices.Sort(unknown)
		return &refusal{reason: flow.UnknownField, text: fmt.Sprintf("the event has no field of the name: %q", unknown), fields: unknown}
	}
	return nil
}
