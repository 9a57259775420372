package orgsim_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// queryJob makes a query job and waits for its end.
func (a *api) queryJob(soql string) jobView {
	a.t.Helper()
	ans := a.do("POST", "/jobs/query", fmt.Sprintf(`{"operation":"query","query":%q}`, soql))
	if ans.status != 200 {
		a.t.Fatalf("query job: %d %s", ans.status, ans.body)
	}
	var j jobView
	ans.into(a.t, &j)
	if j.State != "UploadComplete" || j.JobType != "V2Query" || j.ContentURL != "" {
		a.t.Errorf("new query job: %+v", j)
	}
	return a.waitJob("/jobs/query/" + j.ID)
}

func TestBulkQuery_PagesRepeatTheHeader(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		do(t, a.org, func(tx *orgsim.Tx) error {
			for i := range 25 {
				acc, err := tx.Insert("Account", vals{"Name": orgsim.String(fmt.Sprintf("A%02d", i)), "AnnualRevenue": orgsim.Int(int64(i))})
				if err != nil {
					return err
				}
				if _, err = tx.Insert("Contact", vals{"LastName": orgsim.String("L\n\"x\""), "AccountId": orgsim.String(acc)}); err != nil {
					return err
				}
			}
			_, err := tx.Insert("Contact", vals{"LastName": orgsim.String("alone")})
			return err
		})
		created := a.org.FindByExternalID("Contact", "LastName", orgsim.String("alone"))[0].Get("CreatedDate").Time().Format("2006-01-02T15:04:05.000Z")
		j := a.queryJob("SELECT LastName, Account.Name, Account.AnnualRevenue, CreatedDate FROM Contact ORDER BY Account.Name NULLS LAST")
		if j.State != "JobComplete" || j.NumberRecordsProcessed != 26 {
			t.Fatalf("%+v", j)
		}
		path, locator, rows := "/jobs/query/"+j.ID, "", 0
		for page := 0; locator != "null"; page++ {
			query := "?maxRecords=10"
			if locator != "" {
				query += "&locator=" + locator
			}
			ans := a.do("GET", path+"/results"+query, "", "Accept", "text/csv")
			again := a.do("GET", path+"/results"+query, "")
			all, err := csv.NewReader(strings.NewReader(ans.body)).ReadAll()
			if err != nil || again.body != ans.body || strings.Join(all[0], " ") != "LastName Account.Name Account.AnnualRevenue CreatedDate" ||
				ans.header.Get("Sforce-NumberOfRecords") != fmt.Sprint(len(all)-1) {
				t.Fatalf("page %d: %v, %v\n%s", page, err, ans.header, ans.body)
			}
			if page == 0 && !strings.HasPrefix(ans.body, "\"LastName\",\"Account.Name\",\"Account.AnnualRevenue\",\"CreatedDate\"\n\"L\n\"\"x\"\"\",\"A00\",\"0.0\",\"") {
				t.Errorf("first page %q", ans.body)
			}
			if page == 2 && strings.Join(all[len(all)-1], "|") != "alone|||"+created {
				t.Errorf("last row %q", all[len(all)-1])
			}
			rows, locator = rows+len(all)-1, ans.header.Get("Sforce-Locator")
		}
		if rows != 26 {
			t.Errorf("%d rows, want 26", rows)
		}
		var pages struct {
			ResultPages    []struct{ ResultURL string }
			NextRecordsURL string
			Done           bool
		}
		a.do("GET", path+"/resultPages?maxRecords=5", "").into(t, &pages)
		if len(pages.ResultPages) != 5 || pages.Done || a.do("GET", pages.ResultPages[4].ResultURL, "").header.Get("Sforce-NumberOfRecords") != "5" {
			t.Errorf("result pages %+v", pages)
		}
		a.do("GET", pages.NextRecordsURL, "").into(t, &pages)
		if len(pages.ResultPages) != 1 || !pages.Done || a.do("GET", pages.ResultPages[0].ResultURL, "").header.Get("Sforce-Locator") != "null" {
			t.Errorf("last result pages %+v", pages)
		}
		a.do("GET", "/services/data/v63.0/jobs/query/"+j.ID+"/results", "").wantError(t, "another version", 409, "INVALIDVERSION")
		a.do("GET", path+"/results?locator=MTAw", "").wantError(t, "made-up locator", 400, "INVALIDQUERYLOCATOR")
		a.do("GET", path+"/results?maxRecords=0", "").wantError(t, "empty pages", 400, "INVALIDJOB")
		a.do("PATCH", path, `{"state":"Aborted"}`).wantError(t, "abort of a finished job", 400, "INVALIDJOBSTATE")
		a.do("DELETE", path, "").want(t, "delete", 204, "")
		a.do("GET", path+"/results", "").wantError(t, "results of a deleted job", 404, "NOT_FOUND")
	})
}

func TestBulkQuery_QueryAllSeesDeletedRowsAndNothingIsAHeader(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		id := a.do("POST", "/sobjects/Account", `{"Name":"A"}`).id(t)
		a.do("DELETE", "/sobjects/Account/"+id, "")
		empty := a.queryJob("SELECT Id FROM Account")
		a.do("GET", "/jobs/query/"+empty.ID+"/results", "").want(t, "no rows", 200, "\"Id\"\n")
		var j jobView
		a.do("POST", "/jobs/query", `{"operation":"queryAll","query":"SELECT Id, IsDeleted FROM Account","columnDelimiter":"PIPE","lineEnding":"CRLF"}`).into(t, &j)
		a.do("GET", "/jobs/query/"+j.ID+"/results", "").wantError(t, "results before the end", 400, "INVALIDJOBSTATE")
		a.waitJob("/jobs/query/" + j.ID)
		a.do("GET", "/jobs/query/"+j.ID+"/results", "").want(t, "deleted row", 200, "\"Id\"|\"IsDeleted\"\r\n\""+id+"\"|\"true\"\r\n")
	})
}

func TestBulkQuery_RefusesWhatItCannotDo(t *testing.T) {
	a := newAPI(t, orgsim.Config{Bulk: orgsim.BulkConfig{DailyQueries: 1}})
	for soql, code := range map[string]string{
		"SELECT COUNT() FROM Account": "API_ERROR", "SELECT COUNT(Id) FROM Account": "API_ERROR",
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account": "API_ERROR", "SELECT Id FROM Account LIMIT 5 OFFSET 5": "API_ERROR",
		"SELECT BillingAddress FROM Account": "API_ERROR", "SELECT Account.BillingAddress FROM Contact": "API_ERROR",
		"SELECT Name FROM Account GROUP BY Name": "MALFORMED_QUERY", "SELECT Nope FROM Account": "INVALID_FIELD",
		"SELECT Id FROM Nope": "INVALID_TYPE", "SELECT Id FROM Shipment__e": "INVALIDENTITY",
	} {
		a.do("POST", "/jobs/query", fmt.Sprintf(`{"operation":"query","query":%q}`, soql)).wantError(t, soql, 400, code)
	}
	a.do("POST", "/jobs/query", `{"operation":"count","query":"SELECT Id FROM Account"}`).wantError(t, "operation", 400, "INVALIDJOB")
	if ans := a.do("POST", "/jobs/query", `{"operation":"query","query":"SELECT Id FROM Account"}`); ans.status != 200 {
		t.Errorf("first job: %d %s", ans.status, ans.body)
	}
	a.do("POST", "/jobs/query", `{"operation":"query","query":"SELECT Id FROM Account"}`).wantError(t, "second job of a day with one", 400, "API_ERROR")
}

func TestBulkQuery_FailsAndAborts(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		if err := a.org.InjectBulk(orgsim.BulkFault{Kind: "fail", Operation: "query", Count: 1}); err != nil {
			t.Fatal(err)
		}
		j := a.queryJob("SELECT Id FROM Account")
		if j.State != "Failed" || j.ErrorMessage != "QUERY_TIMEOUT: Your query request was running for too long." {
			t.Errorf("%+v, want Failed with QUERY_TIMEOUT", j)
		}
		a.do("GET", "/jobs/query/"+j.ID+"/results", "").wantError(t, "results of a failed job", 400, "INVALIDJOBSTATE")
		a.do("POST", "/jobs/query", `{"operation":"query","query":"SELECT Id FROM Account"}`).into(t, &j)
		a.do("PATCH", "/jobs/query/"+j.ID, `{"state":"Aborted"}`)
		time.Sleep(time.Minute)
		if j := a.waitJob("/jobs/query/" + j.ID); j.State != "Aborted" {
			t.Errorf("%+v, want Aborted", j)
		}
	})
}
