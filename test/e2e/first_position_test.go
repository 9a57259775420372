package e2e

import (
	"context"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// A channel that starts at latest has no position until the org tells one. Until
// that one is stored, a crash would start at latest again, past what happened
// meanwhile; so the first does not wait for company as later ones may.
func TestFirstPosition_QuietChannel_StoredAtOnce(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1, Keepalive: time.Minute}, func(s *system) {
		cfg := s.config(bridge.ChangeChannel("Account"), bridge.EventChannel("Shipment__e"))
		for i := range cfg.Captures {
			cfg.Captures[i].Earliest = false
		}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		time.Sleep(time.Minute + 5*time.Second) // one keepalive
		status, err := r.b.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, ch := range status.Channels {
			if !ch.Known {
				t.Errorf("%s: no position is stored", ch.Channel)
			}
		}
		r.stop()
	})
}

// The time for repeating a write has to fit into the transaction's.
func TestStart_ShortTransactionTimeout_Works(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1}, func(s *system) {
		cfg := s.config(bridge.ChangeChannel("Account"))
		cfg.TransactionTimeout = time.Second // the least that the configuration takes
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		s.accounts(3, "Acme")
		s.completeWithin(time.Minute)
		r.stop()
	})
}
