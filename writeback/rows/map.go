package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// Row maps a record; a nil in.Value is a tombstone. The error is a *Rejection.
// A nil row without an error is a tombstone to be ignored.
func (m *Mapper) Row(in *expression.Input) (*Row, error) {
	op, err := m.operation(in)
	if err != nil || op == "" {
		return nil, err
	}
	r := &Row{Op: op}
	if r.Key, err = m.rowKey(in, op); err != nil {
		return nil, err
	}
	r.Identity = m.Identity(r.Key)
	if r.Version, err = m.versionOf(in); err != nil {
		return nil, err
	}
	if op == Delete || op == Undelete {
		return r, nil
	}
	w := &work{m: m, set: m.columns.set()}
	if m.cfg.Fields != nil {
		w.mapped(in)
	} else {
		w.every(in.Value)
	}
	if err := w.finish(r); err != nil {
		return nil, err
	}
	return r, nil
}

// work is one row as it is made.
type work struct {
	m      *Mapper
	set    *columnSet
	values []Value
	bad    []problem
}

// problem is one thing that is wrong with a record.
type problem struct {
	reason, field string
	err           error
}

func (w *work) wrong(reason, field string, err error) {
	w.bad = append(w.bad, problem{reason, field, err})
}

// mapped evaluates the expressions of an explicit mapping.
func (w *work) mapped(in *expression.Input) {
	w.values = make([]Value, 0, len(w.m.targets))
	for i := range w.m.targets {
		t := &w.m.targets[i]
		v, present, err := t.from.Eval(in)
		switch {
		case err != nil:
			w.wrong(flow.BadMapping, t.name, err)
		case present:
			w.put(t.column, v)
		}
	}
}

// put converts a value into a column's form. Null through a relationship clears
// the reference itself.
func (w *work) put(column int32, v any) {
	c := w.set.list[column]
	if v == nil {
		w.values = append(w.values, Value{Column: c.slot})
		return
	}
	kind, text, err := c.convert(v)
	switch {
	case err != nil:
		w.wrong(flow.BadValue, c.name, err)
	case kind == Null:
		w.values = append(w.values, Value{Column: c.slot})
	default:
		w.values = append(w.values, Value{Column: column, Kind: kind, Text: text})
	}
}

// finish checks what the values are together, and puts them into the row.
func (w *work) finish(r *Row) error {
	if len(w.bad) == 0 {
		w.settle()
	}
	if len(w.bad) == 0 && w.m.people {
		r.Shape = w.shape()
	}
	if len(w.bad) == 0 && w.m.multiCurrency {
		w.currency()
	}
	if len(w.bad) > 0 {
		return w.rejection()
	}
	r.Values = w.values
	if cap(w.values) > 2*len(w.values) {
		r.Values = slices.Clone(w.values)
	}
	r.Parent = w.set.parentOf(r.Values)
	return nil
}

// settle puts the values in order. Of two ways to fill one field, null gives
// way.
func (w *work) settle() {
	byColumn := func(a, b Value) int { return int(a.Column - b.Column) }
	if !slices.IsSortedFunc(w.values, byColumn) {
		slices.SortStableFunc(w.values, byColumn)
	}
	kept := w.values[:0]
	for _, v := range w.values {
		other := w.set.same(kept, v.Column)
		switch {
		case other < 0:
			kept = append(kept, v)
		case v.Kind == Null || kept[other] == v:
		case kept[other].Kind == Null:
			kept = append(slices.Delete(kept, other, other+1), v)
		default:
			c := w.set.list[v.Column]
			w.wrong(flow.BadValue, c.field.Name, fmt.Errorf("the record fills it in two ways, as %s and as %s", w.set.list[kept[other].Column].name, c.name))
		}
	}
	w.values = kept
}

// same finds the value among those before it that fills the same field, or -1.
func (s *columnSet) same(before []Value, column int32) int {
	if n := len(before); n > 0 && before[n-1].Column == column {
		return n - 1
	}
	if !s.parents {
		return -1
	}
	slot := s.list[column].slot
	return slices.IndexFunc(before, func(v Value) bool { return s.list[v.Column].slot == slot })
}

// maxProblems is how many of the things wrong with a record are told.
const maxProblems = 10

// rejection tells everything that is wrong in the first way.
func (w *work) rejection() error {
	slices.SortStableFunc(w.bad, func(a, b problem) int { return strings.Compare(a.field, b.field) })
	out := &Rejection{Reason: w.bad[0].reason, Code: codeOf(w.bad[0].reason, w.bad[0].err)}
	var said []string
	for _, p := range w.bad {
		if p.reason == out.Reason && len(said) < maxProblems {
			out.Fields = append(out.Fields, p.field)
			said = append(said, wrap(p.field, p.err).Error())
		}
	}
	out.Err = errors.New(strings.Join(said, "; "))
	return out
}

// reject is the rejection for one field.
func (m *Mapper) reject(reason, field string, err error) error {
	return &Rejection{Reason: reason, Code: codeOf(reason, err), Fields: []string{field}, Err: wrap(field, err)}
}

// wrap says which field or key an error is about. Names may come from records.
func wrap(what string, err error) error { return fmt.Errorf("%.120s: %w", what, err) }

// lockless are the objects whose rows are not locked when one refers to them.
var lockless = []string{"User", "Group", "RecordType", "Profile", "BusinessHours", "Calendar"}

// parentOf is the first reference of a row, by which locks are shared.
func (s *columnSet) parentOf(values []Value) string {
	for _, v := range values {
		f := s.list[v.Column].field
		if v.Kind == Null || f.Type != "reference" {
			continue
		}
		if !slices.ContainsFunc(f.ReferenceTo, func(to string) bool { return !slices.Contains(lockless, to) }) {
			continue
		}
		return v.Text
	}
	return ""
}

// versionOf is the version of the source's state that a record carries.
func (m *Mapper) versionOf(in *expression.Input) (string, error) {
	if m.version == nil {
		return stamp(in.Timestamp), nil
	}
	v, present, err := m.version.Eval(in)
	if (err != nil || !present || v == nil) && in.Value == nil {
		return stamp(in.Timestamp), nil // a tombstone carries no version
	}
	if err != nil {
		return "", &Rejection{Reason: flow.BadMapping, Err: wrap("version", err)}
	}
	if !present || v == nil {
		return "", &Rejection{Reason: flow.BadValue, Err: errors.New("version: the record has none, so it cannot be compared with the row")}
	}
	if text, ok := v.(string); ok {
		if t, err := moment(strings.TrimSpace(text)); err == nil {
			return t.Format(momentLayout), nil
		}
		v = json.Number(strings.TrimSpace(text))
	}
	n, ok := v.(json.Number)
	if !ok {
		return "", &Rejection{Reason: flow.BadValue, Err: wrap("version", wrongKind(v, "a moment or a number", ""))}
	}
	digits, err := salesforce.Digits(n)
	if err != nil {
		return "", &Rejection{Reason: flow.BadValue, Err: errors.New("version: neither a moment in RFC 3339 nor a number")}
	}
	return digits, nil
}

// stamp is a record's timestamp as a version.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(momentLayout) }
