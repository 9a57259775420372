package orgsim_test

import (
	"testing"

	"sfbridge/orgsim"
)

// TestC31_ObjectsOfAPackage_HaveItsPrefixEverywhere is the case's small input:
// names of a managed package in rows, look-ups and channels.
func TestC31_ObjectsOfAPackage_HaveItsPrefixEverywhere(t *testing.T) {
	a := newAPI(t, orgsim.Config{Objects: append(orgsim.BuiltinObjects(),
		orgsim.ObjectDef{Name: "acme__Buyer__c", Fields: []*orgsim.FieldDef{{Name: "acme__Ext__c", Type: orgsim.TypeString, ExternalID: true, Unique: true}}},
		orgsim.ObjectDef{Name: "acme__Order__c", Fields: []*orgsim.FieldDef{
			{Name: "acme__Total__c", Type: orgsim.TypeCurrency, Scale: 2},
			{Name: "acme__Buyer__c", Type: orgsim.TypeReference, ReferenceTo: []string{"acme__Buyer__c"}},
		}},
	)})
	buyer := a.do("POST", "/sobjects/acme__Buyer__c", `{"acme__Ext__c":"B-1"}`).id(t)
	id := a.do("POST", "/sobjects/acme__Order__c", `{"acme__Total__c":12.50,"acme__Buyer__r":{"acme__Ext__c":"B-1"}}`).id(t)
	if r := a.org.Get(id); r.Get("acme__Buyer__c") != orgsim.String(buyer) || r.Get("acme__Total__c") != orgsim.MustDecimal("12.5") {
		t.Errorf("row %v", r.Fields())
	}
	if got := a.org.Object("acme__Order__c").Channel(); got != "/data/acme__Order__ChangeEvent" {
		t.Errorf("channel %s", got)
	}
	d := lastEvent(t, a.org, "acme__Order__c")
	if d.EntityName != "acme__Order__c" {
		t.Errorf("event of %s", d.EntityName)
	}
	wantBody(t, d, map[string]any{"acme__Total__c": 12.5, "acme__Buyer__c": buyer})
	var rows struct{ TotalSize int }
	a.query("SELECT acme__Buyer__r.acme__Ext__c FROM acme__Order__c WHERE acme__Total__c = 12.5").into(t, &rows)
	if rows.TotalSize != 1 {
		t.Errorf("query finds %d rows", rows.TotalSize)
	}
}
