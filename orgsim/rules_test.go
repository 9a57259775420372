package orgsim_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/orgsim"
)

func TestRules_RefuseRows(t *testing.T) {
	a := newAPI(t, orgsim.Config{Rules: orgsim.Rules{
		Validation: []orgsim.ValidationRule{
			{Object: "order__C", Message: "Paid orders need a total", Field: "Total__c", When: []orgsim.Condition{{Field: "Paid__c", Op: "=", Value: "true"}, {Field: "Total__c", Op: "null"}}},
			{Object: "Order__c", Message: "Too much", When: []orgsim.Condition{{Field: "Total__c", Op: ">=", Value: "1000"}}},
			{Object: "Account", Message: "No way back", Check: func(old, now *orgsim.Record) bool { return old != nil && now.Get("Phone").IsNull() }},
		},
		Duplicates: []orgsim.DuplicateRule{{Object: "Account", Fields: []string{"Name", "BillingCity"}}},
	}})
	acc := a.do("POST", "/sobjects/Account", `{"Name":"Acme","BillingCity":"Oslo","Phone":"1"}`).id(t)
	ord := a.do("POST", "/sobjects/Order__c", `{"Total__c":999.99,"Paid__c":true}`).id(t)
	for _, tc := range []struct{ method, path, body, code, message string }{
		{"POST", "/sobjects/Order__c", `{"Paid__c":true}`, "FIELD_CUSTOM_VALIDATION_EXCEPTION", `"message":"Paid orders need a total","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Total__c"]`},
		{"PATCH", "/sobjects/Order__c/" + ord, `{"Total__c":1000}`, "FIELD_CUSTOM_VALIDATION_EXCEPTION", ""},
		{"PATCH", "/sobjects/Account/" + acc, `{"Phone":null}`, "FIELD_CUSTOM_VALIDATION_EXCEPTION", ""},
		{"POST", "/sobjects/Account", `{"Name":"ACME","BillingCity":"oslo"}`, "DUPLICATES_DETECTED", ""},
	} {
		ans := a.do(tc.method, tc.path, tc.body)
		ans.wantError(t, tc.body, 400, tc.code)
		if tc.message != "" && ans.body != "[{"+tc.message+"}]" {
			t.Errorf("%s: %s, want %s", tc.body, ans.body, tc.message)
		}
	}
	a.do("POST", "/sobjects/Account", `{"Name":"Acme"}`).id(t) // without a city it is no duplicate
	a.do("PATCH", "/sobjects/Account/"+acc, `{"Phone":"2"}`).want(t, "a row is no duplicate of itself", 204, "")
	a.do("POST", "/sobjects/Account", `{"Name":"Acme","BillingCity":"Oslo"}`, "Sforce-Duplicate-Rule-Header", "allowSave=true; includeRecordDetails=true").id(t)
	if err := a.org.SetRules(orgsim.Rules{}); err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/sobjects/Order__c", `{"Paid__c":true}`).id(t)
}

func TestRules_ThatMeanNothingAreRefused(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for _, rules := range []orgsim.Rules{
		{Validation: []orgsim.ValidationRule{{Object: "Nope", When: []orgsim.Condition{{Field: "Name", Op: "null"}}}}},
		{Validation: []orgsim.ValidationRule{{Object: "Account"}}},
		{Validation: []orgsim.ValidationRule{{Object: "Account", When: []orgsim.Condition{{Field: "Nope", Op: "null"}}}}},
		{Validation: []orgsim.ValidationRule{{Object: "Account", When: []orgsim.Condition{{Field: "Name", Op: "like"}}}}},
		{Validation: []orgsim.ValidationRule{{Object: "Account", When: []orgsim.Condition{{Field: "AnnualRevenue", Op: ">", Value: "much"}}}}},
		{Duplicates: []orgsim.DuplicateRule{{Object: "Account"}}},
		{Duplicates: []orgsim.DuplicateRule{{Object: "Account", Fields: []string{"Nope"}}}},
		{Governor: []orgsim.GovernorRule{{Object: "Shipment__e"}}},
	} {
		if err := org.SetRules(rules); err == nil {
			t.Errorf("%+v was taken", rules)
		}
	}
}

func TestRules_BulkAndCollectionsFailRowByRow(t *testing.T) {
	inBubble(t, orgsim.Config{Rules: orgsim.Rules{Governor: []orgsim.GovernorRule{{Object: "Contact", Rows: 150}}}}, func(t *testing.T, a *api) {
		data := "LastName\n"
		for i := range 300 {
			data += fmt.Sprintf("L%d\n", i)
		}
		j := a.runJob(`{"object":"Contact","operation":"insert"}`, data)
		_, rows := a.results(j.ID, "failedResults", ',')
		if j.NumberRecordsFailed != 50 || a.org.Count("Contact") != 250 || rows[0][1] != "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:ContactTrigger: System.LimitException: Apex CPU time limit exceeded: --" {
			t.Errorf("%d failed, %d contacts, %q; want 50 of the first 200 failed", j.NumberRecordsFailed, a.org.Count("Contact"), rows[0])
		}
	})
}

func TestLocks_HoldARowAndWhatRefersToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, orgsim.Config{})
		acc := a.do("POST", "/sobjects/Account", `{"Name":"A"}`).id(t)
		con := a.do("POST", "/sobjects/Contact", `{"LastName":"L","AccountId":"`+acc+`"}`).id(t)
		if err := a.org.HoldLocks(30*time.Second, acc[:15]); err != nil {
			t.Fatal(err)
		}
		for _, call := range [][3]string{
			{"PATCH", "/sobjects/Account/" + acc, `{"Phone":"1"}`},
			{"DELETE", "/sobjects/Account/" + acc, ""},
			{"POST", "/sobjects/Contact", `{"LastName":"M","AccountId":"` + acc + `"}`},
			{"PATCH", "/sobjects/Contact/" + con, `{"AccountId":null}`},
			{"DELETE", "/sobjects/Contact/" + con, ""},
		} {
			a.do(call[0], call[1], call[2]).wantError(t, fmt.Sprint(call), 400, "UNABLE_TO_LOCK_ROW")
		}
		a.do("PATCH", "/sobjects/Contact/"+con, `{"FirstName":"F"}`).want(t, "a child whose parent stays", 204, "")
		var results []struct {
			Success bool
			Errors  []struct{ StatusCode string }
		}
		a.do("POST", "/composite/sobjects", `{"records":[{"attributes":{"type":"Contact"},"LastName":"X","AccountId":"`+acc+`"},{"attributes":{"type":"Contact"},"LastName":"Y"}]}`).into(t, &results)
		if len(results) != 2 || results[0].Success || results[0].Errors[0].StatusCode != "UNABLE_TO_LOCK_ROW" || !results[1].Success {
			t.Errorf("collection: %+v", results)
		}
		j := a.runJob(`{"object":"Contact","operation":"insert"}`, "LastName,AccountId\nB,"+acc+"\nC,\n")
		if _, rows := a.results(j.ID, "failedResults", ','); len(rows) != 1 || !slices.Contains(rows[0], "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: "+acc+": --") {
			t.Errorf("bulk: %q", rows)
		}
		time.Sleep(30 * time.Second)
		a.do("PATCH", "/sobjects/Account/"+acc, `{"Phone":"1"}`).want(t, "after the lock", 204, "")
		if err := a.org.HoldLocks(0, acc); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		a.do("PATCH", "/sobjects/Account/"+acc, `{"Phone":"2"}`).wantError(t, "held for ever", 400, "UNABLE_TO_LOCK_ROW")
		a.org.ReleaseLocks()
		a.do("PATCH", "/sobjects/Account/"+acc, `{"Phone":"2"}`).want(t, "released", 204, "")
		if err := a.org.HoldLocks(0, "x"); err == nil {
			t.Error("an id that is none was held")
		}
	})
}
