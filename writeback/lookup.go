package writeback

import (
	"context"

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

// resolve reads what has to be known about rows before they are written, and
// returns verdicts for the items that are not to be sent, by their index:
//
//   - updates, deletes and undeletes by external id need record ids, which are
//     set in the items;
//   - inserts that may have been made are looked up. They must not have been
//     merged with records that came later;
//   - conflict policies compare the rows' versions;
//   - ids of records that were merged into others become those of the others.
//
// An error is a *callError: nothing was written and all items are to be tried
// again.
func (f *Flow) resolve(ctx context.Context, b *batch) (map[int]verdict, error) { return nil, nil }
