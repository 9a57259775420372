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
// upsert by external id becomes an update. If not, ok is false. An error is a
// *callError.
func (f *Flow) redirect(ctx context.Context, it *item) (newID string, ok bool, err error) {
	t := it.target
	if _, merges := t.object.Field("MasterRecordId"); !merges {
		return "", false, nil
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
		return "", false, nil
	}
	it.id = newID
	if it.row.Op == rows.Upsert && t.mapper.KeyField() != "Id" {
		row := *it.row
		row.Op = rows.Update
		it.row = &row
	}
	return newID, true, nil
}

// mergedInto asks for the row that a deleted one was merged into (Object
// reference, "MasterRecordId": the id of the record that is left after a
// merge). master is empty if there is none.
func (f *Flow) mergedInto(ctx context.Context, t *target, k keys, wanted string) (loser, master string, err error) {
	l := &lookup{object: t.object.Name, keys: k, all: true, fields: []string{"MasterRecordId"}, where: "IsDeleted = true"}
	rs, err := f.look(ctx, l, []string{wanted})
	if err != nil {
		return "", "", err
	}
	for _, r := range rs[k.norm(wanted)] {
		switch {
		case r.master == "":
		case master != "" && master != r.master: // rows of one key went two ways
			return "", "", nil
		default:
			loser, master = r.id, r.master
		}
	}
	return loser, master, nil
}
