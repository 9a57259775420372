package orgsim

import (
	"slices"
	"strings"
)

// table holds the rows of one object. Org.mu guards it.
type table struct {
	def     *ObjectDef
	schema  *schema // of the object's change event or platform event
	rows    map[string]*Record
	order   []string                       // ids in the order of insertion; may name purged rows
	index   map[string]map[string][]string // field to key to ids of live rows, for unique and external id fields
	refs    map[string]map[string][]string // field to parent id to ids of all rows, for fields that tie a row to its parent
	nextID  uint64
	nextNum uint64 // autonumber
}

func newTable(def *ObjectDef) *table {
	t := &table{def: def, rows: map[string]*Record{}, index: map[string]map[string][]string{}, refs: map[string]map[string][]string{}}
	t.reindex()
	return t
}

// reindex builds the look-ups again, after the definition changed.
func (t *table) reindex() {
	clear(t.index)
	clear(t.refs)
	for _, f := range t.def.Fields {
		if f.Unique || f.ExternalID {
			t.index[f.Name] = map[string][]string{}
		}
		if f.CascadeDelete || f.RestrictedDelete {
			t.refs[f.Name] = map[string][]string{}
		}
	}
	for _, r := range t.rows {
		t.indexRow(r, true)
	}
}

// indexKey is the form in which values of a field are compared.
func indexKey(f *FieldDef, v Value) string {
	if v.Kind() == KindString && !f.CaseSensitive {
		return strings.ToLower(v.Text())
	}
	return v.String()
}

func (t *table) indexRow(r *Record, add bool) {
	if r == nil {
		return
	}
	for name, keys := range t.refs {
		if v := r.fields[name]; !v.IsNull() {
			indexID(keys, v.text, r.ID, add)
		}
	}
	if r.Deleted {
		return
	}
	for name, keys := range t.index {
		if v := r.fields[name]; !v.IsNull() {
			indexID(keys, indexKey(t.def.Field(name), v), r.ID, add)
		}
	}
}

func indexID(keys map[string][]string, key, id string, add bool) {
	if add {
		keys[key] = append(keys[key], id)
		return
	}
	keys[key] = slices.DeleteFunc(keys[key], func(have string) bool { return have == id })
	if len(keys[key]) == 0 {
		delete(keys, key)
	}
}

// put stores a version of a row, or removes the row when r is nil, and gives
// the version before.
func (t *table) put(id string, r *Record) *Record {
	old := t.rows[id]
	t.indexRow(old, false)
	t.indexRow(r, true)
	switch {
	case r == nil:
		delete(t.rows, id)
		t.compact()
	case old == nil:
		t.rows[id] = r
		t.appendOrder(id)
	default:
		t.rows[id] = r
	}
	return old
}

// appendOrder keeps the order of insertion; a row that comes back after a
// rolled-back purge still has its old place.
func (t *table) appendOrder(id string) {
	if n := len(t.order); n == 0 || t.order[n-1] < id {
		t.order = append(t.order, id)
		return
	}
	if i, found := slices.BinarySearch(t.order, id); !found {
		t.order = slices.Insert(t.order, i, id)
	}
}

// compact drops ids of purged rows once they are the greater part.
func (t *table) compact() {
	if len(t.order) < 64 || len(t.order) < 2*len(t.rows) {
		return
	}
	t.order = slices.DeleteFunc(t.order, func(id string) bool { return t.rows[id] == nil })
}

// find gives the live rows whose field has the value, by index where there is
// one.
func (t *table) find(f *FieldDef, v Value) []*Record {
	var out []*Record
	if f.Type == TypeID {
		if r := t.rows[v.Text()]; r != nil && !r.Deleted {
			out = append(out, r)
		}
		return out
	}
	if keys, ok := t.index[f.Name]; ok {
		for _, id := range keys[indexKey(f, v)] {
			out = append(out, t.rows[id])
		}
		return out
	}
	t.scan(false, func(r *Record) bool {
		if r.Get(f.Name) == v {
			out = append(out, r)
		}
		return true
	})
	return out
}

// scan walks the rows in the order of insertion until fn says stop.
func (t *table) scan(deleted bool, fn func(*Record) bool) {
	for _, id := range t.order {
		if r := t.rows[id]; r != nil && (deleted || !r.Deleted) && !fn(r) {
			return
		}
	}
}
