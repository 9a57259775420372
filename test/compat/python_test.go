//go:build compat

package compat_test

import (
	"slices"
	"strings"
	"testing"
)

func TestSimpleSalesforce_DoesItsWork(t *testing.T) {
	org, c := start(t)
	var got struct {
		JWT, ClientCredentials, ID, ByExternalID, Gone, Malformed string
		Row                                                       map[string]any
		Update, Deleted, Names, Count, Limits, Usage, QueryAll    int
		Upserts                                                   []int
		Fields                                                    map[string]string
		Objects                                                   []string
	}
	run(t, c, &got, "python", "clients/simple_salesforce_client.py")

	if host := strings.TrimPrefix(c.HTTPSURL, "https://"); got.JWT != host || got.ClientCredentials != host {
		t.Errorf("instances %s and %s, want %s", got.JWT, got.ClientCredentials, host)
	}
	acc := org.Get(got.ID)
	if acc == nil || !acc.Deleted || acc.Get("Phone").Text() != "2" || got.Update != 204 || got.Deleted != 204 || got.Gone != "ENTITY_IS_DELETED" {
		t.Errorf("account %v, update %d, delete %d, then %s", acc, got.Update, got.Deleted, got.Gone)
	}
	if got.Row["Name"] != "Ærø" || got.Row["AnnualRevenue"] != 10.0 || got.Row["IsDeleted"] != false || got.Row["BillingAddress"] != nil ||
		got.Row["CreatedDate"] != acc.Get("CreatedDate").String() {
		t.Errorf("row %v", got.Row)
	}
	if got.ByExternalID != got.ID || !slices.Equal(got.Upserts, []int{201, 200}) || org.Count("Account") != 1 {
		t.Errorf("by external id %s, upserts %v, %d accounts", got.ByExternalID, got.Upserts, org.Count("Account"))
	}
	if got.Names != 450 || got.Count != 450 || org.Count("Contact") != 450 {
		t.Errorf("%d rows over pages, count %d, %d in the org, want 450", got.Names, got.Count, org.Count("Contact"))
	}
	checkDescribe(t, org, got.Fields, got.Objects)
	if got.Limits != 100_000 || got.Usage != 100_000 || got.QueryAll != 1 || got.Malformed != "MALFORMED_QUERY" {
		t.Errorf("limits %d, usage of %d, %d deleted rows, bad query %s", got.Limits, got.Usage, got.QueryAll, got.Malformed)
	}
}

func TestAIOSFPubSub_ReadsFromTheEarliestOn(t *testing.T) {
	org, c := start(t)
	id, n := workday(t, org)
	c.Accounts = n
	var got struct {
		Tenant, SchemaID string
		CanSubscribe     bool
		Pending          int
		Events           []struct {
			ID, ReplayID, SchemaID string
			Payload                map[string]any
		}
	}
	run(t, c, &got, "python", "clients/aiosfpubsub_client.py")

	schemaID, _, err := org.EventSchema("AccountChangeEvent")
	if err != nil || got.SchemaID != string(schemaID) || !got.CanSubscribe || !strings.HasSuffix(got.Tenant, org.OrgID()) {
		t.Errorf("topic %+v, want schema %s, %v", got, schemaID, err)
	}
	if len(got.Events) != n {
		t.Fatalf("%d events, want each of the %d once", len(got.Events), n)
	}
	want := []string{"CREATE ", "UPDATE BillingAddress.City BillingAddress.Street LastModifiedDate Phone", "UPDATE Active__c LastModifiedDate Phone", "DELETE ", "UNDELETE "}
	entries := org.Ledger().Since(0)
	for i, e := range got.Events {
		header, _ := e.Payload["ChangeEventHeader"].(map[string]any)
		ids, _ := header["recordIds"].([]any)
		var changed []string
		for _, name := range header["changedFields"].([]any) {
			changed = append(changed, name.(string))
		}
		slices.Sort(changed)
		if seen := header["changeType"].(string) + " " + strings.Join(changed, " "); seen != want[i] || len(ids) != 1 || ids[0] != id {
			t.Errorf("event %d: %s of %v, want %s of %s", i, seen, ids, want[i], id)
		}
		if e.ID != entries[i].UUID || e.ReplayID != entries[i].ReplayID.String() {
			t.Errorf("event %d: id %s, replay id %s, want %s and %s", i, e.ID, e.ReplayID, entries[i].UUID, entries[i].ReplayID)
		}
	}
	if created := got.Events[0].Payload; created["Name"] != "Acme 東京" || created["AnnualRevenue"] != 1250000.0 {
		t.Errorf("created %v", created)
	}
}
