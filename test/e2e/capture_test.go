package e2e

import (
	"testing"
	"time"

	"sfbridge/orgsim"
)

func TestCapture_EveryChangeOnceAndInOrder(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1}, func(s *system) {
		r := s.start(s.config())
		r.readyWithin(10 * time.Second)
		ids := s.accounts(20, "Acme")
		s.transact(func(tx *orgsim.Tx) error { // one event for all of them
			for _, id := range ids[:10] {
				if err := tx.Update(id, map[string]orgsim.Value{"Phone": orgsim.String("1")}); err != nil {
					return err
				}
			}
			return nil
		})
		s.transact(func(tx *orgsim.Tx) error { return tx.Delete(ids[0]) })
		s.transact(func(tx *orgsim.Tx) error { return tx.Undelete(ids[0]) })
		v := s.completeWithin(time.Minute)
		r.stop()
		if v.ChangesMade != 32 || v.RecordsCommitted != 32 {
			t.Errorf("%d changes and %d records, want 32 of each", v.ChangesMade, v.RecordsCommitted)
		}
	})
}
