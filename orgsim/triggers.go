package orgsim

import (
	"context"
	"fmt"
	"time"
)

// Trigger is an automation: Apex or a flow that sets fields of a row when it is
// written. It runs with the rights, and in the name, of whoever wrote the row.
type Trigger struct {
	Object string            `json:"object" yaml:"object"`
	When   []Condition       `json:"when,omitempty" yaml:"when"` // all of them; none = always
	Set    map[string]string `json:"set,omitempty" yaml:"set"`   // values in the text form of REST; empty = null
	// Compute gives values, too; old is nil on insert. It runs inside of a
	// transaction and must not use the Org.
	Compute func(old, now *Record) map[string]Value `json:"-" yaml:"-"`

	// Later runs it in a transaction of its own, Delay after the one that set it
	// off, as asynchronous Apex does; else it is a before trigger, part of the
	// write itself. What such a transaction writes sets off no other Later one.
	Later bool          `json:"later,omitempty" yaml:"later"`
	Delay time.Duration `json:"delay,omitempty" yaml:"delay"`
	// SameClient keeps the client of the write in the changeOrigin of a Later
	// one; else there is none.
	SameClient bool `json:"same_client,omitempty" yaml:"same_client"`
}

// check says what is wrong with a trigger of an object.
func (tr *Trigger) check(def *ObjectDef) error {
	if len(tr.Set) == 0 && tr.Compute == nil {
		return fmt.Errorf("sets no field")
	}
	for name, value := range tr.Set {
		f := def.Field(name)
		if f == nil {
			return fmt.Errorf("no field %q", name)
		}
		if _, err := f.FromText(value); err != nil {
			return fmt.Errorf("value of %s: %w", name, err)
		}
	}
	for _, c := range tr.When {
		if err := c.check(def); err != nil {
			return err
		}
	}
	return nil
}

func (tr *Trigger) fires(def *ObjectDef, old, now *Record) bool {
	for _, c := range tr.When {
		if !c.holds(def, old, now) {
			return false
		}
	}
	return true
}

// values are what the trigger sets, where the row has something else.
func (tr *Trigger) values(tx *Tx, t *table, old, now *Record) (map[string]Value, error) {
	given := map[string]Value{}
	for name, text := range tr.Set {
		f := t.def.Field(name)
		if f == nil { // the object was altered
			continue
		}
		v, err := f.FromText(text)
		if err != nil {
			return nil, err
		}
		given[f.Name] = v
	}
	if tr.Compute != nil {
		for name, v := range tr.Compute(old, now) {
			given[name] = v
		}
	}
	out, err := tx.checkWrite(t, given, false)
	if err != nil {
		return nil, err
	}
	for name, v := range out {
		if now.Get(name) == v {
			delete(out, name)
		}
	}
	return out, nil
}

// runTriggers runs the before triggers of a row that is about to be stored.
func (tx *Tx) runTriggers(t *table, old, now *Record) error {
	if tx.system {
		return nil
	}
	for i := range tx.org.rules.Triggers {
		tr := &tx.org.rules.Triggers[i]
		if tr.Later || tr.Object != t.def.Name || !tr.fires(t.def, old, now) {
			continue
		}
		values, err := tr.values(tx, t, old, now)
		if err != nil {
			return fieldErr("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", nil, "%sTrigger: execution of BeforeWrite caused by: %v", t.def.Name, err)
		}
		for name, v := range values {
			now.set(name, v)
		}
	}
	return nil
}

// armTriggers sets off the Later triggers of what a transaction changed. The
// caller holds mu.
func (o *Org) armTriggers(caller Caller, changes []*change) {
	if caller.trigger {
		return
	}
	for i := range o.rules.Triggers {
		tr := o.rules.Triggers[i]
		if !tr.Later {
			continue
		}
		olds := map[string]*Record{}
		for _, c := range changes {
			if live := c.after != nil && !c.after.Deleted; live && c.table.def.Name == tr.Object && tr.fires(c.table.def, c.before, c.after) {
				olds[c.after.ID] = c.before
			}
		}
		if len(olds) > 0 {
			by := Caller{UserID: caller.UserID, API: "apex", Version: caller.Version, trigger: true}
			if tr.SameClient {
				by.Client = caller.Client
			}
			time.AfterFunc(tr.Delay, func() { o.runLater(tr, by, olds) })
		}
	}
}

// runLater does the work of a Later trigger. Rows that refuse it stay as they
// are; the org tells nobody, as live ones do.
func (o *Org) runLater(tr Trigger, by Caller, olds map[string]*Record) {
	_, err := o.Transact(context.Background(), by, func(tx *Tx) error {
		for _, id := range sortedKeys(olds) {
			t, now, err := tx.row(id)
			if err != nil {
				continue
			}
			err = tx.Try(func() error {
				values, err := tr.values(tx, t, olds[id], now)
				if err != nil || len(values) == 0 {
					return err
				}
				return tx.Update(id, values)
			})
			if err != nil {
				o.log.Debug("a trigger's write was refused", "object", tr.Object, "record_id", id, "err", err)
			}
		}
		return nil
	})
	if err != nil {
		o.log.Debug("a trigger's transaction failed", "object", tr.Object, "err", err)
	}
}
