package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"sfbridge/event"
	"sfbridge/orgsim"
)

// TestGapEvents_AreKeptAndCounted emits each kind of event that tells of
// changes without saying which. They are records like any other, so that
// nobody mistakes the hole for peace.
func TestGapEvents_AreKeptAndCounted(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1501}, func(s *system) {
		r := s.start(s.config(accountChannel))
		r.readyWithin(10 * time.Second)
		ids := s.accounts(2, "Acme")
		ctx := context.Background()
		emit := func(_ orgsim.Result, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		emit(s.sb.Org.EmitGap(ctx, "Account", event.GapUpdate, ids...))
		emit(s.sb.Org.EmitGap(ctx, "Account", event.GapDelete, ids[0]))
		emit(s.sb.Org.EmitOverflow(ctx, "Account"))
		emit(s.sb.Org.EmitWildcard(ctx, "Account"))
		s.completeWithin(time.Minute)
		for typ, n := range map[event.ChangeType]float64{event.GapUpdate: 1, event.GapDelete: 1, event.GapOverflow: 1} {
			if got := r.metric(fmt.Sprintf("sfbridge_gaps_total{outcome=%q,type=%q}", "kept", typ)); got != n {
				t.Errorf("sfbridge_gaps_total of %s is %v, want %v", typ, got, n)
			}
		}
		var got []string
		for _, rec := range s.topic("sf.cdc.Account") {
			if typ := header(rec, "ce_type"); typ != "com.salesforce.Account.CREATE" {
				got = append(got, typ[len("com.salesforce.Account."):]+" "+string(rec.Key))
				h, _ := s.decode(rec)["ChangeEventHeader"].(map[string]any)
				if texts(h["recordIds"])[0] != string(rec.Key) {
					t.Errorf("record %s names %v", rec.Key, h["recordIds"])
				}
			}
		}
		want := []string{"GAP_DELETE " + ids[0], "GAP_OVERFLOW 000000000000000AAA", "GAP_UPDATE " + ids[0], "GAP_UPDATE " + ids[1], "UPDATE 001*"}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("records %v, want %v", got, want)
		}
		r.stop()
	})
}

// TestPlatformEvents_KeyedByAField takes the key from a field, and sets aside
// the events that lack it.
func TestPlatformEvents_KeyedByAField(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1502}, func(s *system) {
		cfg := s.config("/event/Shipment__e")
		cfg.Captures[0].KeyField = "Order_Number__c"
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		for i := range 10 {
			fields := map[string]orgsim.Value{"Order_Number__c": orgsim.String(fmt.Sprint("O-", i%3))}
			if i == 5 {
				delete(fields, "Order_Number__c")
			}
			if _, _, err := s.sb.Org.PublishEvent(context.Background(), orgsim.Caller{API: "rest"}, "Shipment__e", fields); err != nil {
				t.Fatal(err)
			}
		}
		s.until(time.Minute, "all are committed", func() bool {
			return r.metric(channelMetric("sfbridge_capture_events_total", "/event/Shipment__e")) == 10
		})
		counts := make(map[string]int)
		partitions := make(map[string]int32)
		for _, rec := range s.topic("sf.event.Shipment__e") {
			key := string(rec.Key)
			if p, seen := partitions[key]; seen && p != rec.Partition {
				t.Errorf("key %s is in partitions %d and %d", key, p, rec.Partition)
			}
			counts[key], partitions[key] = counts[key]+1, rec.Partition
			if got := at(s.decode(rec), "Order_Number__c"); got != key || header(rec, "ce_subject") != key || header(rec, "ce_id") == key {
				t.Errorf("record of key %s is for order %v, subject %s", key, got, header(rec, "ce_subject"))
			}
		}
		if counts["O-0"] != 4 || counts["O-1"] != 3 || counts["O-2"] != 2 || len(counts) != 3 {
			t.Errorf("records by key: %v", counts)
		}
		letters := s.deadLetters()
		if len(letters) != 1 || letters[0].Reason != "no_key" || len(letters[0].Payload) == 0 {
			t.Fatalf("dead letters %+v, want the one without a key", letters)
		}
		hasAll(t, letters[0].Error, "Order_Number__c", "null")
		r.stop()
	})
}
