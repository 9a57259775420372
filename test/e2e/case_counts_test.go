package e2e

import (
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/event"
	"sfbridge/orgsim"
)

// What a lane drops and reads again is one event: its counters move when it is
// committed, not each time that it is encoded.
func TestCounters_EventEncodedTwice_CountsOnce(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 31}, func(s *system) {
		r := s.start(s.config(bridge.ChangeChannel("Account")))
		r.readyWithin(10 * time.Second)
		id := s.accounts(1, "Acme")[0]
		s.completeWithin(time.Minute)
		s.net.Refuse(s.sb.KafkaAddr)
		s.net.Cut(s.sb.KafkaAddr)
		if _, err := s.sb.Org.EmitGap(t.Context(), "Account", event.GapUpdate, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // longer than a commit is repeated
		s.net.Heal(s.sb.KafkaAddr)
		s.completeWithin(10 * time.Minute)
		if n := r.metric(`sfbridge_capture_lane_restarts_total{reason="kafka"}`); n == 0 {
			t.Error("the lane did not restart, so the event was encoded once only")
		}
		if n := r.metric(`sfbridge_gaps_total{outcome="kept",type="GAP_UPDATE"}`); n != 1 {
			t.Errorf("counted %v gap events, want 1", n)
		}
		r.stop()
	})
}
