package orgsim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rules are what admins add to an org: reasons of their own why a row is
// refused, and automations that change rows. The zero value does neither.
type Rules struct {
	Validation []ValidationRule `json:"validation,omitempty" yaml:"validation"`
	Duplicates []DuplicateRule  `json:"duplicates,omitempty" yaml:"duplicates"`
	Governor   []GovernorRule   `json:"governor,omitempty" yaml:"governor"`
	Triggers   []Trigger        `json:"triggers,omitempty" yaml:"triggers"`
}

// ValidationRule refuses rows for which all its conditions hold, with
// FIELD_CUSTOM_VALIDATION_EXCEPTION.
type ValidationRule struct {
	Object  string      `json:"object" yaml:"object"`
	Message string      `json:"message" yaml:"message"`
	Field   string      `json:"field,omitempty" yaml:"field"` // that the message stands at; empty = the page
	When    []Condition `json:"when" yaml:"when"`
	// Check refuses rows, too, when it gives true; old is nil on insert. It
	// runs inside of a transaction and must not use the Org.
	Check func(old, now *Record) bool `json:"-" yaml:"-"`
}

// Condition compares a field of the row, as it would be, with a value.
type Condition struct {
	Field string `json:"field" yaml:"field"`
	// Op is =, !=, <, <=, >, >=, null, "not null", or changed. Null is neither
	// less nor more than anything.
	Op    string `json:"op" yaml:"op"`
	Value string `json:"value,omitempty" yaml:"value"` // in the text form of REST; empty = null
}

// DuplicateRule refuses rows that agree with another one in all its fields,
// with DUPLICATES_DETECTED, unless the caller sends allowSave=true in the
// header Sforce-Duplicate-Rule-Header. Texts agree whatever their case; a
// null agrees with nothing.
type DuplicateRule struct {
	Object string   `json:"object" yaml:"object"`
	Fields []string `json:"fields" yaml:"fields"`
}

// GovernorRule stands for a trigger that is too slow: what a transaction
// writes of an object beyond Rows rows is refused with a limit exception.
type GovernorRule struct {
	Object string `json:"object" yaml:"object"`
	Rows   int    `json:"rows" yaml:"rows"`
}

// SetRules replaces the org's rules.
func (o *Org) SetRules(rules Rules) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.checkRules(&rules); err != nil {
		return err
	}
	o.rules = rules
	return nil
}

// checkRules checks names and values, and spells objects as the org does. The
// caller holds mu.
func (o *Org) checkRules(rules *Rules) error {
	for i := range rules.Validation {
		r := &rules.Validation[i]
		def, err := o.ruled(&r.Object)
		if err == nil && len(r.When) == 0 && r.Check == nil {
			err = fmt.Errorf("no condition")
		}
		for j := 0; err == nil && j < len(r.When); j++ {
			err = r.When[j].check(def)
		}
		if err != nil {
			return fmt.Errorf("validation rule of %s: %w", r.Object, err)
		}
	}
	for i := range rules.Duplicates {
		r := &rules.Duplicates[i]
		def, err := o.ruled(&r.Object)
		if err == nil && len(r.Fields) == 0 {
			err = fmt.Errorf("no fields")
		}
		for _, name := range r.Fields {
			if err == nil && def.Field(name) == nil {
				err = fmt.Errorf("no field %s", name)
			}
		}
		if err != nil {
			return fmt.Errorf("duplicate rule of %s: %w", r.Object, err)
		}
	}
	for i := range rules.Triggers {
		tr := &rules.Triggers[i]
		def, err := o.ruled(&tr.Object)
		if err == nil {
			err = tr.check(def)
		}
		if err != nil {
			return fmt.Errorf("trigger of %s: %w", tr.Object, err)
		}
	}
	for i := range rules.Governor {
		if _, err := o.ruled(&rules.Governor[i].Object); err != nil {
			return fmt.Errorf("governor rule: %w", err)
		}
	}
	return nil
}

// ruled finds the object of a rule.
func (o *Org) ruled(name *string) (*ObjectDef, error) {
	t := o.table(*name)
	if t == nil || t.def.Event {
		return nil, fmt.Errorf("no object %q", *name)
	}
	*name = t.def.Name
	return t.def, nil
}

var conditionOps = []string{"=", "!=", "<", "<=", ">", ">=", "null", "not null", "changed"}

func (c Condition) check(def *ObjectDef) error {
	f := def.Field(c.Field)
	if f == nil {
		return fmt.Errorf("no field %q", c.Field)
	}
	if !slices.Contains(conditionOps, c.Op) {
		return fmt.Errorf("operator %q of %s: want one of %s", c.Op, c.Field, strings.Join(conditionOps, ", "))
	}
	if _, err := f.FromText(c.Value); err != nil {
		return fmt.Errorf("value of %s: %w", c.Field, err)
	}
	return nil
}

// holds tells whether the condition is true of a row.
func (c Condition) holds(def *ObjectDef, old, now *Record) bool {
	f := def.Field(c.Field)
	if f == nil { // the object was altered
		return false
	}
	have := now.Get(f.Name)
	want, err := f.FromText(c.Value)
	if err == nil {
		want, err = f.convert(want)
	}
	if err != nil {
		return false
	}
	switch c.Op {
	case "null":
		return have.IsNull()
	case "not null":
		return !have.IsNull()
	case "changed":
		return old != nil && old.Get(f.Name) != have
	case "=":
		return have == want
	case "!=":
		return have != want
	}
	if have.IsNull() || want.IsNull() {
		return false
	}
	order := compareValues(have, want)
	return c.Op[0] == '<' && order < 0 || c.Op[0] == '>' && order > 0 || len(c.Op) == 2 && order == 0
}

// compareValues orders two values of one kind.
func compareValues(a, b Value) int {
	if a.kind == KindString {
		return strings.Compare(a.text, b.text)
	}
	return cmp.Compare(a.Float64(), b.Float64())
}

// checkRules refuses a row for the org's own reasons; old is nil on insert.
func (tx *Tx) checkRules(t *table, old, now *Record) error {
	if tx.system {
		return nil
	}
	if err := tx.checkLocks(t, old, now); err != nil {
		return err
	}
	rules := &tx.org.rules
	for _, g := range rules.Governor {
		if g.Object != now.Object {
			continue
		}
		if tx.written == nil {
			tx.written = map[string]int{}
		}
		if tx.written[g.Object]++; tx.written[g.Object] > g.Rows {
			return fieldErr("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", nil, "%sTrigger: System.LimitException: Apex CPU time limit exceeded", g.Object)
		}
	}
	for _, v := range rules.Validation {
		if v.Object == now.Object && v.refuses(t.def, old, now) {
			var fields []string
			if v.Field != "" {
				fields = []string{v.Field}
			}
			return fieldErr("FIELD_CUSTOM_VALIDATION_EXCEPTION", fields, "%s", v.Message)
		}
	}
	if tx.caller.AllowDuplicates {
		return nil
	}
	for _, d := range rules.Duplicates {
		if d.Object == now.Object && d.matches(t, old, now) {
			return fieldErr("DUPLICATES_DETECTED", nil, "Use one of these records?")
		}
	}
	return nil
}

func (v ValidationRule) refuses(def *ObjectDef, old, now *Record) bool {
	for _, c := range v.When {
		if !c.holds(def, old, now) {
			return false
		}
	}
	return v.Check == nil || v.Check(old, now)
}

// matches tells whether another row agrees with this one. A change that leaves
// the fields alone is not looked at.
func (d DuplicateRule) matches(t *table, old, now *Record) bool {
	changed := old == nil
	for _, name := range d.Fields {
		if now.Get(name).IsNull() {
			return false
		}
		changed = changed || old.Get(name) != now.Get(name)
	}
	found := false
	if changed {
		t.scan(false, func(r *Record) bool {
			found = r.ID != now.ID && d.agree(r, now)
			return !found
		})
	}
	return found
}

func (d DuplicateRule) agree(a, b *Record) bool {
	for _, name := range d.Fields {
		x, y := a.Get(name), b.Get(name)
		if x != y && (x.kind != KindString || !strings.EqualFold(x.text, y.text)) {
			return false
		}
	}
	return true
}
