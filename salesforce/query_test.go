package salesforce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"sfbridge/salesforce"
)

func TestC19_Query_PagesAndKeepsDigits(t *testing.T) {
	for _, resource := range []string{"query", "queryAll"} {
		t.Run(resource, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				const soql = `SELECT Id, Amount FROM Opportunity WHERE Name = 'A+B & "C"'`
				org.HandleFunc("GET /services/data/v64.0/"+resource, func(w http.ResponseWriter, r *http.Request) {
					if got := r.URL.Query().Get("q"); got != soql {
						t.Errorf("query %q, want %q", got, soql)
					}
					fmt.Fprint(w, `{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v64.0/query/01g-2",
						"records":[{"attributes":{"type":"Opportunity"},"Id":"1","Amount":999999999999999.99},{"Id":"2","Amount":0.30}]}`)
				})
				org.HandleFunc("GET /services/data/v64.0/query/01g-2", text(`{"totalSize":3,"done":true,"records":[{"Id":"3","Amount":null,"Account":{"Name":"Acme"}}]}`))
				c := org.api(t)
				rows := c.Query
				if resource == "queryAll" {
					rows = c.QueryAll
				}
				var got []string
				for rec, err := range rows(t.Context(), soql) {
					if err != nil {
						t.Fatal(err)
					}
					if n, ok := rec["Amount"].(json.Number); rec["Amount"] != nil && !ok {
						t.Errorf("amount is a %T, want digits", n)
					}
					got = append(got, fmt.Sprint(rec["Id"], "=", rec["Amount"]))
				}
				if want := "[1=999999999999999.99 2=0.30 3=<nil>]"; fmt.Sprint(got) != want {
					t.Errorf("rows %v, want %s", got, want)
				}
			})
		})
	}
}

func TestQuery_LoopEndsEarly_NoFurtherPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/query", text(`{"done":false,"nextRecordsUrl":"/services/data/v64.0/query/next","records":[{"Id":"1"},{"Id":"2"}]}`))
		org.HandleFunc("GET /services/data/v64.0/query/next", func(http.ResponseWriter, *http.Request) { t.Error("a page nobody asked for") })
		for rec, err := range org.api(t).Query(t.Context(), "SELECT Id FROM Account") {
			if err != nil || rec["Id"] != "1" {
				t.Errorf("got %v, %v", rec, err)
			}
			break
		}
	})
}

func TestQuery_CursorGone_EndsWithARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/query", text(`{"done":false,"nextRecordsUrl":"/services/data/v64.0/query/next","records":[{"Id":"1"}]}`))
		org.HandleFunc("GET /services/data/v64.0/query/next", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 400, []map[string]string{{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}})
		})
		var ids, failures int
		for _, err := range org.api(t).Query(t.Context(), "SELECT Id FROM Account") {
			if err == nil {
				ids++
				continue
			}
			failures++
			if e, ok := errors.AsType[*salesforce.Error](err); !ok || e.Class() != salesforce.ClassRestart {
				t.Errorf("error %v, want one of ClassRestart", err)
			}
		}
		if ids != 1 || failures != 1 {
			t.Errorf("%d rows and %d errors, want 1 and 1", ids, failures)
		}
	})
}

func TestQuery_NextPageThatIsNone_IsRefused(t *testing.T) {
	for _, next := range []string{
		``, `http://elsewhere.example/services/data/v64.0/query/x`, `//elsewhere.example/services/data/`, `@elsewhere.example/`,
		`/services/data/v64.0/query?q=SELECT+Id+FROM+Account`,
	} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			calls := 0
			org.HandleFunc("GET /services/data/v64.0/query", func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls > 1 {
					t.Errorf("next page %q was followed", next)
				}
				reply(w, 200, map[string]any{"done": calls > 1, "nextRecordsUrl": next, "records": []any{}})
			})
			var last error
			for _, err := range org.api(t).Query(t.Context(), "SELECT Id FROM Account") {
				last = err
			}
			if last == nil {
				t.Errorf("next page %q: no error", next)
			}
		})
	}
}

func TestCount_IsTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/query", text(`{"totalSize":4310,"done":true,"records":[]}`))
		if n, err := org.api(t).Count(t.Context(), "SELECT COUNT() FROM Account"); err != nil || n != 4310 {
			t.Errorf("count %d, %v; want 4310", n, err)
		}
	})
}
