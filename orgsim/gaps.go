package orgsim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sfbridge/event"
)

// EmitGap stores a gap event for records of an object, as the platform does
// when it cannot tell what changed. typ is GAP_CREATE, GAP_UPDATE, GAP_DELETE
// or GAP_UNDELETE.
func (o *Org) EmitGap(ctx context.Context, object string, typ event.ChangeType, ids ...string) (Result, error) {
	if !typ.IsGap() || typ == event.GapOverflow {
		return Result{}, fmt.Errorf("emit gap: change type %s: want GAP_CREATE, GAP_UPDATE, GAP_DELETE or GAP_UNDELETE", typ)
	}
	full := make([]string, len(ids))
	for i, id := range ids {
		id18, err := ID18(id)
		if err != nil {
			return Result{}, fmt.Errorf("emit gap: %w", err)
		}
		full[i] = id18
	}
	if len(full) == 0 {
		return Result{}, fmt.Errorf("emit gap: no record ids")
	}
	return o.emit(ctx, object, typ, full)
}

// EmitOverflow stores the event that stands for too many changes of an object
// in one transaction.
func (o *Org) EmitOverflow(ctx context.Context, object string) (Result, error) {
	return o.emit(ctx, object, event.GapOverflow, []string{event.OverflowRecordID})
}

// EmitWildcard stores the event that the conversion of a field makes: one for
// all records of the object, with the id <key prefix>* and no fields.
func (o *Org) EmitWildcard(ctx context.Context, object string) (Result, error) {
	def := o.Object(object)
	if def == nil {
		return Result{}, fmt.Errorf("emit wildcard: no object %q", object)
	}
	return o.emit(ctx, object, event.Update, []string{def.KeyPrefix + "*"})
}

func (o *Org) emit(ctx context.Context, object string, typ event.ChangeType, ids []string) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table(object)
	switch {
	case o.closed:
		return Result{}, ErrClosed
	case t == nil || t.def.Event:
		return Result{}, fmt.Errorf("emit %s: no object %q", strings.ToLower(string(typ)), object)
	case !o.captured[t.def.Name]:
		return Result{}, fmt.Errorf("emit %s: %s is not captured", strings.ToLower(string(typ)), t.def.Name)
	}
	res := o.beginCommit(wholeSecond(time.Now()))
	b := committer{org: o, caller: Caller{UserID: o.userID}, res: &res, sequence: 1}
	b.emitEmpty(t, typ, ids)
	return res, nil
}
