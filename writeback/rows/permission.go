package rows

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"sfbridge/salesforce"
)

// may tells why the integration user may not do this to the object, or nil.
func (m *Mapper) may(op Operation) error {
	o := m.object
	switch {
	case op == Insert && !o.Createable:
		return fmt.Errorf("the integration user may not create %s records: it needs the permission Create on the object", o.Name)
	case op == Update && !o.Updateable:
		return fmt.Errorf("the integration user may not change %s records: it needs the permission Edit on the object", o.Name)
	case op == Upsert && (!o.Createable || !o.Updateable):
		return fmt.Errorf("the integration user may not both create and change %s records: it needs the permissions Create and Edit on the object", o.Name)
	case op == Delete && !o.Deletable:
		return fmt.Errorf("the integration user may not delete %s records: it needs the permission Delete on the object", o.Name)
	case op == Undelete && !o.Undeletable:
		return fmt.Errorf("%s records cannot be restored, or not by the integration user", o.Name)
	}
	return nil
}

// writable tells why no value can be written to a field, or nil.
func (m *Mapper) writable(f *salesforce.Field) error {
	fixed := m.cfg.OperationFrom == ""
	insert, update := fixed && m.cfg.Operation == Insert, fixed && m.cfg.Operation == Update
	switch {
	case compound(f):
		return fmt.Errorf("%s is made of other fields: write %s", f.Name, m.components(f))
	case f.Calculated:
		return fmt.Errorf("%s is a formula, which the org works out itself", f.Name)
	case f.AutoNumber:
		return fmt.Errorf("%s is an automatic number, which the org gives itself", f.Name)
	case !f.Createable && !f.Updateable:
		return fmt.Errorf("%s is read-only, for everybody or for the integration user: check the field-level security", f.Name)
	case insert && !f.Createable:
		return fmt.Errorf("%s cannot be given to a new record", f.Name)
	case update && !f.Updateable:
		return fmt.Errorf("%s cannot be changed once the record is there", f.Name)
	}
	return nil
}

// warn gathers what is right for some records only.
func (m *Mapper) warn() {
	say := func(format string, args ...any) { m.warnings = append(m.warnings, fmt.Sprintf(format, args...)) }
	ops := m.possible()
	creates := ops[Insert] || ops[Upsert]
	changes := ops[Update] || ops[Upsert]
	set := m.columns.set()
	mapped := map[string]bool{m.key.Name: true}
	for _, t := range m.targets {
		c := set.list[t.column]
		mapped[c.field.Name] = true
		switch {
		case changes && !c.field.Updateable:
			say("%s cannot be changed once a record is there: the org refuses records that try", t.name)
		case creates && !c.field.Createable:
			say("%s cannot be given to a new record: the org refuses records that try", t.name)
		}
	}
	if m.key.Type != "id" && !m.key.Unique {
		say("%s is not unique: a record whose key several rows have is refused", m.key.Name)
	}
	if creates && m.key.Type != "id" && !m.key.Createable {
		say("%s cannot be given to a new record: only rows that are there can be written", m.key.Name)
	}
	if !creates || m.cfg.Fields == nil {
		return
	}
	for i := range m.object.Fields {
		f := &m.object.Fields[i]
		person := m.people && (f.Name == "Name" && mapped["LastName"] || f.CompoundField == "Name")
		if f.Required() && !mapped[f.Name] && !person && f.Type != "boolean" {
			say("%s is required and not mapped: unless an automation fills it, no record can be created", f.Name)
		}
	}
}

// possible are the operations that records can have.
func (m *Mapper) possible() map[Operation]bool {
	ops := map[Operation]bool{}
	if m.cfg.Operation != "" {
		ops[m.cfg.Operation] = true
	}
	if m.cfg.OperationFrom != "" {
		for _, op := range m.cfg.Operations {
			ops[op] = true
		}
	}
	if m.cfg.OperationFrom != "" && len(m.cfg.Operations) == 0 {
		for _, op := range everyOperation {
			ops[op] = true
		}
	}
	return ops
}

var everyOperation = [...]Operation{Insert, Update, Upsert, Delete, Undelete}

// operations checks what the configuration says about them.
func (m *Mapper) operations() error {
	var errs []error
	known := func(key string, op Operation) {
		if !slices.Contains(everyOperation[:], op) {
			errs = append(errs, fmt.Errorf("%s: %.80q is not an operation: write insert, update, upsert, delete or undelete", key, string(op)))
		}
	}
	if m.cfg.Operation != "" {
		known("operation", m.cfg.Operation)
	} else if m.cfg.OperationFrom == "" {
		errs = append(errs, errors.New("operation: say what is done with the records: insert, update, upsert, delete or undelete; or name operation_from"))
	}
	for _, word := range slices.Sorted(maps.Keys(m.cfg.Operations)) {
		known("operations."+word, m.cfg.Operations[word])
	}
	switch m.cfg.OnTombstone {
	case "", TombstoneDelete, TombstoneIgnore, TombstoneReject:
	default:
		errs = append(errs, fmt.Errorf("on_tombstone: %.80q is not known: write delete, ignore or reject", m.cfg.OnTombstone))
	}
	if len(errs) == 0 && m.cfg.Operation != "" {
		if err := m.may(m.cfg.Operation); err != nil {
			errs = append(errs, fmt.Errorf("object: %w", err))
		}
	}
	for _, word := range slices.Sorted(maps.Keys(m.cfg.Operations)) {
		if err := m.may(m.cfg.Operations[word]); err != nil && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("operations.%s: %w", word, err))
		}
	}
	return errors.Join(errs...)
}
