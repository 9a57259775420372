package echo

import (
	"slices"

	"sfbridge/event"
)

// loose is a change that was explained by what a row writes, before the row's
// record was known. Rows of different records may write the same, so it may be
// another row's: it is put down to another one that explains it as well when that
// makes room for a change that has no other row, and to its record's own row once
// that is known.
type loose struct {
	id    uint64 // of the record
	typ   event.ChangeType
	at    int64    // ms since the epoch
	order int64    // of the last message that was read when the change was judged
	need  []uint64 // hashes of the values that explain it
	l     *live    // the batch that it is put down to now
	row   int
}

// looseUpdate makes an update that still needs a row. It is nil if no open batch
// writes one of its fields.
func (r *Registry) looseUpdate(c *change, id uint64) *loose {
	t := &loose{id: id, typ: c.typ, at: c.header.CommitTimestamp, order: r.order}
	all := c.eachChanged(func(path string, diff bool) bool {
		for i := range c.seen {
			if s := &c.seen[i]; s.field.path == path && s.known && (s.field.class == classDigest) == diff {
				t.need = append(t.need, s.hash)
				return true
			}
		}
		return twin(path) != "" && c.isChanged(twin(path))
	})
	if !all || len(t.need) == 0 {
		return nil
	}
	return t
}

// takeLoosely uses up a row that explains a change. A row whose external id the
// change shows is the record's own.
func (r *Registry) takeLoosely(l *live, row int, id uint64, c *change) {
	if c.typ == event.Create && l.keyHash[row] != 0 {
		r.setUsed(l, row, true)
		l.take(id, nil)
		return
	}
	t := r.looseUpdate(c, id)
	if t == nil {
		t = &loose{id: id, typ: c.typ, at: c.header.CommitTimestamp, order: r.order, need: l.valuesOf(row)}
	}
	r.place(t, l, row)
}

// place puts a change down to a row.
func (r *Registry) place(t *loose, l *live, row int) {
	t.l, t.row = l, row
	r.setUsed(l, row, true)
	l.take(t.id, t)
	if l.holders == nil {
		l.holders = make([]*loose, len(l.rows))
	}
	l.holders[row] = t
}

// unplace takes a change from its row.
func (r *Registry) unplace(t *loose) {
	r.setUsed(t.l, t.row, false)
	delete(t.l.taken, t.id)
	t.l.holders[t.row] = nil
}

// fits tells whether a row explains the change, used or not. What was announced
// after the change was judged does not: the topic had been read to its end.
func (t *loose) fits(l *live, row int) bool {
	if l.order > t.order || !causes(l.opOf(row), t.typ) || !l.during(t.at) {
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
// put down to a row of another batch, and puts it down to this one.
func (r *Registry) claim(l *live, i int) {
	id := l.ids[i]
	for _, o := range r.open[l.key] {
		if t := o.taken[id]; o != l && t != nil && t.fits(l, i) {
			r.unplace(t)
			r.setUsed(l, i, true)
			return
		}
	}
}

// maxMoves bounds how many changes are put down to other rows for the sake of one.
const maxMoves = 64

// settleOn finds a row for a change among those of open batches. If all that
// explain it are used, it looks whether a change that one was put down to can be
// put down to another (Kuhn's algorithm for matchings).
func (r *Registry) settleOn(key objectKey, t *loose, tried map[ref]bool) bool {
	var used []ref
	for _, l := range r.open[key] {
		if _, twice := l.taken[t.id]; twice || l.allKnown || len(t.need) == 0 {
			continue // a batch writes no record twice
		}
		for _, row := range l.indexed().with(t.need[0]) {
			i := int(row)
			if !t.fits(l, i) {
				continue
			}
			if !l.rows[i].used {
				r.place(t, l, i)
				return true
			}
			if len(used) < maxMoves && l.holder(i) != nil && !tried[ref{l, i}] {
				used = append(used, ref{l, i})
			}
		}
	}
	for _, f := range used {
		if len(tried) >= maxMoves || tried[f] {
			continue
		}
		tried[f] = true
		other := f.l.holder(f.row)
		if other == nil {
			continue
		}
		r.unplace(other)
		r.place(t, f.l, f.row)
		if r.settleOn(key, other, tried) {
			return true
		}
		r.unplace(t)
		r.place(other, f.l, f.row)
	}
	return false
}
