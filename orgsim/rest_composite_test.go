package orgsim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

type subanswer struct {
	Body           json.RawMessage
	HTTPHeaders    map[string]string
	HTTPStatusCode int
	ReferenceID    string
}

// errorCode is the code of a subrequest that failed.
func (s subanswer) errorCode() string {
	var list []struct{ ErrorCode string }
	if json.Unmarshal(s.Body, &list) != nil || len(list) == 0 {
		return ""
	}
	return list[0].ErrorCode
}

func (a *api) composite(allOrNone bool, requests ...string) []subanswer {
	a.t.Helper()
	ans := a.do("POST", "/composite", fmt.Sprintf(`{"allOrNone":%v,"compositeRequest":[%s]}`, allOrNone, strings.Join(requests, ",")))
	var out struct{ CompositeResponse []subanswer }
	ans.into(a.t, &out)
	if ans.status != 200 || len(out.CompositeResponse) != len(requests) {
		a.t.Fatalf("composite: %d %s", ans.status, ans.body)
	}
	return out.CompositeResponse
}

func sub(method, path, ref, body string) string {
	if body != "" {
		body = `,"body":` + body
	}
	return fmt.Sprintf(`{"method":%q,"url":%q,"referenceId":%q%s}`, method, v64+path, ref, body)
}

func TestComposite_LaterCallsUseEarlierAnswers(t *testing.T) {
	for _, allOrNone := range []bool{false, true} {
		a := newAPI(t, orgsim.Config{})
		got := a.composite(allOrNone,
			sub("POST", "/sobjects/Account", "acc", `{"Name":"A & B","ERP_Id__c":"E1"}`),
			sub("POST", "/sobjects/Contact", "con", `{"LastName":"of @{acc.id}","AccountId":"@{acc.id}"}`),
			sub("GET", "/sobjects/Account/@{acc.id}?fields=Name", "row", ""),
			sub("GET", "/query?q=SELECT+Id,AccountId+FROM+Contact+WHERE+Account.Name='@{row.Name}'", "found", ""),
			sub("PATCH", "/sobjects/Contact/@{found.records[0].Id}", "upd", `{"FirstName":"F"}`),
			sub("POST", "/composite/sobjects", "many", `{"records":[{"attributes":{"type":"Order__c"},"Account__c":"@{found.records[0].AccountId}"},{"attributes":{"type":"Order__c"}}]}`),
			sub("DELETE", "/sobjects/Order__c/@{many[1].id}", "del", ""),
			sub("PATCH", "/sobjects/Account/ERP_Id__c/E1", "up", `{"Phone":"1"}`),
		)
		var status []int
		for _, s := range got {
			status = append(status, s.HTTPStatusCode)
		}
		if fmt.Sprint(status) != "[201 201 200 200 204 200 204 200]" {
			t.Errorf("all or none %v: status %v\n%+v", allOrNone, status, got)
		}
		acc := a.org.FindByExternalID("Account", "ERP_Id__c", orgsim.String("E1"))[0]
		con := a.org.FindByExternalID("Contact", "AccountId", orgsim.String(acc.ID))[0]
		if con.Get("LastName").Text() != "of "+acc.ID || con.Get("FirstName").Text() != "F" || acc.Get("Phone").Text() != "1" || a.org.Count("Order__c") != 1 {
			t.Errorf("all or none %v: contact %v, account %v, %d orders", allOrNone, con.Fields(), acc.Fields(), a.org.Count("Order__c"))
		}
		if got[0].HTTPHeaders["Location"] != v64+"/sobjects/Account/"+acc.ID || string(got[4].Body) != "null" || got[0].ReferenceID != "acc" {
			t.Errorf("first %+v, update %s", got[0], got[4].Body)
		}
		if used := a.do("GET", "/limits", "").header.Get("Sforce-Limit-Info"); used != "api-usage=2/100000" {
			t.Errorf("usage %s, want one call for the composite", used)
		}
	}
}

func TestComposite_OneFailureHaltsWhatDependsOnIt(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	requests := []string{
		sub("POST", "/sobjects/Account", "first", `{"Name":"A"}`),
		sub("POST", "/sobjects/Account", "bad", `{}`),
		sub("POST", "/sobjects/Contact", "child", `{"LastName":"L","AccountId":"@{bad.id}"}`),
		sub("POST", "/composite/sobjects", "rows", `{"records":[{"attributes":{"type":"Account"},"Name":"in a collection"}]}`),
		sub("GET", "/limits", "none", ""),
	}
	codes := func(list []subanswer) (out []string) {
		for _, s := range list {
			out = append(out, fmt.Sprintf("%d%s", s.HTTPStatusCode, s.errorCode()))
		}
		return out
	}
	if got := fmt.Sprint(codes(a.composite(false, requests...))); got != "[201 400REQUIRED_FIELD_MISSING 400PROCESSING_HALTED 200 400INVALID_INPUT]" {
		t.Errorf("each alone: %s", got)
	}
	before := a.org.Count("Account")
	if got := fmt.Sprint(codes(a.composite(true, requests...))); got != "[400PROCESSING_HALTED 400REQUIRED_FIELD_MISSING 400PROCESSING_HALTED 400PROCESSING_HALTED 400PROCESSING_HALTED]" {
		t.Errorf("all or none: %s", got)
	}
	if now := a.org.Count("Account"); now != before || before != 2 {
		t.Errorf("%d accounts, then %d, want 2 both times", before, now)
	}
	a.composite(true, sub("POST", "/sobjects/Shipment__e", "event", `{"Order_Number__c":"1"}`), sub("GET", "/sobjects/Account/describe", "describe", ""))
}

func TestComposite_LocatorOutlivesTheTransaction(t *testing.T) {
	a := newAPI(t, orgsim.Config{REST: orgsim.RESTConfig{QueryPageSize: 200}})
	do(t, a.org, func(tx *orgsim.Tx) error {
		for range 250 {
			if _, err := tx.Insert("Account", vals{"Name": orgsim.String("A")}); err != nil {
				return err
			}
		}
		return nil
	})
	got := a.composite(true, sub("GET", "/query?q=SELECT+Id,Owner.Name+FROM+Account", "q", ""))
	var page struct {
		NextRecordsURL string
		Records        []any
	}
	if err := json.Unmarshal(got[0].Body, &page); err != nil || len(page.Records) != 200 {
		t.Fatalf("%v: %s", err, got[0].Body)
	}
	a.do("GET", page.NextRecordsURL, "").into(t, &page)
	if len(page.Records) != 50 {
		t.Errorf("second page of %d, want 50", len(page.Records))
	}
}

func TestComposite_RefusedAsAWhole(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	many := func(n int, path string) string {
		var list []string
		for i := range n {
			list = append(list, sub("GET", path, fmt.Sprintf("r%d", i), ""))
		}
		return strings.Join(list, ",")
	}
	for what, body := range map[string]string{
		"none":             ``,
		"too many":         many(26, "/sobjects/Account/1"),
		"too many queries": many(6, "/query?q=x"),
		"hyphen":           sub("GET", "/sobjects", "a-b", ""),
		"same reference":   sub("GET", "/sobjects", "a", "") + "," + sub("GET", "/sobjects", "a", ""),
		"header":           `{"method":"GET","url":"/services/data/v64.0/sobjects","referenceId":"a","httpHeaders":{"Accept":"x"}}`,
		"foreign URL":      `{"method":"GET","url":"https://example.com/","referenceId":"a"}`,
		"no JSON":          `{`,
	} {
		if ans := a.do("POST", "/composite", `{"compositeRequest":[`+body+`]}`); ans.status != 400 {
			t.Errorf("%s: %d %s, want 400", what, ans.status, ans.body)
		}
	}
	a.do("GET", "/composite", "").wantError(t, "GET", 405, "METHOD_NOT_ALLOWED")
}
