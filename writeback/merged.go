package writeback

import (
	"context"
	"sync"

	"sfbridge/writeback/rows"
)

const (
	maxMerged = 10_000 // records of which a flow remembers where they went
	maxHops   = 8      // merges after each other that are followed
)

// mergedIDs remembers which records were merged into which, so that a loser is
// looked up once.
type mergedIDs struct {
	mu   sync.Mutex
	into map[string]string // by loser
}

// master is the record that an id was merged into, or the id itself.
func (m *mergedIDs) master(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range maxHops {
		next, ok := m.into[id]
		if !ok {
			break
		}
		id = next
	}
	return id
}

func (m *mergedIDs) add(loser, master string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.into == nil {
		m.into = map[string]string{}
	}
	for id := range m.into { // any one: it can be looked up again
		if len(m.into) < maxMerged {
			break
		}
		delete(m.into, id)
	}
	m.into[loser] = master
}

// redirect looks up what became of a row that was answered as deleted. If it was
// merged into another, the item is made to go there: its id is set, and an
// upsert by external id becomes an update. So it is if another row has the
// external id by now. If not, ok is false. An error is a *callError.
func (f *Flow) redirect(ctx context.Context, it *item) (newID string, ok bool, err error) {
	t := it.target
	if _, merges := t.object.Field("MasterRecordId"); !merges {
		return f.successor(ctx, it)
	}
	loser := t.recordID(it)
	key := keys{field: "Id", id: true}
	wanted := loser
	if loser == "" {
		key, wanted = keysOf(t.object, t.mapper.KeyField()), it.row.Key
	}
	for range maxHops {
		deleted, master, err := f.mergedInto(ctx, t, key, wanted)
		if err != nil {
			return "", false, err
		}
		if master == "" {
			break
		}
		f.merged.add(deleted, master)
		newID = master
		key, wanted = keys{field: "Id", id: true}, master
	}
	if newID == "" || newID == loser {
		return f.successor(ctx, it)
	}
	it.id = newID
	if it.row.Op == rows.Upsert && t.mapper.KeyField() != "Id" {
		row := *it.row
		row.Op = rows.Update
		it.row = &row
	}
	return newID, true, nil
}

// successor finds the row that has an item's external id now, if the one that
// was looked up before is gone.
func (f *Flow) successor(ctx context.Context, it *item) (id string, ok bool, err error) {
	t := it.target
	if t.mapper.KeyField() == "Id" || it.id == "" || it.row.Op != rows.Update {
		return "", false, nil
	}
	k := keysOf(t.object, t.mapper.KeyField())
	rs, err := f.look(ctx, &lookup{object: t.object.Name, keys: k}, []string{it.row.Key})
	if err != nil {
		return "", false, err
	}
	if alive := rs[k.norm(it.row.Key)]; len(alive) == 1 && alive[0].id != it.id {
		it.id = alive[0].id
		return it.id, true, nil
	}
	return "", false, nil
}

// mergedLookup asks for rows that were merged into others (Object reference,
// "MasterRecordId": the id of the record that is left after a merge).
func mergedLookup(t *target, k keys) *lookup {
	return &lookup{
		object: t.object.Name, keys: k, all: true, fields: []string{"MasterRecordId"}, where: "IsDeleted = true AND MasterRecordId != null",
	}
}

// mergedInto asks for the row that a deleted one was merged into. master is
// empty if there is none.
func (f *Flow) mergedInto(ctx context.Context, t *target, k keys, wanted string) (loser, master string, err error) {
	rs, err := f.look(ctx, mergedLookup(t, k), []string{wanted})
	if err != nil {
		return "", "", err
	}
	for _, r := range rs[k.norm(wanted)] {
		if master != "" && master != r.master { // rows of one key went two ways
			return "", "", nil
		}
		loser, master = r.id, r.master
	}
	return loser, master, nil
}
