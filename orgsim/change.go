package orgsim

import (
	"sfbridge/event"
)

// change is what one transaction did to one record.
type change struct {
	table  *table
	typ    event.ChangeType
	before *Record // nil for a new row
	after  *Record // nil for a purged row

	// For updates: which fields changed, which of them are null now, and
	// which go out as a diff, with the diffs by position.
	changed, nulled, diffed fieldMask
	diffs                   map[int]string
}

// changesOf reads from the undo log what became of each record, in the order
// in which the transaction first touched them: several statements on one
// record are one change, with the first kind and the final data.
func changesOf(tx *Tx) []*change {
	type key struct {
		t  *table
		id string
	}
	seen := make(map[key]bool, len(tx.undo))
	var out []*change
	for _, u := range tx.undo {
		k := key{u.t, u.id}
		if seen[k] {
			continue
		}
		seen[k] = true
		c := &change{table: u.t, before: u.old, after: u.t.rows[u.id]}
		if c.classify() {
			out = append(out, c)
		}
	}
	return out
}

// classify finds the kind of the change; false when nobody outside can see
// one: rows made and deleted within, rows purged from the recycle bin.
func (c *change) classify() bool {
	wasLive := c.before != nil && !c.before.Deleted
	isLive := c.after != nil && !c.after.Deleted
	switch {
	case c.before == nil && isLive:
		c.typ = event.Create
	case c.before != nil && !wasLive && isLive:
		c.typ = event.Undelete
	case wasLive && !isLive:
		c.typ = event.Delete
	case wasLive && isLive:
		c.typ = event.Update
	default:
		return false
	}
	return true
}

// recordID is the id of the record that changed.
func (c *change) recordID() string {
	if c.after != nil {
		return c.after.ID
	}
	return c.before.ID
}

// compare fills the sets of an update. LastModifiedDate always counts as
// changed; the other stamps only when they differ.
func (c *change) compare(s *schema, wrongHash bool) {
	for i := range s.fields {
		f := &s.fields[i]
		if f.def == nil {
			continue
		}
		if f.compound() {
			c.compareParts(f, i)
		}
		if f.def.Type.IsCompound() {
			continue
		}
		old, now := c.before.fields[f.name], c.after.fields[f.name]
		if old == now && f.name != "LastModifiedDate" {
			continue
		}
		c.changed.add(i, -1)
		if now.IsNull() {
			c.nulled.add(i, -1)
		}
		if f.def.Type.IsLongText() {
			c.compareText(i, old, now, wrongHash)
		}
	}
}

// compareParts compares the parts of a compound. A geolocation of a custom
// object is published whole when one part changes.
func (c *change) compareParts(f *schemaField, i int) {
	whole := f.def.Type == TypeLocation && c.table.def.Custom()
	differs := func(part *FieldDef) bool {
		return part != nil && c.before.fields[part.Name] != c.after.fields[part.Name]
	}
	any := false
	for j := range f.inner {
		any = any || differs(f.inner[j].def)
	}
	for j := range f.inner {
		part := f.inner[j].def
		if part == nil || !differs(part) && !(whole && any) {
			continue
		}
		c.changed.add(i, j)
		if c.after.fields[part.Name].IsNull() {
			c.nulled.add(i, j)
		}
	}
}

func (c *change) compareText(i int, old, now Value, wrongHash bool) {
	diff, ok := textDiff(old.text, now.text)
	if !ok {
		return
	}
	if wrongHash {
		diff = spoilHash(diff)
	}
	if c.diffs == nil {
		c.diffs = map[int]string{}
	}
	c.diffs[i] = diff
	c.diffed.add(i, -1)
}

// content picks the values that the event of this change carries.
func (c *change) content(s *schema, keepEmpty bool) body {
	value := func(i, j int) Value {
		f := &s.fields[i]
		if j < 0 {
			return c.after.fields[f.name]
		}
		if part := f.inner[j].def; part != nil {
			return c.after.fields[part.Name]
		}
		return Value{}
	}
	switch c.typ {
	case event.Create, event.Undelete:
		return body{pick: value}
	case event.Update:
		return body{
			pick: func(i, j int) Value {
				if diff, ok := c.diffs[i]; ok && j < 0 {
					return String(diff)
				}
				if !c.changed.has(i, j) {
					return Value{}
				}
				return value(i, j)
			},
			keepEmpty: func(i int) bool { return keepEmpty && c.changed.hasParts(i) },
		}
	}
	return emptyBody()
}

func emptyBody() body { return body{pick: func(int, int) Value { return Value{} }} }

// weight is what the change counts towards the overflow threshold: one, or
// one per changed field of an update.
func (c *change) weight() int {
	if c.typ == event.Update {
		return max(1, c.changed.count())
	}
	return 1
}
