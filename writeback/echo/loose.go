package echo

import (
	"slices"

	"sfbridge/event"
)

// loose is a change that was explained by what a row writes, before the row's
// record was known. Rows of different records may write the same, so it may be
// another row's; once a record's own row is known, the change is put down to that,
// and the row that it was taken from is free again.
type loose struct {
	record recordKey
	l      *live
	row    int
	typ    event.ChangeType
	at     int64    // ms since the epoch
	need   []uint64 // hashes of the values that explain it
}

// takeLoosely uses up a row that explains a change.
func (r *Registry) takeLoosely(l *live, row int, record recordKey, c *change) {
	t := &loose{record: record, l: l, row: row, typ: c.typ, at: c.header.CommitTimestamp}
	if c.typ == event.Update {
		for i := range c.seen {
			if slices.Contains(l.valuesOf(row), c.seen[i].hash) && c.isChanged(c.seen[i].field.path) {
				t.need = append(t.need, c.seen[i].hash)
			}
		}
	} else {
		t.need = l.valuesOf(row)
	}
	r.place(t, l, row)
}

// place puts a change down to a row.
func (r *Registry) place(t *loose, l *live, row int) {
	t.l, t.row = l, row
	r.setUsed(l, row, true)
	l.take(t.record.id, t)
	r.loose[t.record] = append(r.loose[t.record], t)
}

// forgetLoose forgets that a change was put down to a row.
func (r *Registry) forgetLoose(t *loose) {
	left := slices.DeleteFunc(r.loose[t.record], func(o *loose) bool { return o == t })
	if len(left) == 0 {
		delete(r.loose, t.record)
	} else {
		r.loose[t.record] = left
	}
}

// fits tells whether a row explains the change, too.
func (t *loose) fits(l *live, row int) bool {
	if l.rows[row].used || !causes(l.opOf(row), t.typ) || !l.during(t.at) {
		return false
	}
	values := l.valuesOf(row)
	for _, h := range t.need {
		if !slices.Contains(values, h) {
			return false
		}
	}
	return true
}

// claim looks whether a change of the record that row i is now known to write was
// put down to a row of another batch, and puts it down to this one. It gives the
// row that is free again.
func (r *Registry) claim(l *live, i int) (free ref, ok bool) {
	record := recordKey{l.key(), l.ids[i]}
	for _, t := range r.loose[record] {
		if t.l == l || !t.fits(l, i) {
			continue
		}
		free = ref{t.l, t.row}
		r.forgetLoose(t)
		delete(t.l.taken, record.id)
		r.setUsed(free.l, free.row, false)
		r.setUsed(l, i, true)
		if l.open {
			l.take(record.id, nil)
		}
		return free, true
	}
	return ref{}, false
}

// rehome puts a change, whose row has turned out to be another record's, down to
// a row that is free, if one explains it.
func (r *Registry) rehome(t *loose, free []ref) {
	for _, f := range free {
		if _, twice := f.l.taken[t.record.id]; !twice && f.l.open && t.fits(f.l, f.row) {
			r.place(t, f.l, f.row)
			return
		}
	}
	for _, l := range r.open[t.record.objectKey] {
		if _, twice := l.taken[t.record.id]; twice || l.left == 0 || len(t.need) == 0 {
			continue
		}
		for _, row := range l.indexed().with(t.need[0]) {
			if t.fits(l, int(row)) {
				r.place(t, l, int(row))
				return
			}
		}
	}
}
