package salesforce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
)

func simulatedAPI(t *testing.T) (*simulated, *salesforce.Client) {
	t.Helper()
	s := simulate(t)
	c, err := salesforce.New(salesforce.Config{Session: s.session(t, auth.MethodJWTBearer), APIVersion: s.org.APIVersion(), HTTPClient: s.client})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestSimulatedOrg_OneRow_ByIdAndByAnyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulatedAPI(t)
		for _, key := range []any{"a/b c+d", "acme.com", "50%", "Zoë", int64(38861788), json.Number("9007199254740993")} {
			text := fmt.Sprint(key)
			id, created, err := c.Upsert(t.Context(), "Order__c", "ERP_Id__c", key, salesforce.Record{"Notes__c": "one"})
			if err != nil || !created {
				t.Fatalf("key %s: created %v, %v", text, created, err)
			}
			again, created, err := c.Upsert(t.Context(), "Order__c", "ERP_Id__c", key, salesforce.Record{"Notes__c": "two"})
			if err != nil || created || again != id {
				t.Errorf("key %s again: %s after %s, created %v, %v", text, again, id, created, err)
			}
			if r := s.org.Get(id); r.Get("ERP_Id__c") != orgsim.String(text) || r.Get("Notes__c") != orgsim.String("two") {
				t.Errorf("key %s: row %v", text, r.Fields())
			}
		}
		id, err := c.Insert(t.Context(), "Order__c", salesforce.Record{"Total__c": json.Number("1234567890123456.78")})
		if err == nil {
			err = c.Update(t.Context(), "Order__c", id, salesforce.Record{"Notes__c": "x"})
		}
		if r := s.org.Get(id); err != nil || r.Get("Total__c") != orgsim.MustDecimal("1234567890123456.78") || r.Get("Notes__c") != orgsim.String("x") {
			t.Fatalf("row %v, %v", r, err)
		}
		if err := c.Delete(t.Context(), "Order__c", id); err != nil || !s.org.Get(id).Deleted {
			t.Errorf("delete: %v", err)
		}
		err = c.Delete(t.Context(), "Order__c", id)
		if e, ok := errors.AsType[*salesforce.Error](err); !ok || e.Code != "ENTITY_IS_DELETED" {
			t.Errorf("second delete: %v", err)
		}
	})
}

func TestSimulatedOrg_Upsert_SeveralMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := simulatedAPI(t)
		var ids []string
		for range 2 {
			id, err := c.Insert(t.Context(), "Order__c", salesforce.Record{"Partner_Ref__c": "P"})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		_, _, err := c.Upsert(t.Context(), "Order__c", "Partner_Ref__c", "P", salesforce.Record{"Notes__c": "x"})
		e, ok := errors.AsType[*salesforce.Error](err)
		if !ok || e.Code != "DUPLICATE_EXTERNAL_ID" || len(e.Candidates) != 2 || !(e.Candidates[0] == ids[0] || e.Candidates[1] == ids[0]) {
			t.Errorf("error %v, want both of %v", err, ids)
		}
	})
}

func TestSimulatedOrg_InsertThatWasCut_IsThereOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulatedAPI(t)
		s.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "/sobjects/Account", CutAfter: true, Count: 1})
		if _, err := c.Insert(t.Context(), "Account", salesforce.Record{"Name": "a"}); !errors.Is(err, salesforce.ErrUnknownOutcome) {
			t.Errorf("error %v, want an unknown outcome", err)
		}
		if n := s.org.Count("Account"); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

func TestSimulatedOrg_Collections_OneBadRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulatedAPI(t)
		recs := make([]salesforce.Record, 200)
		for i := range recs {
			recs[i] = salesforce.Record{"ERP_Id__c": fmt.Sprint("E-", i), "Notes__c": fmt.Sprintf("Zoë %d", i)}
		}
		recs[17]["Status__c"] = "Never heard of"
		out, err := c.UpsertMany(t.Context(), "Order__c", "ERP_Id__c", recs)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i, o := range out {
			if (o.Err != nil) != (i == 17) || o.Err == nil && (!o.Created || s.org.Get(o.ID).Get("ERP_Id__c") != orgsim.String(fmt.Sprint("E-", i))) {
				t.Fatalf("outcome %d: %+v", i, o)
			}
			if o.Err == nil {
				ids = append(ids, o.ID)
			}
		}
		changed, err := c.UpdateMany(t.Context(), "Order__c", []salesforce.Record{{"Id": ids[0], "Notes__c": nil}, {"Id": "a01000000000000AAA", "Notes__c": "x"}})
		if err != nil || changed[0].Err != nil || changed[1].Err == nil {
			t.Errorf("update: %+v, %v", changed, err)
		}
		if got := s.org.Get(ids[0]).Get("Notes__c"); !got.IsNull() {
			t.Errorf("notes %v, want null", got)
		}
		s.org.InjectHTTP(orgsim.HTTPFault{Method: "DELETE", Path: "/composite", CutAfter: true, Count: 1})
		deleted, err := c.DeleteMany(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range deleted {
			if o.Err != nil || o.ID != ids[i] {
				t.Fatalf("delete %d: %+v", i, o)
			}
		}
		if n := s.org.Count("Order__c"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestSimulatedOrg_Describe_IsAskedWhetherItChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := simulatedAPI(t)
		first, err := c.Describe(t.Context(), "Order__c")
		if err != nil {
			t.Fatal(err)
		}
		if second, err := c.Describe(t.Context(), "Order__c"); err != nil || second != first {
			t.Errorf("the same description is read twice: %v", err)
		}
	})
}

func TestSimulatedOrg_Undelete_AfterALostSessionAndALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulatedAPI(t)
		var ids []string
		for i := range 2 {
			id, err := c.Insert(t.Context(), "Account", salesforce.Record{"Name": fmt.Sprint(i)})
			if err == nil {
				err = c.Delete(t.Context(), "Account", id)
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		s.org.ExpireTokens()
		s.org.InjectHTTP(orgsim.HTTPFault{Path: "/Soap/", CutAfter: true, Count: 1})
		out, err := c.UndeleteMany(t.Context(), append(ids, "001000000000000AAA"))
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if out[i].Err != nil || out[i].ID != id || s.org.Get(id).Deleted {
				t.Errorf("outcome %+v, row deleted %v", out[i], s.org.Get(id).Deleted)
			}
		}
		if e := out[2].Err; e == nil || e.Class() != salesforce.ClassData {
			t.Errorf("outcome of a record that does not exist: %v", e)
		}
		s.org.InjectHTTP(orgsim.HTTPFault{Path: "/Soap/", Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Text: "TotalRequests Limit exceeded.", Count: 1})
		_, err = c.UndeleteMany(t.Context(), ids)
		if e, ok := errors.AsType[*salesforce.Error](err); !ok || !e.Daily() || e.Class() != salesforce.ClassLimit {
			t.Errorf("error %v, want the daily limit", err)
		}
	})
}
