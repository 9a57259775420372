package orgsim

import (
	"encoding/json"
	"strings"

	"sfbridge/orgsim/soql"
)

// catalog shows the org's objects to a query, as far as its user sees them.
type catalog struct {
	org    store
	access Access
}

// Object finds an object that has rows.
func (cat catalog) Object(name string) (soql.Object, bool) {
	def := cat.org.Object(name)
	if def == nil || def.Event || cat.access.forbids(def.Name) {
		return nil, false
	}
	return queryObject{cat, def}, true
}

// queryObject is one definition as queries see it.
type queryObject struct {
	cat catalog
	def *ObjectDef
}

// Name is the API name.
func (q queryObject) Name() string { return q.def.Name }

// Fields lists what can be selected.
func (q queryObject) Fields() []soql.Field {
	out := make([]soql.Field, 0, len(q.def.Fields))
	for _, f := range q.def.Fields {
		if !q.cat.access.hides(q.def.Name, f.Name) {
			out = append(out, queryField(f))
		}
	}
	return out
}

// Field finds one field.
func (q queryObject) Field(name string) (soql.Field, bool) {
	f := q.def.Field(name)
	if f == nil || q.cat.access.hides(q.def.Name, f.Name) {
		return soql.Field{}, false
	}
	return queryField(f), true
}

// Parent resolves Account of AccountId, Plant__r of Plant__c.
func (q queryObject) Parent(relationship string) (soql.Relation, bool) {
	f := referenceOf(q.def, relationship)
	if f == nil {
		return soql.Relation{}, false
	}
	return soql.Relation{Name: f.RelationshipPath(), Object: f.ReferenceTo[0], Field: f.Name}, true
}

// Child resolves Contacts of Account.
func (q queryObject) Child(relationship string) (soql.Relation, bool) {
	for _, rel := range childRelations(q.cat.org.Objects(), q.def) {
		if strings.EqualFold(rel.name, relationship) {
			return soql.Relation{Name: rel.name, Object: rel.object, Field: rel.field.Name}, true
		}
	}
	return soql.Relation{}, false
}

// queryField tells how a field compares in queries.
func queryField(f *FieldDef) soql.Field {
	out := soql.Field{Name: f.Name, CaseSensitive: f.CaseSensitive, Custom: f.Custom()}
	switch {
	case f.Type == TypeID || f.Type == TypeReference:
		out.Kind = soql.ID
	case f.Type.IsLongText():
		out.Kind = soql.LongText
	case f.Type == TypeMultiPicklist:
		out.Kind = soql.Multi
	case f.Type == TypeAddress || f.Type == TypeLocation:
		out.Kind = soql.Compound
	default:
		out.Kind = map[Kind]soql.Kind{
			KindBool: soql.Bool, KindInt: soql.Number, KindDecimal: soql.Number, KindDate: soql.Date,
			KindTime: soql.Time, KindDateTime: soql.DateTime,
		}[f.Type.Kind()] // text is the zero kind
	}
	return out
}

// rowSource gives the org's rows to a query.
type rowSource struct{ org store }

// Scan walks the rows as they are now.
func (s rowSource) Scan(object string, deleted bool, fn func(soql.Row) bool) {
	def := s.org.Object(object)
	s.org.Scan(object, deleted, func(r *Record) bool { return fn(queryRow{def, r}) })
}

// Row finds one row of an object.
func (s rowSource) Row(object, id string, deleted bool) (soql.Row, bool) {
	r := s.org.Get(id)
	if r == nil || r.Object != object || r.Deleted && !deleted {
		return nil, false
	}
	return queryRow{s.org.Object(object), r}, true
}

// queryRow is a row as queries see it.
type queryRow struct {
	def *ObjectDef
	rec *Record
}

// Value gives a field as a value of SOQL.
func (r queryRow) Value(field string) soql.Value {
	f := r.def.Field(field)
	if f == nil {
		return nil
	}
	if f.Type == TypeAddress || f.Type == TypeLocation {
		return json.RawMessage(appendCompound(nil, r.def, f, r.rec))
	}
	return toSOQL(r.rec.Get(f.Name))
}

// toSOQL turns a stored value into a value of SOQL. Decimals keep a fraction,
// so that they come out as the REST API shows them.
func toSOQL(v Value) soql.Value {
	switch v.Kind() {
	case KindNull:
		return nil
	case KindBool:
		return v.True()
	case KindInt:
		return soql.Num(v.String())
	case KindDecimal:
		if text := v.Text(); strings.Contains(text, ".") {
			return soql.Num(text)
		}
		return soql.Num(v.Text() + ".0")
	case KindDate:
		return soql.Day(v.Int64())
	case KindTime:
		return soql.Clock(v.Int64())
	case KindDateTime:
		return soql.Stamp(v.Int64())
	}
	return v.Text()
}

// fromSOQL turns a value of SOQL, numbers aside, into what JSON shows.
func fromSOQL(v soql.Value) any {
	switch v := v.(type) {
	case soql.Day:
		return Date(int64(v)).String()
	case soql.Clock:
		return TimeOfDay(int64(v)).String()
	case soql.Stamp:
		return DateTime(int64(v)).String()
	}
	return v
}
