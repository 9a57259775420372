package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// A record that the org refuses becomes a dead letter; once the cause is gone, a
// retry goes the way of all records. One that a newer record of its key has
// overtaken meanwhile is skipped, unless it is forced.
func TestDLQ_RetryAfterTheCauseIsGone_AppliesWhatWasNotOvertaken(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.customers", 3)
		defer produce.Close()
		put := func(id, name string) {
			t.Helper()
			value := fmt.Sprintf(`{"id":%q,"name":%q}`, id, name)
			if err := produce.ProduceSync(s.t.Context(), &kgo.Record{Topic: "erp.customers", Key: []byte(id), Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		s.rules(orgsim.Rules{Validation: []orgsim.ValidationRule{{
			Object: "Account", When: []orgsim.Condition{{Field: "Name", Op: "=", Value: "Refused"}}, Message: "no such name",
		}}})
		cfg := s.config(bridge.ChangeChannel("Contact"))
		cfg.Writebacks = []bridge.Writeback{{
			Topic: "erp.customers", Org: "main",
			Rows: rows.Config{
				Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert,
				Fields: map[string]string{"ERP_Id__c": "id", "Name": "name"},
			},
		}}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		put("E-1", "Refused")
		put("E-2", "Refused")
		put("E-3", "Fine")
		open := s.lettersWithin(r, bridge.LetterFilter{State: bridge.LetterOpen}, 2)
		for _, l := range open {
			if l.Reason != flow.Validation || l.Code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || l.Flow != "erp.customers/main/Account" {
				t.Errorf("letter %+v", l)
			}
		}
		put("E-2", "Newer")
		s.nameWithin(time.Minute, "E-2", "Newer")
		s.rules(orgsim.Rules{})
		report, err := r.b.Retry(s.t.Context(), bridge.RetryRequest{})
		if err != nil || len(report.Retried) != 2 {
			t.Fatalf("retried %+v, %v", report, err)
		}
		s.nameWithin(time.Minute, "E-1", "Refused")
		s.lettersWithin(r, bridge.LetterFilter{State: bridge.LetterRetried}, 2)
		time.Sleep(time.Minute)
		s.nameWithin(0, "E-2", "Newer")
		s.nameWithin(0, "E-3", "Fine")
		if got := r.metric(`sfbridge_dead_letters_total{reason="validation"}`); got != 2 {
			t.Errorf("%v dead letters counted, want 2", got)
		}
		outcomes := make(map[string]int)
		for _, rec := range s.records() {
			var res flow.Result
			if rec.Topic == "sf.results" && json.Unmarshal(rec.Value, &res) == nil {
				outcomes[res.Outcome+" "+res.Reason]++
			}
		}
		// E-3 and the newer E-2, E-1 by the retry; the older E-2 was overtaken.
		if outcomes["created "] != 3 || outcomes["skipped superseded"] != 1 || len(outcomes) != 2 {
			t.Errorf("outcomes %v", outcomes)
		}
		st, err := r.b.Status(s.t.Context())
		if err != nil || len(st.Flows) != 1 || st.Flows[0].Lag != 0 || !st.Flows[0].Started || st.Flows[0].Processes != 1 {
			t.Errorf("status of flows %+v, %v", st.Flows, err)
		}
		if n := st.DeadLettersOpen; n == nil || *n != 0 {
			t.Errorf("open dead letters %v, want 0", n)
		}
		var failed []bridge.Finding
		if ok := r.b.Check(s.t.Context(), func(f bridge.Finding) {
			if f.Err != nil {
				failed = append(failed, f)
			}
		}); !ok {
			t.Errorf("check fails: %v", failed)
		}
		r.stop()
	})
}

func (s *system) rules(rules orgsim.Rules) {
	s.t.Helper()
	if err := s.sb.Org.SetRules(rules); err != nil {
		s.t.Fatal(err)
	}
}

// lettersWithin waits until a list has so many dead letters.
func (s *system) lettersWithin(r *running, f bridge.LetterFilter, want int) []bridge.LetterInfo {
	s.t.Helper()
	var found []bridge.LetterInfo
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		var err error
		if found, _, err = r.b.Letters(s.t.Context(), f, 0); err != nil {
			s.t.Fatal(err)
		}
		if len(found) == want {
			return found
		}
	}
	s.t.Fatalf("%d dead letters, want %d: %+v, problems %v", len(found), want, found, r.b.Problems())
	return nil
}

// nameWithin waits until the account with an external id has a name.
func (s *system) nameWithin(d time.Duration, id, want string) {
	s.t.Helper()
	var got string
	for end := time.Now().Add(d); ; time.Sleep(time.Second) {
		got = ""
		for _, row := range s.sb.Org.FindByExternalID("Account", "ERP_Id__c", orgsim.String(id)) {
			got = row.Get("Name").Text()
		}
		if got == want {
			return
		}
		if !time.Now().Before(end) {
			s.t.Fatalf("account %s is named %q, want %q", id, got, want)
		}
	}
}
