package orgsim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

type rowResult struct {
	ID      string
	Success bool
	Created *bool
	Errors  []struct{ StatusCode, Message string }
}

// outcomes shows results as created, ok or the code of the error.
func outcomes(t *testing.T, ans answer) string {
	t.Helper()
	var list []rowResult
	ans.into(t, &list)
	var out []string
	for _, r := range list {
		switch {
		case !r.Success && len(r.Errors) == 1:
			out = append(out, r.Errors[0].StatusCode)
		case r.Success && r.Created != nil && *r.Created:
			out = append(out, "created")
		case r.Success && len(r.ID) == 18:
			out = append(out, "ok")
		default:
			out = append(out, fmt.Sprintf("%+v", r))
		}
	}
	return strings.Join(out, " ")
}

func TestCollections_KeepOrderAndPartialSuccess(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	acc := func(fields string) string { return `{"attributes":{"type":"Account"},` + fields + `}` }
	batch := func(allOrNone bool, records ...string) string {
		return fmt.Sprintf(`{"allOrNone":%v,"records":[%s]}`, allOrNone, strings.Join(records, ","))
	}
	const path = "/composite/sobjects"
	ans := a.do("POST", path, batch(false, acc(`"Name":"a"`), acc(`"Phone":"1"`), `{"attributes":{"type":"Nope"}}`, acc(`"Name":"b"`)))
	if got := outcomes(t, ans); ans.status != 200 || got != "ok REQUIRED_FIELD_MISSING INVALID_TYPE ok" {
		t.Errorf("create: %d %s", ans.status, got)
	}
	var made []rowResult
	ans.into(t, &made)
	one, two := made[0].ID, made[3].ID
	if got := outcomes(t, a.do("POST", path, batch(true, acc(`"Name":"c"`), acc(`"Phone":"1"`)))); got != "ALL_OR_NONE_OPERATION_ROLLED_BACK REQUIRED_FIELD_MISSING" {
		t.Errorf("create all or none: %s", got)
	}
	got := outcomes(t, a.do("PATCH", path, batch(false, acc(`"id":"`+one+`","Name":"A"`), acc(`"id":"`+two+`","Name":"B"`), acc(`"id":"`+two[:15]+`","Name":"C"`))))
	if got != "ok DUPLICATE_VALUE DUPLICATE_VALUE" {
		t.Errorf("update with one id twice: %s", got)
	}
	got = outcomes(t, a.do("PATCH", path+"/Account/ERP_Id__c", batch(false,
		acc(`"ERP_Id__c":"1","Name":"x"`), acc(`"ERP_Id__c":"k","Name":"y"`), acc(`"ERP_Id__c":"K","Name":"z"`), acc(`"Name":"keyless"`))))
	if got != "created DUPLICATE_VALUE DUPLICATE_VALUE INVALID_FIELD" {
		t.Errorf("upsert: %s", got)
	}
	a.do("POST", path+"/Account", `{"ids":["`+one+`","001SB00000zzzzz"],"fields":["Name"]}`).want(t, "read", 200,
		`[{"attributes":{"type":"Account","url":"`+v64+`/sobjects/Account/`+one+`"},"Name":"A"},null]`)
	if got := outcomes(t, a.do("DELETE", path+"?ids="+one+",bad,"+two+"&allOrNone=false", "")); got != "ok MALFORMED_ID ok" {
		t.Errorf("delete: %s", got)
	}
	if n := a.org.Count("Account"); n != 1 {
		t.Errorf("%d accounts left, want 1", n)
	}
	many := make([]string, 201)
	for i := range many {
		many[i] = acc(`"Name":"n"`)
	}
	a.do("POST", path, batch(false, many...)).wantError(t, "201 records", 400, "EXCEEDED_ID_LIMIT")
	var mixed []string
	for i := range 11 {
		mixed = append(mixed, `{"attributes":{"type":"`+[]string{"Account", "Contact"}[i%2]+`"}}`)
	}
	a.do("POST", path, batch(false, mixed...)).wantError(t, "11 chunks", 400, "INVALID_ARGUMENT_TYPE")
}

func TestChanges_CarryTheClientInTheirOrigin(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	a.do("POST", "/sobjects/Account", `{"Name":"a"}`, "Sforce-Call-Options", "client=erp-bridge, defaultNamespace=x").id(t)
	a.do("POST", "/services/data/v50.0/sobjects/Account", `{"Name":"b"}`).id(t)
	a.do("POST", "/sobjects/Contact", `{"LastName":"c"}`).id(t)
	var got []string
	for _, e := range a.org.Stored("Account") {
		for _, want := range []string{"com/salesforce/api/rest/64.0;client=erp-bridge", "com/salesforce/api/rest/50.0"} {
			if strings.Contains(string(e.Payload), want) {
				got = append(got, want)
				break
			}
		}
	}
	if want := "com/salesforce/api/rest/64.0;client=erp-bridge com/salesforce/api/rest/50.0"; strings.Join(got, " ") != want {
		t.Errorf("origins %v, want %s", got, want)
	}
}

func TestPlatformEvents_PublishedByPOST(t *testing.T) {
	a := newAPI(t, orgsim.Config{KeepLedger: -1})
	ans := a.do("POST", "/sobjects/Shipment__e", `{"Order_Number__c":"O-1","Weight__c":1.5}`)
	var out struct {
		ID      string
		Success bool
		Errors  []struct{ StatusCode, Message string }
	}
	ans.into(t, &out)
	entries := a.org.Ledger().Since(0)
	if ans.status != 201 || !out.Success || len(out.ID) != 18 || len(entries) != 1 || out.Errors[0].StatusCode != "OPERATION_ENQUEUED" ||
		out.Errors[0].Message != entries[0].UUID || entries[0].Object != "Shipment__e" {
		t.Errorf("publish: %d %s, ledger %+v", ans.status, ans.body, entries)
	}
	a.do("POST", "/sobjects/Shipment__e", `{"Nope__c":1}`).wantError(t, "unknown field", 400, "INVALID_FIELD")
	a.do("POST", "/sobjects/Shipment__e", `{"CreatedBy":{"Alias":"x"}}`).wantError(t, "nested parent", 400, "INVALID_FIELD")
	a.do("GET", "/sobjects/Shipment__e/"+out.ID, "").wantError(t, "events are no rows", 404, "NOT_FOUND")
	a.query("SELECT Id FROM Shipment__e").wantError(t, "query of events", 400, "INVALID_TYPE")
}

func TestEventSchemas_ByNameAndByID(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	for _, name := range []string{"AccountChangeEvent", "Order__ChangeEvent", "Shipment__e"} {
		id, want, err := a.org.EventSchema(name)
		if err != nil {
			t.Fatalf("event schema of %s: %v", name, err)
		}
		a.do("GET", "/sobjects/"+name+"/eventSchema?payloadFormat=COMPACT", "").want(t, name, 200, want)
		a.do("GET", "/event/eventSchema/"+string(id)+"?payloadFormat=COMPACT", "").want(t, name+" by id", 200, want)
		var schema struct{ Name string }
		if err := json.Unmarshal([]byte(want), &schema); err != nil || schema.Name != name {
			t.Errorf("schema of %s: name %q, %v", name, schema.Name, err)
		}
	}
	a.do("GET", "/event/eventSchema/none", "").wantError(t, "unknown id", 404, "NOT_FOUND")
	a.do("GET", "/sobjects/NoChangeEvent/eventSchema", "").wantError(t, "unknown event", 404, "NOT_FOUND")
}

func TestAccess_HidesObjectsAndFields(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	id := a.do("POST", "/sobjects/Account", `{"Name":"a","Phone":"1"}`).id(t)
	a.org.SetAccess(a.org.IntegrationUser(), orgsim.Access{Forbidden: []string{"Contact"}, Hidden: map[string][]string{"Account": {"Phone"}}})
	a.do("GET", "/sobjects/Contact/describe", "").wantError(t, "forbidden object", 404, "NOT_FOUND")
	a.query("SELECT Id FROM Contact").wantError(t, "query of a forbidden object", 400, "INVALID_TYPE")
	a.query("SELECT Phone FROM Account").wantError(t, "query of a hidden field", 400, "INVALID_FIELD")
	a.do("PATCH", "/sobjects/Account/"+id, `{"Phone":"2"}`).wantError(t, "write of a hidden field", 400, "INVALID_FIELD")
	for _, path := range []string{"/sobjects/Account/" + id, "/sobjects/Account/describe", "/query?q=" + url.QueryEscape("SELECT FIELDS(ALL) FROM Account LIMIT 1")} {
		if ans := a.do("GET", path, ""); ans.status != 200 || strings.Contains(ans.body, `"Phone"`) {
			t.Errorf("%s: %d, shows the hidden field: %v", path, ans.status, strings.Contains(ans.body, `"Phone"`))
		}
	}
}

func TestReplication_CountsWholeMinutes(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	kept := a.do("POST", "/sobjects/Account", `{"Name":"a"}`).id(t)
	gone := a.do("POST", "/sobjects/Account", `{"Name":"b"}`).id(t)
	a.do("DELETE", "/sobjects/Account/"+gone, "")
	at := a.org.Get(kept).Get("SystemModstamp").Time()
	span := func(daysBack int) string {
		const form = "2006-01-02T15:04:05-07:00"
		start, end := at.Add(-2*60e9), at.Add(60e9)
		return url.Values{"start": {start.AddDate(0, 0, -daysBack).Format(form)}, "end": {end.Format(form)}}.Encode()
	}
	type answerBody struct {
		IDs            []string
		DeletedRecords []struct{ ID string }
	}
	var updated, deleted answerBody
	a.do("GET", "/sobjects/Account/updated/?"+span(0), "").into(t, &updated)
	a.do("GET", "/sobjects/Account/deleted/?"+span(0), "").into(t, &deleted)
	if len(updated.IDs) != 1 || updated.IDs[0] != kept || len(deleted.DeletedRecords) != 1 || deleted.DeletedRecords[0].ID != gone {
		t.Errorf("updated %+v, deleted %+v, want %s and %s", updated, deleted, kept, gone)
	}
	a.do("GET", "/sobjects/Account/deleted/?"+span(16), "").wantError(t, "16 days back", 400, "INVALID_REPLICATION_DATE")
	a.do("GET", "/sobjects/Account/updated/?start=x&end=y", "").wantError(t, "no dates", 400, "INVALID_REPLICATION_DATE")
}

// FuzzREST holds that no path, query or body makes the API panic, and that
// every answer with a body is JSON.
func FuzzREST(f *testing.F) {
	org, err := orgsim.New(orgsim.Config{})
	if err != nil {
		f.Fatal(err)
	}
	defer org.Close()
	for _, seed := range [][3]string{
		{"POST", "/sobjects/Account", `{"Name":"a","Parent":{"ERP_Id__c":"1"}}`},
		{"PATCH", "/sobjects/Account/ERP_Id__c/a%2Fb", `{"AnnualRevenue":1e300,"BillingLatitude":"x"}`},
		{"PATCH", "/composite/sobjects/Account/Id", `{"records":[{"Id":"x"},{"Id":[]}]}`},
		{"POST", "/composite/sobjects/Order__c", `{"ids":["a"],"fields":["Depot__c"]}`},
		{"GET", "/query/01gSB0000000001AAA-1", ""},
		{"GET", "/sobjects/Contact/updated/?start=2024-01-01T00:00:00Z&end=2024-01-02T00:00:00Z", ""},
		{"POST", "/sobjects/Shipment__e", `{"Weight__c":[1]}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(v64 + "/" + path)
		if err != nil || !token(method) || strings.Contains(u.String(), " ") { // no server would hand it on
			return
		}
		a := &api{t: t, org: org, token: "fuzz"}
		org.AddToken(a.token, org.IntegrationUser())
		ans := a.do(method, u.String(), body)
		if ans.status >= 500 || ans.body != "" && !json.Valid([]byte(ans.body)) {
			t.Errorf("%s %s %q: %d %q", method, path, body, ans.status, ans.body)
		}
	})
}

func token(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
