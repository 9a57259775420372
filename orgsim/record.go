package orgsim

import (
	"maps"
	"strings"
)

// Record is one version of a row. It never changes: an update makes another
// Record, so readers may keep one without a lock.
type Record struct {
	ID      string // 18 characters
	Object  string // API name
	Deleted bool   // in the recycle bin
	fields  map[string]Value
}

// Get gives a field's value; null for what is not set. Id, IsDeleted and the
// joined Name of people are served too; other compound fields are null, their
// parts are fields of their own.
func (r *Record) Get(field string) Value {
	switch field {
	case "Id":
		return String(r.ID)
	case "IsDeleted":
		return Bool(r.Deleted)
	case "Name":
		if v := r.fields["Name"]; !v.IsNull() {
			return v
		}
		return r.personName()
	}
	return r.fields[field]
}

func (r *Record) personName() Value {
	parts := make([]string, 0, 2)
	for _, name := range [...]string{"FirstName", "LastName"} {
		if v := r.fields[name]; !v.IsNull() {
			parts = append(parts, v.Text())
		}
	}
	return String(strings.Join(parts, " "))
}

// Fields copies the stored values; nulls are left out.
func (r *Record) Fields() map[string]Value { return maps.Clone(r.fields) }

// with gives a copy with values set; a null value removes the field.
func (r *Record) with(values map[string]Value) *Record {
	c := &Record{ID: r.ID, Object: r.Object, Deleted: r.Deleted, fields: maps.Clone(r.fields)}
	for name, v := range values {
		c.set(name, v)
	}
	return c
}

func (r *Record) set(name string, v Value) {
	if v.IsNull() {
		delete(r.fields, name)
		return
	}
	r.fields[name] = v
}
