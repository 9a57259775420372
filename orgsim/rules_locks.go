package orgsim

import (
	"fmt"
	"net/http"
	"time"
)

// maxLocks bounds the rows that are held.
const maxLocks = 10_000

// HoldLocks keeps rows locked, as a long transaction of somebody else does:
// until then, whoever writes them, or rows that refer to them, gets
// UNABLE_TO_LOCK_ROW. A duration of 0 holds them until ReleaseLocks.
func (o *Org) HoldLocks(d time.Duration, ids ...string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	until := time.Time{}
	if d > 0 {
		until = time.Now().Add(d)
	}
	for id, end := range o.locks {
		if !end.IsZero() && !time.Now().Before(end) {
			delete(o.locks, id)
		}
	}
	if len(o.locks)+len(ids) > maxLocks {
		return fmt.Errorf("hold locks: at most %d rows can be held", maxLocks)
	}
	for _, id := range ids {
		full, err := ID18(id)
		if err != nil {
			return fmt.Errorf("hold locks: %w", err)
		}
		o.locks[full] = until
	}
	return nil
}

// ReleaseLocks lets go of every row that HoldLocks keeps.
func (o *Org) ReleaseLocks() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.locks)
}

// checkLocks refuses to write a row that is held, or one whose parent is: the
// org locks the row itself, and the parents that it gains or leaves. old is
// nil on insert, now on delete.
func (tx *Tx) checkLocks(t *table, old, now *Record) error {
	if len(tx.org.locks) == 0 {
		return nil
	}
	row := now
	if now == nil {
		row = old
	}
	ids := []string{row.ID}
	for _, f := range t.def.Fields {
		if f.Type != TypeReference {
			continue
		}
		var before, after Value
		if old != nil {
			before = old.Get(f.Name)
		}
		if now != nil {
			after = now.Get(f.Name)
		}
		if before != after {
			ids = append(ids, before.Text(), after.Text())
		}
	}
	for _, id := range ids {
		if end, held := tx.org.locks[id]; held && (end.IsZero() || time.Now().Before(end)) {
			return fieldErr(CodeUnableToLockRow, nil, "unable to obtain exclusive access to this record or 1 records: %s", id)
		}
	}
	return nil
}

// setRules replaces the org's rules.
func (k *control) setRules(r *http.Request) (any, error) {
	var in Rules
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := k.org.SetRules(in); err != nil {
		return nil, err
	}
	return map[string]any{"rules": in}, nil
}

// holdLocks keeps rows locked.
func (k *control) holdLocks(r *http.Request) (any, error) {
	var in struct {
		IDs []string      `yaml:"ids"`
		For time.Duration `yaml:"for"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := k.org.HoldLocks(in.For, in.IDs...); err != nil {
		return nil, err
	}
	return map[string]int{"held": len(in.IDs)}, nil
}

// releaseLocks lets go of all rows.
func (k *control) releaseLocks(*http.Request) (any, error) {
	k.org.ReleaseLocks()
	return map[string]bool{"released": true}, nil
}
