package writeback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// target is the object that a flow writes to, as it was described last, and the
// mapping that fits the description. Calls under way keep theirs when there is
// a new one.
type target struct {
	mapper *rows.Mapper
	object *salesforce.Object
}

// record is an item's row as the clients take it. Once the record id is known,
// a row that is updated or deleted has it in place of the external id.
func (t *target) record(it *item) salesforce.Record {
	rec := t.mapper.Record(it.row)
	if it.id == "" || it.row.Op == rows.Insert {
		return rec
	}
	key := t.mapper.KeyField()
	if it.row.Op == rows.Upsert && key != "Id" {
		return rec
	}
	delete(rec, key)
	rec["Id"] = it.id
	return rec
}

// recordID is the id of the record that an item is about, "" if it has to be
// looked up.
func (t *target) recordID(it *item) string {
	if it.id == "" && t.mapper.KeyField() == "Id" {
		return it.row.Key
	}
	return it.id
}

// found is a row of the org, as a look-up tells it.
type found struct {
	id      string
	deleted bool
	version any    // value of the version field
	by      string // user who changed it last; empty if that was not asked
	master  string // record that it was merged into
}

// look reads rows by their keys, in as few queries as URLs have room for. The
// rows of a key stand under its norm.
func (f *Flow) look(ctx context.Context, l *lookup, wanted []string) (map[string][]found, error) {
	out := make(map[string][]found, len(wanted))
	for len(wanted) > 0 {
		soql, n := l.soql(wanted)
		wanted = wanted[n:]
		if soql == "" {
			continue
		}
		got, err := f.query(ctx, l, soql)
		if err != nil {
			return nil, asCallError(fmt.Errorf("look up rows of %s by %s: %w", l.object, l.keys.field, err))
		}
		for _, rec := range got {
			key := l.keys.norm(textOf(rec[l.keys.field]))
			row := found{id: textOf(rec["Id"]), by: textOf(rec["LastModifiedById"]), master: textOf(rec["MasterRecordId"])}
			row.deleted, _ = rec["IsDeleted"].(bool)
			if l.version != "" {
				row.version = rec[l.version]
			}
			out[key] = append(out[key], row)
		}
	}
	return out, nil
}

// query runs one query to its end, in a few attempts: a look-up of many keys
// takes many, and one of them that fails must not undo all.
func (f *Flow) query(ctx context.Context, l *lookup, soql string) ([]salesforce.Record, error) {
	run := f.cfg.API.Query
	if l.all {
		run = f.cfg.API.QueryAll
	}
	for attempt := 1; ; attempt++ {
		var got []salesforce.Record
		var err error
		for rec, e := range run(ctx, soql) {
			if err = e; err != nil {
				break
			}
			got = append(got, rec)
		}
		if err == nil || !passing(err) || attempt == 3 || backoff.Sleep(ctx, backoff.Policy{}.Wait(attempt, salesforce.RetryAfter(err))) != nil {
			return got, err
		}
	}
}

// passing tells whether a query is worth another try at once: not if a limit is
// used up.
func passing(err error) bool {
	if e, ok := errors.AsType[*salesforce.Error](err); ok {
		return e.Class() == salesforce.ClassTransient || e.Class() == salesforce.ClassRestart
	}
	return salesforce.Retryable(err)
}

func textOf(v any) string {
	s, _ := salesforce.Text(v) // nil is no text
	return s
}

// asCallError says what is to be done about a call that failed as a whole.
func asCallError(err error) *callError {
	if own, ok := errors.AsType[*callError](err); ok {
		return own
	}
	out := &callError{err: err, class: salesforce.ClassTransient, after: salesforce.RetryAfter(err)}
	e, refused := errors.AsType[*salesforce.Error](err)
	out.nothing = refused && e.Code != ""
	switch {
	case errors.Is(err, salesforce.ErrUnknownOutcome):
		out.unknown = true
	case refused && e.Class() == salesforce.ClassRestart: // the next try begins the query again
	case refused:
		out.class = e.Class()
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
	case !salesforce.Retryable(err):
		out.class = salesforce.ClassAuth
	}
	return out
}

// ambiguous is a key that several rows have.
func ambiguous(field string, rs []found) verdict {
	ids := make([]string, 0, len(rs))
	for _, r := range rs {
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	text := fmt.Sprintf("%d rows have this %s: %s; make the field unique, or merge the rows", len(ids), field, strings.Join(ids[:min(len(ids), 5)], ", "))
	return verdict{err: &refusal{reason: flow.Ambiguous, text: text, fields: []string{field}}}
}
