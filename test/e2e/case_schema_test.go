package e2e

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/orgsim"
)

const recordsTotal = "sfbridge_capture_records_total"

func (s *system) alter(object string, fn func(*orgsim.ObjectDef)) {
	s.t.Helper()
	if err := s.sb.Org.AlterObject(object, fn); err != nil {
		s.t.Fatal(err)
	}
}

// retype makes a field text, which no reader of the old schema understands.
func retype(name string) func(*orgsim.ObjectDef) {
	return func(def *orgsim.ObjectDef) {
		f := def.Field(name)
		f.Type, f.Length, f.Precision, f.Scale = orgsim.TypeString, 40, 0, 0
	}
}

// TestSchemaChange_InTheMiddleOfABatch_EachEventByItsOwn stores events before
// and after a field comes in front of the others, and carries them in one go.
func TestSchemaChange_InTheMiddleOfABatch_EachEventByItsOwn(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 701}, func(s *system) {
		ids := s.accounts(5, "Old")
		s.update(ids[0], map[string]orgsim.Value{"Phone": orgsim.String("1"), "BillingCity": orgsim.String("Bern")})
		s.alter("Account", func(def *orgsim.ObjectDef) {
			at := slices.IndexFunc(def.Fields, func(f *orgsim.FieldDef) bool { return f.Name == "Type" })
			def.Fields = slices.Insert(def.Fields, at, &orgsim.FieldDef{Name: "Region__c", Type: orgsim.TypeString})
		})
		s.update(ids[0], map[string]orgsim.Value{"Phone": orgsim.String("2"), "Region__c": orgsim.String("EU"), "BillingCity": {}})
		s.accounts(5, "New")
		cfg := s.config(accountChannel)
		cfg.Topics.Partitions = 1
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		if v := s.completeWithin(time.Minute); v.RecordsCommitted != 12 {
			t.Fatalf("%d records, want 12", v.RecordsCommitted)
		}
		records := s.topic("sf.cdc.Account")
		schemas := make(map[string]int)
		for _, rec := range records {
			schemas[header(rec, "sf_schema_id")]++
		}
		if len(schemas) != 2 {
			t.Errorf("records of schemas %v, want two schemas", schemas)
		}
		for i, want := range []struct{ phone, region, city any }{{"1", nil, "Bern"}, {"2", "EU", nil}} {
			v := s.decode(records[5+i])
			if at(v, "Phone") != want.phone || at(v, "Region__c") != want.region || at(v, "BillingAddress", "City") != want.city {
				t.Errorf("update %d: phone %v, region %v, city %v; want %v", i, at(v, "Phone"), at(v, "Region__c"), at(v, "BillingAddress", "City"), want)
			}
		}
		h, _ := s.decode(records[6])["ChangeEventHeader"].(map[string]any)
		if got := texts(h["changedFields"]); !slices.Equal(got, []string{"BillingAddress.City", "LastModifiedDate", "Phone", "Region__c"}) {
			t.Errorf("changedFields after the change of schema: %v", got)
		}
		r.stop()
	})
}

// TestSchemaRefused_ChannelStopsAndHealsByItself changes the type of a field,
// which the registry does not allow, until a person allows it.
func TestSchemaRefused_ChannelStopsAndHealsByItself(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 702}, func(s *system) {
		r := s.start(s.config(accountChannel, contactChannel))
		r.readyWithin(10 * time.Second)
		s.accounts(5, "Old")
		s.completeWithin(time.Minute)
		s.alter("Account", retype("Score__c"))
		s.accounts(3, "New")
		s.until(time.Minute, "the channel stops", func() bool { return strings.Contains(r.problem(part(accountChannel)), "stopped") })
		hasAll(t, r.problem(part(accountChannel)), "sf.cdc.Account-value", "Score__c", "BACKWARD", "NONE", "/config/sf.cdc.Account-value")
		s.accounts(3, "Newer")
		contact := s.insert("Contact", nil)
		time.Sleep(10 * time.Minute)
		if n := len(s.topic("sf.cdc.Account")); n != 5 {
			t.Errorf("%d records of Account while it is stopped, want 5", n)
		}
		if got := keys(s.topic("sf.cdc.Contact")); !slices.Equal(got, []string{contact}) {
			t.Errorf("the other channel has %v, want %s", got, contact)
		}
		if p := r.problem(part(contactChannel)); p != "" {
			t.Errorf("the other channel is not ready: %s", p)
		}
		if lag := r.metric(channelMetric("sfbridge_capture_lag_seconds", accountChannel)); lag < 600 {
			t.Errorf("lag of the stopped channel is %v s, want at least 600", lag)
		}
		if err := s.sb.Registry.SetCompatibility("sf.cdc.Account-value", sr.CompatNone); err != nil {
			t.Fatal(err)
		}
		r.readyWithin(5 * time.Minute)
		if v := s.completeWithin(time.Minute); v.RecordsCommitted != 12 || v.SetAside != 0 {
			t.Errorf("%d records and %d set aside, want 12 and 0", v.RecordsCommitted, v.SetAside)
		}
		r.stop()
	})
}

// TestSchemaRefused_InTheMiddleOfAResponse_NothingIsPassedOver puts events that
// the registry does not let through behind others in one response.
func TestSchemaRefused_InTheMiddleOfAResponse_NothingIsPassedOver(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 704}, func(s *system) {
		s.accounts(5, "Old")
		s.alter("Account", retype("Score__c"))
		s.accounts(5, "New")
		r := s.start(s.config(accountChannel))
		s.until(time.Minute, "the channel stops", func() bool { return strings.Contains(r.problem(part(accountChannel)), "stopped") })
		time.Sleep(5 * time.Minute)
		r.stop()
		r = s.start(s.config(accountChannel)) // a restart does not help
		s.until(time.Minute, "the channel stops again", func() bool { return strings.Contains(r.problem(part(accountChannel)), "stopped") })
		if err := s.sb.Registry.SetCompatibility("sf.cdc.Account-value", sr.CompatNone); err != nil {
			t.Fatal(err)
		}
		r.readyWithin(5 * time.Minute)
		if v := s.completeWithin(time.Minute); v.RecordsCommitted != 10 || v.SetAside != 0 {
			t.Errorf("%d records and %d set aside, want 10 and 0", v.RecordsCommitted, v.SetAside)
		}
		r.stop()
	})
}

// TestRegistryAway_ForAMinute_NothingLost lets the registry fail when a new
// schema needs it: answers of 503, or no answers.
func TestRegistryAway_ForAMinute_NothingLost(t *testing.T) {
	for name, away := range map[string]func(*system) (back func()){
		"503": func(s *system) func() {
			s.sb.Registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, `{"error_code":50003,"message":"not now"}`)
				return true
			})
			return func() { s.sb.Registry.Intercept(nil) }
		},
		"refused": func(s *system) func() {
			addr := strings.TrimPrefix(s.sb.RegistryURL, "http://")
			s.net.Refuse(addr)
			s.net.Cut(addr)
			return func() { s.net.Heal(addr) }
		},
		"silent": func(s *system) func() {
			addr := strings.TrimPrefix(s.sb.RegistryURL, "http://")
			s.net.Blackhole(addr)
			return func() { s.net.Heal(addr) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 703}, func(s *system) {
				r := s.start(s.config(accountChannel, contactChannel))
				r.readyWithin(10 * time.Second)
				s.insert("Contact", nil)
				s.completeWithin(time.Minute)
				back := away(s)
				s.accounts(5, "New schema")
				s.insert("Contact", nil) // its schema is known: it needs no registry
				s.until(50*time.Second, "the other channel goes on", func() bool {
					return r.metric(channelMetric(recordsTotal, contactChannel)) == 2
				})
				s.until(50*time.Second, "readiness names the registry", func() bool { return r.problem("registry") != "" })
				time.Sleep(time.Minute)
				if n := r.metric(channelMetric(recordsTotal, accountChannel)); n != 0 {
					t.Errorf("%v records without a registered schema", n)
				}
				back()
				if v := s.completeWithin(5 * time.Minute); v.RecordsCommitted != 7 || v.SetAside != 0 {
					t.Errorf("%d records and %d set aside, want 7 and 0", v.RecordsCommitted, v.SetAside)
				}
				r.readyWithin(time.Minute)
				r.stop()
			})
		})
	}
}
