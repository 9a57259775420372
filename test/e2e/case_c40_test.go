package e2e

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// noise is text that does not compress below three quarters of its length.
func noise(n int) string {
	rng := rand.NewChaCha8([32]byte{40})
	b := make([]byte, n*3/4)
	rng.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// TestC40_OneRecordTooLarge_GoesAlone puts one record that its topic cannot
// hold among nine small ones, and then one as large that packs well.
func TestC40_OneRecordTooLarge_GoesAlone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int
		notes map[string]orgsim.Value // together beyond the limit
		even  map[string]orgsim.Value // as long, and all the same letter
	}{
		{
			"a small limit", 50_000,
			map[string]orgsim.Value{"Notes__c": orgsim.String(noise(100_000))},
			map[string]orgsim.Value{"Notes__c": orgsim.String(strings.Repeat("a", 100_000))},
		},
		{"the default limit", 0, longTexts(noise(131_000)), longTexts(strings.Repeat("a", 131_000))},
	} {
		t.Run(tt.name, func(t *testing.T) { tooLarge(t, tt.limit, tt.notes, tt.even) })
	}
}

// longTexts fills nine fields of a Large__c: more than a topic takes by
// default, in whole bytes of UTF-8.
func longTexts(text string) map[string]orgsim.Value {
	fields := make(map[string]orgsim.Value)
	for _, name := range longFields {
		fields[name] = orgsim.String(text)
	}
	return fields
}

var longFields = []string{"A__c", "B__c", "C__c", "D__c", "E__c", "F__c", "G__c", "H__c", "I__c"}

func tooLarge(t *testing.T, limit int, notes, even map[string]orgsim.Value) {
	large := orgsim.ObjectDef{Name: "Large__c", Fields: []*orgsim.FieldDef{{Name: "Notes__c", Type: orgsim.TypeLongTextArea, Length: 131072}}}
	for _, name := range longFields {
		large.Fields = append(large.Fields, &orgsim.FieldDef{Name: name, Type: orgsim.TypeLongTextArea, Length: 131072})
	}
	org := orgsim.Config{Seed: 4001, MaxEventBytes: 2 << 20, Objects: append(orgsim.BuiltinObjects(), large)}
	bubble(t, org, func(s *system) {
		cfg := s.config("/data/Large__ChangeEvent")
		cfg.Topics.Partitions, cfg.Topics.MaxBytes = 1, limit
		var ids []string
		for i := range 10 {
			fields := map[string]orgsim.Value{"Notes__c": orgsim.String(noise(1000))}
			if i == 4 {
				fields = notes
			}
			ids = append(ids, s.insert("Large__c", fields))
		}
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		v := s.completeWithin(time.Minute)
		if v.RecordsCommitted != 9 || v.SetAside != 1 {
			t.Fatalf("%d records and %d set aside, want 9 and 1", v.RecordsCommitted, v.SetAside)
		}
		want := slices.Delete(slices.Clone(ids), 4, 5)
		if got := keys(s.topic("sf.cdc.Large__c")); !slices.Equal(got, want) {
			t.Errorf("the others: %v, want %v", got, want)
		}
		events := s.sent("/data/Large__ChangeEvent")
		letters := s.deadLetters()
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		d := letters[0]
		if d.Reason != "too_large" || d.RecordID != ids[4] || d.Topic != "sf.cdc.Large__c" || len(d.Payload) != 0 ||
			d.ReplayID.String() != events[4].ReplayID.String() || d.Size < len(events[4].Payload) {
			t.Errorf("dead letter %+v, want one by reference of record %s, event %s", d, ids[4], events[4].ReplayID)
		}
		hasAll(t, d.Error, "max.message.bytes", "sf.cdc.Large__c", "raise")

		id := s.insert("Large__c", even)
		if v = s.completeWithin(time.Minute); v.RecordsCommitted != 10 || v.SetAside != 1 {
			t.Errorf("%d records and %d set aside, want 10 and 1: what packs well has room", v.RecordsCommitted, v.SetAside)
		}
		last := s.topic("sf.cdc.Large__c")[9]
		if string(last.Key) != id || len(last.Value) < 100_000 {
			t.Errorf("the last record is %s of %d bytes, want the large one, %s", last.Key, len(last.Value), id)
		}
		r.stop()
	})
}
