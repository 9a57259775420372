package orgsim

import (
	"context"
	"net/http"
	"slices"
)

// maxMergeLosers is how many rows one merge takes in (SOAP API guide,
// merge()).
const maxMergeLosers = 2

// CodeMergeFailed refuses a merge.
const CodeMergeFailed = "MERGE_FAILED"

// Merge makes one row of several: the losers go to the recycle bin with
// MasterRecordId naming the winner, the rows that referred to them refer to the
// winner, and the winner is stamped. Change events are a DELETE of each loser,
// an UPDATE of the winner and of each row that changed hands. The winner keeps
// its values; Update in the same transaction takes over those of losers.
func (tx *Tx) Merge(winner string, losers ...string) error {
	t, w, err := tx.row(winner)
	if err != nil {
		return err
	}
	master := t.def.Field("MasterRecordId")
	switch {
	case master == nil:
		return fieldErr(CodeMergeFailed, nil, "sObject type '%s' cannot be merged", t.def.Name)
	case len(losers) == 0 || len(losers) > maxMergeLosers:
		return fieldErr(CodeMergeFailed, nil, "a merge takes one or two records into the master record")
	}
	return tx.Try(func() error {
		for _, id := range losers {
			if err := tx.mergeRow(t, w, id); err != nil {
				return err
			}
		}
		stamped := t.rows[w.ID].with(nil)
		tx.stamp(t, stamped)
		tx.put(t, w.ID, stamped)
		return tx.updateTwin(t, stamped)
	})
}

// mergeRow takes one loser in.
func (tx *Tx) mergeRow(t *table, winner *Record, id string) error {
	lt, loser, err := tx.row(id)
	if err != nil {
		return err
	}
	person := func(r *Record) bool { return r.fields["IsPersonAccount"].True() }
	if lt != t || loser.ID == winner.ID || person(loser) != person(winner) {
		return fieldErr(CodeMergeFailed, nil, "records of one kind can be merged, and none into itself")
	}
	if err := tx.checkLocks(t, loser, nil); err != nil {
		return err
	}
	tx.reparent(t.def.Name, loser.ID, winner.ID)
	if person(loser) {
		tx.reparent("Contact", loser.fields["PersonContactId"].text, winner.fields["PersonContactId"].text)
	}
	marked := t.rows[loser.ID].with(map[string]Value{"MasterRecordId": String(winner.ID)})
	tx.put(t, loser.ID, marked)
	return tx.deleteRow(t, marked)
}

// reparent makes every live row that refers to one row refer to another, but
// for the contact of a person account, which goes with it.
func (tx *Tx) reparent(object, from, to string) {
	for _, name := range sortedKeys(tx.org.tables) {
		t := tx.org.tables[name]
		var fields []*FieldDef
		for _, f := range t.def.Fields {
			if f.Type == TypeReference && slices.Contains(f.ReferenceTo, object) && f.Name != "MasterRecordId" && f.Name != "PersonContactId" {
				fields = append(fields, f)
			}
		}
		if len(fields) == 0 {
			continue
		}
		for _, r := range t.pointing(fields, from) {
			values := map[string]Value{}
			for _, f := range fields {
				if r.fields[f.Name].text == from {
					values[f.Name] = String(to)
				}
			}
			moved := r.with(values)
			tx.stamp(t, moved)
			tx.put(t, r.ID, moved)
		}
	}
}

// pointing lists the live rows that name an id in one of the fields.
func (t *table) pointing(fields []*FieldDef, id string) []*Record {
	var out []*Record
	t.scan(false, func(r *Record) bool {
		if twin := t.def.Name == "Contact" && r.fields["IsPersonAccount"].True(); !twin && slices.ContainsFunc(fields, func(f *FieldDef) bool { return r.fields[f.Name].text == id }) {
			out = append(out, r)
		}
		return true
	})
	return out
}

// Merge merges rows in a transaction of its own, as somebody at the screen
// does.
func (o *Org) Merge(ctx context.Context, caller Caller, winner string, losers ...string) (Result, error) {
	return o.Transact(ctx, caller, func(tx *Tx) error { return tx.Merge(winner, losers...) })
}

// merge merges rows.
func (k *control) merge(r *http.Request) (any, error) {
	var in struct {
		Winner string   `yaml:"winner"`
		Losers []string `yaml:"losers"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return emitted(k.org.Merge(r.Context(), Caller{}, in.Winner, in.Losers...))
}
