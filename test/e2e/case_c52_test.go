package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// customers writes the topic erp.customers, {"id","name","phone"}, into accounts.
func customers() bridge.Writeback {
	return bridge.Writeback{
		Topic: "erp.customers", Org: "main",
		Rows: rows.Config{
			Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert,
			Fields: map[string]string{"ERP_Id__c": "id", "Name": "name", "Phone": "phone"},
		},
	}
}

// put writes one customer.
func (s *system) put(produce *kgo.Client, id, rest string) {
	s.t.Helper()
	rec := &kgo.Record{Key: []byte(id), Value: []byte(fmt.Sprintf(`{"id":%q,"name":"Acme"%s}`, id, rest))}
	if err := produce.ProduceSync(s.t.Context(), rec).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// marks gives the changes in a topic in short, with an asterisk if they are
// marked as echoes: "CREATE*", "UPDATE".
func marks(recs []*kgo.Record) []string {
	var out []string
	for _, r := range recs {
		const prefix = "com.salesforce.Account."
		text := header(r, "ce_type")
		if len(text) > len(prefix) {
			text = text[len(prefix):]
		}
		if header(r, "sf_echo") == "true" {
			text += "*"
		}
		out = append(out, text)
	}
	return out
}

// echoCase writes Phone "1" by write-back into an account under an automation,
// and gives what the change topic holds then.
func echoCase(t *testing.T, drop bool, automation orgsim.Trigger) (got []string, counted map[string]float64) {
	bubble(t, orgsim.Config{}, func(s *system) {
		automation.Object = "Account"
		automation.When = []orgsim.Condition{{Field: "Phone", Op: "=", Value: "1"}}
		s.rules(orgsim.Rules{Triggers: []orgsim.Trigger{automation}})
		produce := s.producer("erp.customers", 1)
		defer produce.Close()
		cfg := s.config(bridge.ChangeChannel("Account"))
		cfg.Captures[0].DropEchoes = drop
		cfg.Writebacks = []bridge.Writeback{customers()}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		for _, phone := range []string{"0", "1"} {
			s.put(produce, "E-1", fmt.Sprintf(`,"phone":%q`, phone))
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		got = marks(s.topic("sf.cdc.Account"))
		counted = make(map[string]float64)
		for _, outcome := range []string{"marked", "dropped", "not_announced"} {
			counted[outcome] = r.metric(fmt.Sprintf(
				`sfbridge_capture_echoes_total{channel="/data/AccountChangeEvent",org="main",outcome=%q}`, outcome))
		}
		r.stop()
	})
	return got, counted
}

// An automation of the org answers a write of Phone "1" with "+1", in a
// transaction of its own, under the same user and client.
func TestC52_AutomationAfterTheWrite_IsNoEcho(t *testing.T) {
	later := orgsim.Trigger{Set: map[string]string{"Phone": "+1"}, Later: true, SameClient: true, Delay: time.Second}
	got, counted := echoCase(t, false, later)
	if want := []string{"CREATE*", "UPDATE*", "UPDATE"}; !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
	if counted["marked"] != 2 || counted["not_announced"] != 1 {
		t.Errorf("counted %v", counted)
	}
	got, counted = echoCase(t, true, later)
	if want := []string{"UPDATE"}; !slices.Equal(got, want) {
		t.Errorf("with echoes left out: changes %v, want %v", got, want)
	}
	if counted["dropped"] != 2 || counted["not_announced"] != 1 {
		t.Errorf("with echoes left out: counted %v", counted)
	}
}

// A trigger turns the value into another one inside the very write, so that one
// event tells of both.
func TestC52_TriggerInsideTheWrite_IsNoEcho(t *testing.T) {
	got, _ := echoCase(t, false, orgsim.Trigger{Set: map[string]string{"Phone": "+1"}})
	if want := []string{"CREATE*", "UPDATE"}; !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}

// A long text comes back as a difference to the old one, which tells no more of
// the new one than its digest.
func TestC52_LongTextThatComesBackAsADifference_IsAnEcho(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.customers", 1)
		defer produce.Close()
		cfg := s.config(bridge.ChangeChannel("Account"))
		w := customers()
		w.Rows.Fields["Description"] = "text"
		cfg.Writebacks = []bridge.Writeback{w}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		lines := make([]string, 60)
		for i := range lines {
			lines[i] = fmt.Sprintf("line %d of a text that is long enough", i)
		}
		for i := range 3 {
			lines[30] = fmt.Sprintf("version %d", i)
			s.put(produce, "E-1", fmt.Sprintf(`,"text":%q`, strings.Join(lines, "\n")))
			time.Sleep(10 * time.Second)
		}
		recs := s.topic("sf.cdc.Account")
		if got, want := marks(recs), []string{"CREATE*", "UPDATE*", "UPDATE*"}; !slices.Equal(got, want) {
			t.Errorf("changes %v, want %v", got, want)
		}
		if last := recs[len(recs)-1].Value; !bytes.Contains(last, []byte("@@ -31,1 +31,1 @@")) {
			t.Error("the org sent the text whole: the test shows nothing")
		}
		r.stop()
	})
}

// Every operation, by record id where the row has one, and by external id.
func TestC52_EveryOperation_ComesBackAsAnEcho(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.customers", 1)
		defer produce.Close()
		cfg := s.config(bridge.ChangeChannel("Account"))
		w := customers()
		w.Rows.OperationFrom = "op"
		cfg.Writebacks = []bridge.Writeback{w}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		for i, op := range []string{"upsert", "update", "delete", "undelete", "upsert", "delete"} {
			s.put(produce, "E-1", fmt.Sprintf(`,"phone":"%d","op":%q`, i, op))
			s.put(produce, "E-2", fmt.Sprintf(`,"phone":"%d","op":%q`, i, op))
			time.Sleep(20 * time.Second)
		}
		s.put(produce, "", `,"op":"insert"`)
		time.Sleep(20 * time.Second)
		want := []string{"CREATE*", "UPDATE*", "DELETE*", "UNDELETE*", "UPDATE*", "DELETE*"}
		byRecord := make(map[string][]string)
		for _, rec := range s.topic("sf.cdc.Account") {
			byRecord[header(rec, "ce_subject")] = append(byRecord[header(rec, "ce_subject")], marks([]*kgo.Record{rec})...)
		}
		for id, got := range byRecord {
			if !slices.Equal(got, want) && !slices.Equal(got, want[:1]) {
				t.Errorf("changes of %s: %v, want %v", id, got, want)
			}
		}
		if len(byRecord) != 3 {
			t.Errorf("%d records changed, want 3: %v, letters %v", len(byRecord), byRecord, s.lettersIn("sf.dlq"))
		}
		r.stop()
	})
}
