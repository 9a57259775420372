package orgsim_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
	"sfbridge/orgsim"
)

func changed(field string) []orgsim.Condition {
	return []orgsim.Condition{{Field: field, Op: "changed"}}
}

func asBridge(t *testing.T, org *orgsim.Org, id string, fields vals) {
	t.Helper()
	_, err := org.Transact(context.Background(), orgsim.Caller{API: "rest", Client: "sfbridge-crm"}, func(tx *orgsim.Tx) error { return tx.Update(id, fields) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestTrigger_BeforeTheWrite_IsPartOfItsEvent(t *testing.T) {
	org := newOrg(t, orgsim.Config{Rules: orgsim.Rules{Triggers: []orgsim.Trigger{
		{Object: "account", When: changed("Phone"), Set: map[string]string{"Phone": "+1", "Rating": "Hot"}},
		{Object: "Account", Compute: func(old, now *orgsim.Record) map[string]orgsim.Value {
			if old != nil {
				return nil
			}
			return vals{"Site": now.Get("Name")}
		}},
	}}})
	id := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
	if site := org.Get(id).Get("Site"); site != orgsim.String("Acme") {
		t.Errorf("site %v, want what the trigger computed", site)
	}
	asBridge(t, org, id, vals{"Phone": orgsim.String("1")})
	d := lastEvent(t, org, "Account")
	wantNames(t, "changed", d.ChangedFields, "Phone", "Rating", "LastModifiedDate")
	wantBody(t, d, map[string]any{"Phone": "+1", "Rating": "Hot"})
	if !strings.HasSuffix(d.ChangeOrigin, ";client=sfbridge-crm") || len(events(t, org, "Account")) != 2 {
		t.Errorf("origin %s, %d events", d.ChangeOrigin, len(events(t, org, "Account")))
	}
}

func TestTrigger_Later_IsATransactionOfItsOwn(t *testing.T) {
	for _, sameClient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t, orgsim.Config{Rules: orgsim.Rules{Triggers: []orgsim.Trigger{
				{Object: "Account", When: changed("Phone"), Set: map[string]string{"Phone": "+1"}, Later: true, Delay: time.Minute, SameClient: sameClient},
			}}})
			id := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
			asBridge(t, org, id, vals{"Phone": orgsim.String("1")})
			if got := org.Get(id).Get("Phone"); got != orgsim.String("1") {
				t.Errorf("phone %v before the trigger ran", got)
			}
			time.Sleep(61 * time.Second)
			synctest.Wait()
			all := events(t, org, "Account")
			if len(all) != 3 {
				t.Fatalf("%d events, want a create, the write and the trigger's", len(all))
			}
			write, own := all[1], all[2]
			wantBody(t, own, map[string]any{"Phone": "+1"})
			origin := "com/salesforce/api/apex/64.0"
			if sameClient {
				origin += ";client=sfbridge-crm"
			}
			if own.ChangeType != event.Update || own.CommitUser != write.CommitUser || own.TransactionKey == write.TransactionKey || own.ChangeOrigin != origin {
				t.Errorf("the trigger's event %+v after %+v, want origin %s", own.Header, write.Header, origin)
			}
			asBridge(t, org, id, vals{"Phone": orgsim.String("+1")}) // what the row has: nothing to do
			time.Sleep(time.Hour)
			if n := len(events(t, org, "Account")); n != 4 {
				t.Errorf("%d events after a write that changes nothing, want 4", n)
			}
		})
	}
}

func TestTrigger_ThatCannotBe_IsRefusedOrRefusesTheRow(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for name, tr := range map[string]orgsim.Trigger{
		"no object":  {Object: "Nope", Set: map[string]string{"Phone": "1"}},
		"no field":   {Object: "Account", Set: map[string]string{"Nope": "1"}},
		"no value":   {Object: "Account", Set: map[string]string{"Active__c": "perhaps"}},
		"nothing":    {Object: "Account"},
		"condition ": {Object: "Account", Set: map[string]string{"Phone": "1"}, When: changed("Nope")},
	} {
		if err := org.SetRules(orgsim.Rules{Triggers: []orgsim.Trigger{tr}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := org.SetRules(orgsim.Rules{Triggers: []orgsim.Trigger{{Object: "Account", Set: map[string]string{"Tier__c": "Tin"}}}}); err != nil {
		t.Fatal(err)
	}
	_, err := org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		_, err := tx.Insert("Account", vals{"Name": orgsim.String("A")})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY") {
		t.Errorf("insert with a trigger that fails: %v", err)
	}
}
