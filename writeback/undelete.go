package writeback

import (
	"context"
	"fmt"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// undeleteOf finds the one row in the recycle bin that an external id means. A
// row that is there and not deleted has been undeleted already.
func undeleteOf(it *item, k keys, rs []found) *verdict {
	var bin []found
	for _, r := range rs {
		if !r.deleted {
			return &verdict{done: flow.Undeleted, id: r.id}
		}
		bin = append(bin, r)
	}
	switch {
	case len(bin) == 0:
		return &verdict{err: &refusal{reason: flow.NotFound, fields: []string{k.field}, text: "no row has this " + k.field + ", in the recycle bin neither"}}
	case len(bin) > 1:
		v := ambiguous(k.field, bin)
		return &v
	}
	it.id = bin[0].id
	return nil
}

// codeNotInBin says that a row is not there to be undeleted: it is gone, or it
// was not deleted (SOAP API guide, status codes).
const codeNotInBin = "UNDELETE_FAILED"

// sendUndelete takes rows out of the recycle bin, at most
// salesforce.MaxCollection in a call, and returns a verdict for each item or a
// *callError.
func (f *Flow) sendUndelete(ctx context.Context, b *batch) ([]verdict, error) {
	ids := make([]string, len(b.items))
	for i, it := range b.items {
		ids[i] = b.target.recordID(it)
	}
	out := make([]verdict, 0, len(ids))
	for at := 0; at < len(ids); at += salesforce.MaxCollection {
		part := ids[at:min(at+salesforce.MaxCollection, len(ids))]
		res, err := f.cfg.API.UndeleteMany(ctx, part)
		if err != nil {
			return nil, asCallError(fmt.Errorf("undelete rows of %s: %w", b.target.object.Name, err))
		}
		for i, o := range res {
			v := verdict{done: flow.Undeleted, id: part[i]}
			if o.Err != nil {
				v = verdict{id: part[i], err: refused(o.Err)}
			}
			out = append(out, v)
		}
	}
	return out, f.seeAlive(ctx, b, out)
}

// seeAlive looks at the rows that were not in the recycle bin: those that are
// alive are as they should be.
func (f *Flow) seeAlive(ctx context.Context, b *batch, out []verdict) error {
	var ids []string
	for _, v := range out {
		if v.err != nil && v.err.cause != nil && v.err.cause.Code == codeNotInBin {
			ids = append(ids, v.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	k := keys{field: "Id", id: true}
	alive, err := f.look(ctx, &lookup{object: b.target.object.Name, keys: k}, ids)
	if err != nil {
		return err
	}
	for i, v := range out {
		if v.err == nil || v.err.cause == nil || v.err.cause.Code != codeNotInBin {
			continue
		}
		if len(alive[k.norm(v.id)]) > 0 {
			out[i] = verdict{done: flow.Undeleted, id: v.id}
		} else {
			out[i].err.reason, out[i].err.class = flow.NotFound, salesforce.ClassData
		}
	}
	return nil
}
