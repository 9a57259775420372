//go:build compat

package compat_test

import (
	"slices"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

func TestJSForce_DoesItsWork(t *testing.T) {
	org, c := start(t)
	var got struct {
		OrgID, ID, Phone, Parent, Gone, BadQuery string
		Retrieved                                map[string]any
		Upserts                                  []struct {
			ID      string
			Created bool
		}
		Many, Count, Usage        int
		Mixed, Children, Global   []string
		Pages                     []int
		InOrder, Event, Destroyed bool
		Describe                  map[string]string
	}
	run(t, c, &got, "node", "clients/jsforce.cjs")

	if got.OrgID != org.OrgID() || got.Usage != 100_000 {
		t.Errorf("org %s, API limit %d, want %s and 100000", got.OrgID, got.Usage, org.OrgID())
	}
	acc := org.Get(got.ID)
	if acc == nil || acc.Get("Name").Text() != "Zoë 東京" || acc.Get("Phone").Text() != "+47 1" || got.Phone != "+47 1" {
		t.Errorf("account %s: the org holds %v, the client read phone %q", got.ID, acc, got.Phone)
	}
	address, _ := got.Retrieved["BillingAddress"].(map[string]any)
	if got.Retrieved["AnnualRevenue"] != 1250000.0 || got.Retrieved["Score__c"] != 0.5 || address["city"] != "Oslo" || got.Retrieved["Tags__c"] != "red;green" {
		t.Errorf("retrieved %v", got.Retrieved)
	}
	if len(got.Upserts) != 2 || !got.Upserts[0].Created || got.Upserts[1].Created || got.Upserts[0].ID != got.Upserts[1].ID {
		t.Errorf("upserts %+v, want one created and the same updated", got.Upserts)
	}
	if got.Many != 450 || org.Count("Contact") != 451 || !got.InOrder || got.Count != 450 || got.Parent != "Zoë 東京" || !slices.Equal(got.Pages, []int{200, 200, 50}) {
		t.Errorf("%d made, %d in the org, pages %v, in order %v, count %d, parent %q", got.Many, org.Count("Contact"), got.Pages, got.InOrder, got.Count, got.Parent)
	}
	if !slices.Equal(got.Mixed, []string{"ok", "REQUIRED_FIELD_MISSING"}) {
		t.Errorf("collection with a bad row: %v", got.Mixed)
	}
	checkDescribe(t, org, got.Describe, got.Global)
	if !slices.Contains(got.Children, "Contacts") || !slices.Contains(got.Children, "Orders__r") {
		t.Errorf("child relationships %v", got.Children)
	}
	if !got.Event || org.Ledger().Counts()["Shipment__e"] != 1 {
		t.Errorf("published %v, the org counts %v", got.Event, org.Ledger().Counts())
	}
	if !got.Destroyed || got.Gone != "ENTITY_IS_DELETED" || got.BadQuery != "INVALID_FIELD" {
		t.Errorf("destroyed %v, then %s; bad query %s", got.Destroyed, got.Gone, got.BadQuery)
	}
}

// checkDescribe compares what a client read of Account with the org's table.
func checkDescribe(t *testing.T, org *orgsim.Org, fields map[string]string, objects []string) {
	t.Helper()
	def := org.Object("Account")
	for _, f := range def.Fields {
		if fields[f.Name] != f.DescribeType() {
			t.Errorf("describe: %s is %q, want %q", f.Name, fields[f.Name], f.DescribeType())
		}
	}
	for _, o := range org.Objects() {
		if !slices.Contains(objects, o.Name) {
			t.Errorf("describe global: no %s in %v", o.Name, objects)
		}
	}
}

// nodeEvent is an event as salesforce-pubsub-api-client hands it on.
type nodeEvent struct {
	ID, SchemaID string
	Payload      map[string]any
}

func (e nodeEvent) header(key string) any {
	h, _ := e.Payload["ChangeEventHeader"].(map[string]any)
	return h[key]
}

func (e nodeEvent) names(key string) string {
	list, _ := e.header(key).([]any)
	var out []string
	for _, v := range list {
		out = append(out, v.(string))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestPubSubAPIClient_SubscribesAndPublishes(t *testing.T) {
	org, c := start(t)
	id, n := workday(t, org)
	c.Accounts, c.Shipments = n, 1
	var got struct {
		Accounts, Shipments []nodeEvent
		Published           string
		Batch               int
	}
	run(t, c, &got, "node", "clients/pubsub.cjs")

	wantTypes := []string{"CREATE", "UPDATE", "UPDATE", "DELETE", "UNDELETE"}
	wantChanged := []string{"", "BillingAddress.City BillingAddress.Street LastModifiedDate Phone", "Active__c LastModifiedDate Phone", "", ""}
	wantNulled := []string{"", "", "Phone", "", ""}
	entries := org.Ledger().Since(0)
	for i, e := range got.Accounts {
		ids, _ := e.header("recordIds").([]any)
		if e.header("changeType") != wantTypes[i] || len(ids) != 1 || ids[0] != id || e.names("changedFields") != wantChanged[i] || e.names("nulledFields") != wantNulled[i] {
			t.Errorf("event %d: %v %v changed %q nulled %q, want %s %s %q %q", i, e.header("changeType"), ids, e.names("changedFields"), e.names("nulledFields"),
				wantTypes[i], id, wantChanged[i], wantNulled[i])
		}
		if e.header("changeOrigin") != "com/salesforce/api/rest/64.0;client=compat" || e.ID != entries[i].UUID {
			t.Errorf("event %d: origin %v, id %s, want id %s", i, e.header("changeOrigin"), e.ID, entries[i].UUID)
		}
	}
	created, updated := got.Accounts[0].Payload, got.Accounts[1].Payload
	if created["Name"] != "Acme 東京" || created["AnnualRevenue"] != 1250000.0 || created["NumberOfEmployees"] != 12.0 || created["Active__c"] != true {
		t.Errorf("created %v", created)
	}
	if updated["Phone"] != "+47 1" || updated["Name"] != nil {
		t.Errorf("updated %v", updated)
	}
	if got.Published != "key-1" || got.Batch != 2 || len(got.Shipments) != 4 {
		t.Errorf("published %s, batch of %d, %d events came back, want key-1, 2 and 4", got.Published, got.Batch, len(got.Shipments))
	}
	if first, second := got.Shipments[0].Payload, got.Shipments[1]; first["Order_Number__c"] != "O-1" || first["Weight__c"] != 1.25 ||
		second.ID != "key-1" || second.Payload["Order_Number__c"] != "node-1" || second.Payload["Is_Late__c"] != true {
		t.Errorf("events %v and %v", first, second)
	}
	if counts := org.Ledger().Counts(); counts["Shipment__e"] != 4 {
		t.Errorf("the org counts %v, want 4 shipments", counts)
	}
}
