package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// TestC02_BurstIntoASlowKafka_NothingDropped sends 1,000 events at once to a
// bridge with little memory whose Kafka takes 20 ms for each round trip; one
// event in the middle cannot be used. It goes to the dead letters whole, and
// the 999 others arrive in order.
func TestC02_BurstIntoASlowKafka_NothingDropped(t *testing.T) {
	for _, kind := range []orgsim.FaultKind{orgsim.FaultUnknownSchema, orgsim.FaultGarbage} {
		t.Run(string(kind), func(t *testing.T) { burst(t, kind) })
	}
}

func burst(t *testing.T, kind orgsim.FaultKind) {
	bubble(t, orgsim.Config{Seed: 201}, func(s *system) {
		cfg := s.config(accountChannel)
		cfg.Memory, cfg.Topics.Partitions = 32<<10, 1
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		s.net.Latency(s.sb.KafkaAddr, 10*time.Millisecond)
		s.inject(orgsim.Fault{Kind: kind, Channel: accountChannel, After: 499})
		s.accounts(1000, "Burst")
		s.until(10*time.Minute, "all events are committed", func() bool {
			return r.metric(channelMetric("sfbridge_capture_events_total", accountChannel)) == 1000
		})
		s.net.Heal(s.sb.KafkaAddr)

		events := s.sent(accountChannel)
		bad := events[499]
		records := s.topic("sf.cdc.Account")
		if len(records) != 999 || len(events) != 1000 {
			t.Fatalf("%d records of %d events, want 999 of 1000", len(records), len(events))
		}
		for i, rec := range records {
			ev := events[i]
			if i >= 499 {
				ev = events[i+1]
			}
			if header(rec, "sf_replay_id") != ev.ReplayID.String() || header(rec, "ce_id") != ev.UUID {
				t.Fatalf("record %d is of event %s, want %s", i, header(rec, "sf_replay_id"), ev.ReplayID)
			}
		}
		letters := s.deadLetters()
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		d := letters[0]
		reason, payload := "unknown_schema", bad.Payload
		if kind == orgsim.FaultGarbage {
			reason, payload = "undecodable", bytes.Repeat([]byte{0xff}, 12)
		}
		sum := sha256.Sum256(payload)
		if d.Reason != reason || d.ReplayID.String() != bad.ReplayID.String() || d.EventUUID != bad.UUID ||
			!bytes.Equal(d.Payload, payload) || d.SHA256 != hex.EncodeToString(sum[:]) || d.Size != len(payload) ||
			d.Channel != accountChannel || d.OrgID != s.sb.Org.OrgID() || d.SchemaID == "" || d.Error == "" {
			t.Errorf("dead letter %+v, want %s of event %s with its bytes", d, reason, bad.ReplayID)
		}
		if got := r.metric(fmt.Sprintf("sfbridge_dead_letters_total{reason=%q}", reason)); got != 1 {
			t.Errorf("sfbridge_dead_letters_total of %s is %v, want 1", reason, got)
		}
		r.stop()
	})
}
