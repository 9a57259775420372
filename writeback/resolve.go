package writeback

import (
	"context"
	"fmt"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// resolve reads what has to be known about rows before they are written, and
// returns verdicts for the items that are not to be sent, by their index:
//
//   - updates, deletes and undeletes by external id need record ids, which are
//     set in the items;
//   - inserts that may have been made are looked up. They must not have been
//     merged with records that came later;
//   - conflict policies compare the rows' versions. What is read may change
//     until it is written: the policies make that time short, not nothing;
//   - ids of records that were merged into others become those of the others.
//
// An error is a *callError: nothing was written and all items are to be tried
// again.
func (f *Flow) resolve(ctx context.Context, b *batch) (map[int]verdict, error) {
	r := &resolving{f: f, t: b.target, b: b, out: map[int]verdict{}}
	if f.cfg.Conflict != Overwrite && f.cfg.Conflict != "" {
		v, err := f.versionsOf(ctx, b.target)
		if err != nil {
			return nil, err
		}
		r.versions = v
	}
	byID, byKey := r.questions()
	for _, q := range []struct {
		keys  keys
		items []int
	}{{keys{field: "Id", id: true}, byID}, {keysOf(r.t.object, r.t.mapper.KeyField()), byKey}} {
		if err := r.ask(ctx, q.keys, q.items); err != nil {
			return nil, err
		}
	}
	if err := r.followKeys(ctx); err != nil {
		return nil, err
	}
	r.holdTwins()
	return r.out, nil
}

// resolving is one batch on its way through resolve.
type resolving struct {
	f        *Flow
	t        *target
	b        *batch
	versions *versions // of the conflict policy; nil for overwrite
	out      map[int]verdict
	lost     []int // updates by external id that no row has
}

// questions tells which items have to be looked up, by id and by key.
func (r *resolving) questions() (byID, byKey []int) {
	external := r.t.mapper.KeyField() != "Id"
	for i, it := range r.b.items {
		r.followMerge(it)
		switch {
		case r.b.op == rows.Insert && it.unknown && (!external || it.row.Key == ""):
			r.out[i] = verdict{err: &refusal{reason: flow.UnknownOutcome, text: "the answer to its insert was lost and the row has no external id to look it up by: " +
				"see whether the org has it, then retry or drop the record"}}
		case r.b.op == rows.Insert && it.unknown:
			byKey = append(byKey, i)
		case r.b.op == rows.Insert:
		case external && it.id == "" && (r.b.op != rows.Upsert || r.versions != nil):
			byKey = append(byKey, i)
		case r.versions != nil && r.b.op != rows.Undelete:
			byID = append(byID, i)
		}
		if r.b.op != rows.Insert {
			it.unknown = false // the rest may be done twice
		}
	}
	return byID, byKey
}

// followMerge sends a row on to the record that its own is known to have been
// merged into. A delete stays with the record that is meant.
func (r *resolving) followMerge(it *item) {
	if r.b.op != rows.Update && r.b.op != rows.Upsert {
		return
	}
	id := r.t.recordID(it)
	if master := r.f.merged.master(id); id != "" && master != id {
		it.id = master
	}
}

// ask looks items up and decides what becomes of each.
func (r *resolving) ask(ctx context.Context, k keys, items []int) error {
	if len(items) == 0 {
		return nil
	}
	key := func(it *item) string {
		if k.field == "Id" {
			return r.t.recordID(it)
		}
		return it.row.Key
	}
	wanted := make([]string, len(items))
	for n, i := range items {
		wanted[n] = key(r.b.items[i])
	}
	l := &lookup{object: r.t.object.Name, keys: k, all: r.b.op == rows.Undelete}
	if l.all {
		l.fields = append(l.fields, "IsDeleted")
	}
	if r.versions != nil && (r.b.op == rows.Update || r.b.op == rows.Upsert || r.b.op == rows.Delete) {
		l.fields, l.version = append(l.fields, r.versions.fields()...), r.versions.field
	}
	rs, err := r.f.look(ctx, l, wanted)
	if err != nil {
		return err
	}
	for n, i := range items {
		v := r.decide(r.b.items[i], k, rs[k.norm(wanted[n])])
		if v == nil {
			continue
		}
		r.out[i] = *v
		if v.err != nil && v.err.reason == flow.NotFound && r.b.op == rows.Update {
			r.lost = append(r.lost, i)
		}
	}
	return nil
}

// followKeys sends updates whose rows were merged into others on to these. One
// query tells which they are.
func (r *resolving) followKeys(ctx context.Context) error {
	if _, merges := r.t.object.Field("MasterRecordId"); !merges || len(r.lost) == 0 {
		return nil
	}
	wanted := make([]string, len(r.lost))
	for n, i := range r.lost {
		wanted[n] = r.b.items[i].row.Key
	}
	l := mergedLookup(r.t, keysOf(r.t.object, r.t.mapper.KeyField()))
	rs, err := r.f.look(ctx, l, wanted)
	if err != nil {
		return err
	}
	for n, i := range r.lost {
		if len(rs[l.keys.norm(wanted[n])]) == 0 {
			continue
		}
		_, ok, err := r.f.redirect(ctx, r.b.items[i])
		if err != nil {
			return err
		}
		if ok {
			delete(r.out, i)
		}
	}
	return nil
}

// decide says what becomes of an item whose rows are known; nil to send it.
func (r *resolving) decide(it *item, k keys, rs []found) *verdict {
	switch {
	case r.b.op == rows.Undelete:
		return undeleteOf(it, k, rs)
	case r.b.op == rows.Insert:
		if len(rs) == 0 {
			it.unknown = false
			return nil
		}
		return &verdict{done: flow.Created, reason: "found after a lost answer", id: rs[0].id}
	case len(rs) > 1:
		v := ambiguous(k.field, rs)
		return &v
	case len(rs) == 0 && k.field == "Id", len(rs) == 0 && r.b.op == rows.Upsert: // the call itself will tell
		return nil
	case len(rs) == 0 && r.b.op == rows.Delete:
		return &verdict{done: flow.Deleted}
	case len(rs) == 0:
		return &verdict{err: &refusal{reason: flow.NotFound, fields: []string{k.field}, text: fmt.Sprintf("no row has this %s", k.field)}}
	}
	if r.b.op != rows.Upsert {
		it.id = rs[0].id
	}
	if r.versions == nil {
		return nil
	}
	return r.versions.judge(it, rs[0])
}

// holdTwins keeps rows of one record out of one call, which the org would refuse
// both: two keys can lead to one record when others were merged into it.
func (r *resolving) holdTwins() {
	if r.b.op == rows.Insert {
		return
	}
	seen := map[string]bool{}
	for i, it := range r.b.items {
		id := r.t.recordID(it)
		if _, out := r.out[i]; out || id == "" {
			continue
		}
		if seen[id] {
			r.out[i] = verdict{err: &refusal{class: salesforce.ClassTransient, free: true, text: "another row of the same record goes first"}}
		}
		seen[id] = true
	}
}
