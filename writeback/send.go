package writeback

import (
	"context"
	"errors"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// send writes a batch through its API, and returns a verdict for each item or a
// *callError.
func (f *Flow) send(ctx context.Context, b *batch, notes jobNotes) ([]verdict, error) {
	switch {
	case b.api == apiBulk:
		return f.sendBulk(ctx, b, notes)
	case b.op == rows.Undelete:
		return f.sendUndelete(ctx, b)
	case len(b.items) == 1:
		v, err := f.sendOne(ctx, b)
		return []verdict{v}, err
	}
	return f.sendMany(ctx, b)
}

// sendOne writes one row by itself.
func (f *Flow) sendOne(ctx context.Context, b *batch) (verdict, error) {
	it, object, api := b.items[0], b.target.object.Name, f.cfg.API
	v := verdict{id: b.target.recordID(it)}
	var created bool
	var err error
	switch key := b.target.mapper.KeyField(); {
	case b.op == rows.Insert:
		v.id, err = api.Insert(ctx, object, b.target.record(it))
	case b.op == rows.Delete:
		err = api.Delete(ctx, object, v.id)
	case b.op == rows.Upsert && key != "Id":
		rec := b.target.record(it)
		v.id, created, err = api.Upsert(ctx, object, key, rec[key], rec)
	default:
		err = api.Update(ctx, object, v.id, b.target.record(it))
	}
	if err == nil {
		v.done = doneBy(b.op, created)
		return v, nil
	}
	if v.err = ofRow(err); v.err == nil {
		return verdict{}, asCallError(err)
	}
	if v.err.cause != nil && deletedAlready(b.op, v.err.cause) {
		v.done, v.err = flow.Deleted, nil
	}
	return v, nil
}

// ofRow makes a refusal of an error that one row is to blame for, nil if it is
// the call's.
func ofRow(err error) *refusal {
	if bad, ok := errors.AsType[*salesforce.ValueError](err); ok {
		return &refusal{reason: flow.BadValue, fields: []string{bad.Field}, text: bad.Error()}
	}
	e, said := asError(err)
	if !said || e.Code == "" && e.Class() != salesforce.ClassData || wholeObject[e.Code] {
		return nil
	}
	switch e.Class() {
	case salesforce.ClassData:
		return refused(e)
	case salesforce.ClassTransient:
		if perhapsRow[e.Code] {
			return refused(e)
		}
	}
	return nil
}

// sendMany writes up to salesforce.MaxCollection rows in one call. Values that
// the client itself refuses cost their own rows alone.
func (f *Flow) sendMany(ctx context.Context, b *batch) ([]verdict, error) {
	out := make([]verdict, len(b.items))
	left := make([]int, len(b.items))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		res, err := f.collection(ctx, b, left)
		if bad, ok := errors.AsType[*salesforce.ValueError](err); ok && bad.Index < len(left) {
			out[left[bad.Index]] = verdict{err: ofRow(err)}
			left = append(left[:bad.Index:bad.Index], left[bad.Index+1:]...)
			continue
		}
		if err != nil {
			return nil, asCallError(err)
		}
		for n, i := range left {
			out[i] = outcomeOf(b, b.items[i], res[n])
		}
		break
	}
	return out, nil
}

// collection makes the call for the items with these indexes.
func (f *Flow) collection(ctx context.Context, b *batch, indexes []int) ([]salesforce.Outcome, error) {
	object, api := b.target.object.Name, f.cfg.API
	if b.op == rows.Delete {
		ids := make([]string, len(indexes))
		for n, i := range indexes {
			ids[n] = b.target.recordID(b.items[i])
		}
		return api.DeleteMany(ctx, ids)
	}
	recs := make([]salesforce.Record, len(indexes))
	for n, i := range indexes {
		recs[n] = b.target.record(b.items[i])
	}
	switch key := b.target.mapper.KeyField(); {
	case b.op == rows.Insert:
		return api.InsertMany(ctx, object, recs)
	case b.op == rows.Upsert && key != "Id":
		return api.UpsertMany(ctx, object, key, recs)
	}
	return api.UpdateMany(ctx, object, recs)
}

func outcomeOf(b *batch, it *item, o salesforce.Outcome) verdict {
	v := verdict{id: o.ID}
	if v.id == "" {
		v.id = b.target.recordID(it)
	}
	switch {
	case o.Err == nil:
		v.done = doneBy(b.op, o.Created)
	case deletedAlready(b.op, o.Err):
		v.done = flow.Deleted
	default:
		v.err = refused(o.Err)
	}
	return v
}
