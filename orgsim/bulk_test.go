package orgsim_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/orgsim"
)

// jobView is a job as its JSON says it.
type jobView struct {
	ID, Operation, Object, ExternalIDFieldName, State, ContentURL, JobType, ErrorMessage string
	NumberRecordsProcessed, NumberRecordsFailed                                          int
}

// openJob makes an ingest job.
func (a *api) openJob(body string, headers ...string) jobView {
	a.t.Helper()
	ans := a.do("POST", "/jobs/ingest", body, headers...)
	if ans.status != http.StatusOK {
		a.t.Fatalf("open job %s: %d %s", body, ans.status, ans.body)
	}
	var j jobView
	ans.into(a.t, &j)
	return j
}

// runJob makes a job, uploads, closes and waits for its end. It must run in a
// synctest bubble.
func (a *api) runJob(body, data string, headers ...string) jobView {
	a.t.Helper()
	j := a.openJob(body, headers...)
	if ans := a.do("PUT", "/"+j.ContentURL, data, "Content-Type", "text/csv; charset=UTF-8"); ans.status != http.StatusCreated || ans.body != "" {
		a.t.Fatalf("upload: %d %s", ans.status, ans.body)
	}
	if ans := a.do("PATCH", "/jobs/ingest/"+j.ID, `{"state":"UploadComplete"}`); ans.status != http.StatusOK {
		a.t.Fatalf("close: %d %s", ans.status, ans.body)
	}
	return a.waitJob("/jobs/ingest/" + j.ID)
}

func (a *api) waitJob(path string) jobView {
	a.t.Helper()
	for range 10_000 {
		var j jobView
		a.do("GET", path, "").into(a.t, &j)
		if j.State == "JobComplete" || j.State == "Failed" || j.State == "Aborted" {
			return j
		}
		time.Sleep(time.Second)
	}
	a.t.Fatalf("job %s does not end", path)
	return jobView{}
}

// results reads one of the files of a job, in the order of its rows' text.
func (a *api) results(id, name string, comma rune) (header []string, rows [][]string) {
	a.t.Helper()
	ans := a.do("GET", "/jobs/ingest/"+id+"/"+name, "")
	if ans.status != http.StatusOK || ans.header.Get("Content-Type") != "text/csv;charset=UTF-8" {
		a.t.Fatalf("%s: %d %s", name, ans.status, ans.body)
	}
	r := csv.NewReader(strings.NewReader(ans.body))
	r.Comma = comma
	all, err := r.ReadAll()
	if err != nil || len(all) == 0 {
		a.t.Fatalf("%s: %v\n%s", name, err, ans.body)
	}
	rows = all[1:]
	slices.SortFunc(rows, func(x, y []string) int { return slices.Compare(x[len(all[0])-1:], y[len(all[0])-1:]) })
	return all[0], rows
}

const upsertAccounts = `{"object":"Account","operation":"upsert","externalIdFieldName":"ERP_Id__c","contentType":"CSV","lineEnding":"LF"}`

// inBubble gives an org whose timers are those of a synctest bubble.
func inBubble(t *testing.T, cfg orgsim.Config, fn func(t *testing.T, a *api)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newAPI(t, cfg)) })
}

func TestBulk_JobsLifeIsThatOfTheGuide(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		stamp := orgsim.DateTimeOf(time.Now()).String()
		ans := a.do("POST", "/jobs/ingest", upsertAccounts)
		var j jobView
		ans.into(t, &j)
		head := `{"id":"` + j.ID + `","operation":"upsert","object":"Account","externalIdFieldName":"ERP_Id__c","createdById":"` + a.org.IntegrationUser() +
			`","createdDate":"` + stamp + `","systemModstamp":"` + stamp + `","state":"`
		tail := `"concurrencyMode":"Parallel","contentType":"CSV","apiVersion":64.0,"jobType":"V2Ingest",`
		form := `"lineEnding":"LF","columnDelimiter":"COMMA"`
		ans.want(t, "open", 200, head+`Open",`+tail+`"contentUrl":"services/data/v64.0/jobs/ingest/`+j.ID+`/batches",`+form+`}`)
		path := "/jobs/ingest/" + j.ID
		a.do("GET", path+"/successfulResults/", "").wantError(t, "results of an open job", 400, "INVALIDJOBSTATE")
		a.do("DELETE", path, "").wantError(t, "delete of an open job", 400, "INVALIDJOBSTATE")
		a.do("PUT", path+"/batches", "ERP_Id__c,Name\n1,One\n2,\n", "Content-Type", "text/csv").want(t, "upload", 201, "")
		a.do("PUT", path+"/batches", "Name\n", "Content-Type", "text/csv").wantError(t, "second upload", 400, "INVALIDJOBSTATE")
		a.do("PATCH", path, `{"state":"UploadComplete"}`).want(t, "close", 200, head+`UploadComplete",`+tail+form+`}`)
		a.do("PATCH", path, `{"state":"UploadComplete"}`).wantError(t, "second close", 400, "INVALIDJOBSTATE")
		time.Sleep(301 * time.Millisecond)
		a.do("GET", path, "").want(t, "in progress", 200, strings.Replace(head, `"systemModstamp":"`+stamp, `"systemModstamp":"`+orgsim.DateTimeOf(time.Now().Add(-time.Millisecond)).String(), 1)+`InProgress",`+tail+form+
			`,"numberRecordsProcessed":0,"numberRecordsFailed":0,"retries":0,"totalProcessingTime":1,"apiActiveProcessingTime":1,"apexProcessingTime":0}`)
		a.do("DELETE", path, "").wantError(t, "delete of a job in progress", 400, "INVALIDJOBSTATE")
		if j := a.waitJob(path); j.State != "JobComplete" || j.NumberRecordsProcessed != 2 || j.NumberRecordsFailed != 1 {
			t.Errorf("end: %+v, want JobComplete, 2 processed, 1 failed", j)
		}
		one := a.org.FindByExternalID("Account", "ERP_Id__c", orgsim.String("1"))[0].ID
		a.do("GET", path+"/successfulResults", "").want(t, "successes", 200, "\"sf__Id\",\"sf__Created\",\"ERP_Id__c\",\"Name\"\n\""+one+"\",\"true\",\"1\",\"One\"\n")
		a.do("GET", path+"/FAILEDRESULTS/", "").want(t, "failures", 200,
			"\"sf__Id\",\"sf__Error\",\"ERP_Id__c\",\"Name\"\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --\",\"2\",\"\"\n")
		a.do("GET", path+"/unprocessedRecords", "").want(t, "left over", 200, "\"ERP_Id__c\",\"Name\"\n")
		a.do("PATCH", path, `{"state":"Aborted"}`).wantError(t, "abort of a finished job", 400, "INVALIDJOBSTATE")
		if body := a.do("GET", "/jobs/ingest", "").body; !strings.HasPrefix(body, `{"done":true,"nextRecordsUrl":null,"records":[{"id":"`+j.ID) {
			t.Errorf("list: %s", body)
		}
		a.do("DELETE", path, "").want(t, "delete", 204, "")
		a.do("GET", path, "").wantError(t, "deleted job", 404, "NOT_FOUND")
	})
}

func TestBulk_RequestsThatNoJobCanServe(t *testing.T) {
	a := newAPI(t, orgsim.Config{Bulk: orgsim.BulkConfig{NoHardDelete: true, MaxUpload: 100}})
	for _, tc := range []struct{ body, code string }{
		{`{"object":"Nope","operation":"insert"}`, "INVALIDJOB"},
		{`{"object":"Shipment__e","operation":"insert"}`, "INVALIDENTITY"},
		{`{"object":"Account","operation":"merge"}`, "INVALIDJOB"},
		{`{"object":"Account","operation":"upsert"}`, "INVALIDJOB"},
		{`{"object":"Account","operation":"upsert","externalIdFieldName":"Phone"}`, "INVALIDJOB"},
		{`{"object":"Account","operation":"hardDelete"}`, "FEATURENOTENABLED"},
		{`{"object":"Account","operation":"insert","columnDelimiter":"SPACE"}`, "INVALIDJOB"},
		{`{"object":"Account","operation":"insert","lineEnding":"CR"}`, "INVALIDJOB"},
		{`{"object":"Account","operation":"insert","contentType":"XML"}`, "INVALIDJOB"},
		{`{"object":`, "JSON_PARSER_ERROR"},
	} {
		a.do("POST", "/jobs/ingest", tc.body).wantError(t, tc.body, 400, tc.code)
	}
	j := a.openJob(`{"object":"Account","operation":"insert"}`)
	path := "/jobs/ingest/" + j.ID
	a.do("PUT", path+"/batches", "{}", "Content-Type", "application/json").wantError(t, "JSON", 415, "UNSUPPORTED_MEDIA_TYPE")
	a.do("PUT", path+"/batches", strings.Repeat("x", 101), "Content-Type", "text/csv").wantError(t, "too large", 413, "REQUEST_ENTITY_TOO_LARGE")
	a.do("PATCH", path, `{"state":"Open"}`).wantError(t, "back to open", 400, "INVALIDJOB")
	a.do("PATCH", path, `{"state":"Aborted"}`).into(t, &j)
	a.do("PUT", path+"/batches", "Name\n", "Content-Type", "text/csv").wantError(t, "upload to an aborted job", 400, "INVALIDJOBSTATE")
	a.do("GET", "/jobs/query/"+j.ID, "").wantError(t, "job of the other kind", 404, "NOT_FOUND")
}

func TestBulk_CSVThatFailsTheWholeJob(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		for _, tc := range []struct{ what, ending, data, message string }{
			{"CRLF in an LF job", "LF", "Name\r\nA\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
			{"LF in a CRLF job", "CRLF", "Name\r\nA\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF"},
			{"unknown column", "LF", "Name,Nope\nA,1\n", "InvalidBatch : Field name not found : Nope"},
			{"byte order mark", "LF", "\ufeffName\nA\n", "InvalidBatch : Field name not found : \ufeffName"},
			{"space before a header", "LF", " Name\nA\n", "InvalidBatch : Field name not found :  Name"},
			{"parent by a field that is no external id", "LF", "Name,Parent.Phone\nA,1\n", "InvalidBatch : Field name not found : Parent.Phone"},
			{"nothing", "LF", "", "InvalidBatch : Failed to parse CSV header"},
			{"open quote in the header", "LF", "\"Name\nA\n", "InvalidBatch : Failed to parse CSV header: quote that is not closed"},
		} {
			j := a.runJob(`{"object":"Account","operation":"insert","lineEnding":"`+tc.ending+`"}`, tc.data)
			if j.State != "Failed" || j.ErrorMessage != tc.message {
				t.Errorf("%s: %s %q, want Failed %q", tc.what, j.State, j.ErrorMessage, tc.message)
			}
		}
		j := a.runJob(`{"object":"Account","operation":"insert"}`, "Name,Nope\nA,1\nB,2\n")
		if _, rows := a.results(j.ID, "unprocessedrecords", ','); len(rows) != 2 {
			t.Errorf("a failed job leaves %v unprocessed, want both rows", rows)
		}
		if n := a.org.Count("Account"); n != 0 {
			t.Errorf("%d accounts, want none", n)
		}
	})
}

func TestBulk_ValuesFollowTheCSVRules(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		parent := a.do("POST", "/sobjects/Account", `{"Name":"Parent","ERP_Id__c":"P"}`).id(t)
		a.do("POST", "/sobjects/Order__c", `{"ERP_Id__c":"O","Total__c":5,"Due__c":"2024-01-01","Account__c":"`+parent+`"}`).id(t)
		for _, tc := range []struct{ delimiter, ending, data string }{
			{"COMMA", "LF", "ERP_Id__c,Total__c,Due__c,Paid__c\nO,,#N/A,TRUE\n"},
			{"PIPE", "CRLF", "ERP_Id__c|\"Total__c\"|Paid__c\r\n\r\n\"O\"|1.5e2|0\r\n"},
			{"TAB", "LF", "ERP_Id__c\tAccount__r.ERP_Id__c\nO\t#N/A"},
			{"SEMICOLON", "LF", "erp_id__C;account__R.erp_id__c;Shipped_At__c\nO;P;2024-10-27T01:30:00.999+02:00\n"},
		} {
			j := a.runJob(`{"object":"Order__c","operation":"upsert","externalIdFieldName":"ERP_Id__c","columnDelimiter":"`+tc.delimiter+`","lineEnding":"`+tc.ending+`"}`, tc.data)
			if j.State != "JobComplete" || j.NumberRecordsFailed != 0 || j.NumberRecordsProcessed != 1 {
				t.Fatalf("%q: %+v\n%s", tc.data, j, a.do("GET", "/jobs/ingest/"+j.ID+"/failedResults", "").body)
			}
			r := a.org.FindByExternalID("Order__c", "ERP_Id__c", orgsim.String("O"))[0]
			got := strings.Join([]string{r.Get("Total__c").String(), r.Get("Due__c").String(), r.Get("Paid__c").String(), r.Get("Account__c").String(), r.Get("Shipped_At__c").String()}, "|")
			want := map[string]string{
				"COMMA": "5||true|" + parent + "|", "PIPE": "150||false|" + parent + "|", "TAB": "150||false||",
				"SEMICOLON": "150||false|" + parent + "|2024-10-26T23:30:00.000+0000",
			}[tc.delimiter]
			if got != want {
				t.Errorf("after %q: %s, want %s", tc.data, got, want)
			}
		}
		long := " two\nlines, \"quoted\" "
		j := a.runJob(`{"object":"Account","operation":"insert"}`, "Name,Description\nL,\" two\nlines, \"\"quoted\"\" \"\n")
		if got := a.org.FindByExternalID("Account", "Name", orgsim.String("L"))[0].Get("Description").Text(); got != strings.TrimSpace(long) {
			t.Errorf("description %q, want %q", got, long)
		}
		if _, rows := a.results(j.ID, "successfulResults", ','); rows[0][3] != long {
			t.Errorf("echo %q, want %q", rows[0][3], long)
		}
	})
}

func TestBulk_RowsFailAlone(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		id := a.do("POST", "/sobjects/Account", `{"Name":"Old","ERP_Id__c":"E0"}`).id(t)
		con := a.do("POST", "/sobjects/Contact", `{"LastName":"C"}`).id(t)
		check := func(job, data string, want ...string) {
			t.Helper()
			j := a.runJob(job, data)
			_, rows := a.results(j.ID, "failedResults", ',')
			var got []string
			for _, r := range rows {
				got = append(got, r[1])
			}
			slices.Sort(got)
			slices.Sort(want)
			if j.State != "JobComplete" || !slices.Equal(got, want) || j.NumberRecordsFailed != len(want) {
				t.Errorf("%s %q: %s\n got %q\nwant %q", job, data, j.State, got, want)
			}
		}
		check(upsertAccounts, "ERP_Id__c,Name,AnnualRevenue\nE1,A,1\nE2,B,much\nE3,C,1\nE3,D,2\n,E,1\nE4,\"F\" ,1\nE5,G\nE6,H,#N/A\n",
			"INVALID_TYPE_ON_FIELD_IN_RECORD:AnnualRevenue: value not of required type: much:AnnualRevenue --",
			"DUPLICATE_VALUE:Duplicate external id specified: E3: --", "DUPLICATE_VALUE:Duplicate external id specified: E3: --",
			"MISSING_ARGUMENT:ERP_Id__c not specified:ERP_Id__c --",
			"INVALID_CSV_ROW:Failed to parse CSV row: text behind a closing quote: --",
			"INVALID_CSV_ROW:The row has 2 columns, the header has 3: --")
		check(`{"object":"Account","operation":"update"}`, "Id,Phone\n"+id[:15]+",1\n"+con+",2\n,3\nnonsense,4\n001SB00000zzzzz,5\n",
			"MALFORMED_ID:id value of incorrect type: "+con+":Id --", "MISSING_ARGUMENT:Id not specified in an update call:Id --",
			"MALFORMED_ID:malformed id nonsense:Id --", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id: --")
		check(`{"object":"Account","operation":"insert"}`, "Id,Name\n"+id+",X\n", "INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --")
		check(`{"object":"Account","operation":"upsert","externalIdFieldName":"Id"}`, "Id,Name\n"+id+",New name\n,Quite new\n")
		if a.org.Get(id).Get("Name").Text() != "New name" || a.org.Get(id).Get("Phone").Text() != "1" || a.org.Count("Account") != 4 {
			t.Errorf("row %v among %d accounts, want the new name and phone among 4", a.org.Get(id).Fields(), a.org.Count("Account"))
		}
		check(`{"object":"Account","operation":"delete"}`, "Id\n"+id+"\n")
		check(`{"object":"Contact","operation":"hardDelete"}`, "Id\n"+con+"\n")
		if r := a.org.Get(id); r == nil || !r.Deleted || a.org.Get(con) != nil {
			t.Errorf("deleted row %v and hard-deleted row %v, want one in the recycle bin and one gone", r, a.org.Get(con))
		}
		a.do("GET", "/jobs/ingest", "")
	})
}

func TestBulk_CommitsEvery200RowsAndMarksTheOrigin(t *testing.T) {
	inBubble(t, orgsim.Config{KeepLedger: -1}, func(t *testing.T, a *api) {
		var data strings.Builder
		data.WriteString("Name\n")
		for i := range 450 {
			fmt.Fprintf(&data, "N%03d\n", i)
		}
		j := a.runJob(`{"object":"Account","operation":"insert"}`, data.String(), "Sforce-Call-Options", "client=loader")
		header, rows := a.results(j.ID, "successfulResults", ',')
		if len(rows) != 450 || rows[7][2] != "N007" || !slices.Equal(header, []string{"sf__Id", "sf__Created", "Name"}) {
			t.Errorf("%d results under %v, want 450", len(rows), header)
		}
		body := a.do("GET", "/jobs/ingest/"+j.ID+"/successfulResults", "").body
		if body != a.do("GET", "/jobs/ingest/"+j.ID+"/successfulResults", "").body || strings.Index(body, "N000") < strings.Index(body, "N001") && strings.Index(body, "N001") < strings.Index(body, "N002") {
			t.Error("results are in the order of the input, or not the same twice")
		}
		keys := map[string]int{}
		for _, e := range a.org.Ledger().Since(0) {
			keys[e.TransactionKey]++
		}
		for _, e := range a.org.Stored("AccountChangeEvent") {
			if !bytes.Contains(e.Payload, []byte("com/salesforce/api/bulkapi/64.0;client=loader")) {
				t.Fatalf("event without the origin of the job: %q", e.Payload)
			}
		}
		if sizes := slices.Sorted(maps.Values(keys)); !slices.Equal(sizes, []int{50, 200, 200}) {
			t.Errorf("transactions of %v rows, want 50, 200 and 200", sizes)
		}
	})
}

func TestBulk_BadDays(t *testing.T) {
	for _, tc := range []struct {
		fault   orgsim.BulkFault
		state   string
		done    int
		message string
		at      time.Duration
	}{
		{orgsim.BulkFault{Kind: "fail"}, "Failed", 400, "InternalServerError : The job was retried more than 20 times", time.Second},
		{orgsim.BulkFault{Kind: "fail", Rows: -1, Text: "TooManyLockFailure"}, "Failed", 0, "TooManyLockFailure", time.Second},
		{orgsim.BulkFault{Kind: "abort", Rows: 200, Object: "account", Operation: "insert"}, "Aborted", 200, "", time.Second},
		{orgsim.BulkFault{Kind: "slow", Delay: time.Minute}, "JobComplete", 800, "", 3 * time.Minute},
		{orgsim.BulkFault{Kind: "late", Delay: 7 * time.Minute}, "JobComplete", 800, "", 7 * time.Minute},
		{orgsim.BulkFault{Kind: "fail", Object: "Contact"}, "JobComplete", 800, "", time.Second},
	} {
		inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
			tc.fault.Count = 1
			if err := a.org.InjectBulk(tc.fault); err != nil {
				t.Fatal(err)
			}
			job, data, start := `{"object":"Account","operation":"insert"}`, "Name\n"+strings.Repeat("N\n", 800), time.Now()
			j := a.runJob(job, data)
			if j.State != tc.state || j.NumberRecordsProcessed != tc.done || a.org.Count("Account") != tc.done || j.ErrorMessage != tc.message {
				t.Errorf("%+v: %+v with %d accounts, want %s with %d, %q", tc.fault, j, a.org.Count("Account"), tc.state, tc.done, tc.message)
			}
			_, good := a.results(j.ID, "successfulResults", ',')
			_, left := a.results(j.ID, "unprocessedrecords", ',')
			if len(good) != tc.done || len(left) != 800-tc.done {
				t.Errorf("%+v: %d successes, %d left, want %d of 800", tc.fault, len(good), len(left), tc.done)
			}
			if took := time.Since(start); took < tc.at || took > tc.at+time.Minute {
				t.Errorf("%+v: took %v, want about %v", tc.fault, took, tc.at)
			}
			if j := a.runJob(`{"object":"Order__c","operation":"insert"}`, "Paid__c\n1\n"); j.State != "JobComplete" {
				t.Errorf("%+v: the job after it: %+v", tc.fault, j)
			}
		})
	}
	if err := newOrg(t, orgsim.Config{}).InjectBulk(orgsim.BulkFault{Kind: "nice"}); err == nil {
		t.Error("a fault of unknown kind was taken")
	}
}

func TestBulk_AbortedByItsOwnerKeepsWhatWasCommitted(t *testing.T) {
	inBubble(t, orgsim.Config{Bulk: orgsim.BulkConfig{BatchTime: time.Minute}}, func(t *testing.T, a *api) {
		j := a.openJob(`{"object":"Account","operation":"insert"}`)
		path := "/jobs/ingest/" + j.ID
		a.do("PUT", path+"/batches", "Name\n"+strings.Repeat("N\n", 800), "Content-Type", "text/csv")
		a.do("PATCH", path, `{"state":"UploadComplete"}`)
		time.Sleep(150 * time.Second)
		a.do("PATCH", path, `{"state":"Aborted"}`)
		time.Sleep(time.Hour)
		_, left := a.results(j.ID, "unprocessedrecords", ',')
		if n := a.org.Count("Account"); n != 400 || len(left) != 400 {
			t.Errorf("%d accounts, %d rows left, want 400 and 400", n, len(left))
		}
	})
}

func TestBulk_MultipartStartsAtOnce(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for _, part := range [][3]string{{`form-data; name="job"`, "application/json", `{"object":"Account","operation":"insert"}`}, {`form-data; name="content"; filename="content"`, "text/csv", "Name\nA\nB\n"}} {
			w, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {part[0]}, "Content-Type": {part[1]}})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(w, part[2])
		}
		form.Close()
		j := a.openJob(body.String(), "Content-Type", form.FormDataContentType())
		if j.State != "UploadComplete" {
			t.Errorf("state %s, want UploadComplete", j.State)
		}
		if j = a.waitJob("/jobs/ingest/" + j.ID); j.State != "JobComplete" || a.org.Count("Account") != 2 {
			t.Errorf("%+v with %d accounts, want 2", j, a.org.Count("Account"))
		}
	})
}

func TestBulk_KeepsNoMoreThanItMay(t *testing.T) {
	inBubble(t, orgsim.Config{Bulk: orgsim.BulkConfig{MaxJobs: 2, MaxStored: 1000, DailyBatches: 2}}, func(t *testing.T, a *api) {
		job := `{"object":"Account","operation":"insert"}`
		first, second := a.runJob(job, "Name\nA\n"), a.runJob(job, "Name\nB\n")
		if j := a.runJob(job, "Name\nC\n"); j.State != "Failed" || j.ErrorMessage != "ExceededQuota : ApiBatchItems Limit exceeded." {
			t.Errorf("third batch of the day: %+v", j)
		}
		var limits map[string]struct{ Max, Remaining int }
		a.do("GET", "/limits", "").into(t, &limits)
		if got := limits["DailyBulkApiBatches"]; got.Max != 2 || got.Remaining != 0 {
			t.Errorf("limits %+v, want 2 and 0", got)
		}
		a.do("GET", "/jobs/ingest/"+first.ID, "").wantError(t, "the oldest of three jobs", 404, "NOT_FOUND")
		if got := a.do("GET", "/jobs/ingest/"+second.ID, ""); got.status != 200 {
			t.Errorf("the second job: %d", got.status)
		}
		big := a.openJob(job)
		a.do("PUT", "/"+big.ContentURL, strings.Repeat("x", 1001), "Content-Type", "text/csv").wantError(t, "more than is kept", 400, "EXCEEDEDQUOTA")
		wait := func(d time.Duration) {
			time.Sleep(d)
			a.org.AddToken(a.token, a.org.IntegrationUser()) // the one before has gone idle
		}
		wait(24 * time.Hour)
		a.do("GET", "/jobs/ingest/"+big.ID, "").wantError(t, "unclosed job after a day", 404, "NOT_FOUND")
		done := a.runJob(job, "Name\nA\n")
		wait(7 * 24 * time.Hour)
		a.do("GET", "/jobs/ingest/"+done.ID, "").wantError(t, "finished job after a week", 404, "NOT_FOUND")
	})
}

// TestBulk_LeavesTheRowsThatRESTLeaves writes the same random records through
// both APIs, in two orgs.
func TestBulk_LeavesTheRowsThatRESTLeaves(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, orgsim.Config{}, func(t *testing.T, viaBulk *api) {
			viaREST, rng := newAPI(t, orgsim.Config{}), rand.New(rand.NewPCG(seed, 1))
			columns := []string{"ERP_Id__c", "Total__c", "Quantity__c", "Due__c", "Shipped_At__c", "Pickup_Time__c", "Paid__c", "Partner_Ref__c", "Account__r.ERP_Id__c"}
			choices := [][]string{
				{"k1", "K1", "k2", "k 3", "", strings.Repeat("y", 300)},
				{"", "#N/A", "0", "-0.5", "1e3", "12345678901234.567", "many", "99999999999999999999"},
				{"", "#N/A", "5", "5.5", "-1"},
				{"", "#N/A", "2024-02-29", "2023-02-29", "2024-01-01T10:00:00Z"},
				{"", "#N/A", "2024-10-27T01:30:00.999+02:00", "2024-10-27T01:30:00+0000", "noon"},
				{"", "#N/A", "23:59:59.999Z", "24:00"},
				{"", "true", "FALSE", "1", "0", "maybe"},
				{"", "#N/A", "a,\"b\"", "two\nlines", " x ", "東京"},
				{"", "#N/A", "P", "none"},
			}
			for _, a := range []*api{viaBulk, viaREST} {
				a.do("POST", "/sobjects/Account", `{"Name":"Parent","ERP_Id__c":"P"}`).id(t)
			}
			for range 40 {
				row := make([]string, len(columns))
				body := map[string]any{}
				for i, name := range columns {
					row[i] = choices[i][rng.IntN(len(choices[i]))]
					var v any = row[i]
					switch parent, field, ok := strings.Cut(name, "."); {
					case i == 0 || row[i] == "":
						continue
					case row[i] == "#N/A" && ok:
						body["Account__c"] = nil
						continue
					case row[i] == "#N/A":
						v = nil
					case ok:
						name, v = parent, map[string]any{field: row[i]}
					}
					body[name] = v
				}
				var data bytes.Buffer
				w := csv.NewWriter(&data)
				_ = w.WriteAll([][]string{columns, row}) // to memory
				j := viaBulk.runJob(`{"object":"Order__c","operation":"upsert","externalIdFieldName":"ERP_Id__c"}`, data.String())
				failed := true // an upsert without key has no REST form
				if row[0] != "" {
					text, _ := json.Marshal(body)
					failed = viaREST.do("PATCH", "/sobjects/Order__c/ERP_Id__c/"+strings.ReplaceAll(row[0], " ", "%20"), string(text)).status >= 300
				}
				if j.State != "JobComplete" || (j.NumberRecordsFailed == 1) != failed {
					t.Fatalf("seed %d, row %q: bulk %+v, REST failed: %v\n%s", seed, row, j, failed, viaBulk.do("GET", "/jobs/ingest/"+j.ID+"/failedResults", "").body)
				}
				if got, want := plainRows(viaBulk.org), plainRows(viaREST.org); got != want {
					t.Fatalf("seed %d, after row %q:\nbulk %s\nREST %s", seed, row, got, want)
				}
			}
		})
	}
}

// plainRows shows the orders of an org without the times of their changes.
func plainRows(o *orgsim.Org) string {
	var out []string
	o.Scan("Order__c", false, func(r *orgsim.Record) bool {
		fields := r.Fields()
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if !strings.HasSuffix(name, "Date") && name != "SystemModstamp" && name != "Name" {
				parts = append(parts, name+"="+fields[name].String())
			}
		}
		out = append(out, strings.Join(parts, " "))
		return true
	})
	return strings.Join(out, "\n")
}

func TestBulk_CutCallsHaveDoneTheirWork(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		a.org.InjectHTTP(orgsim.HTTPFault{Path: "/batches", CutAfter: true, Count: 1})
		a.org.InjectHTTP(orgsim.HTTPFault{Method: "PATCH", Path: "/jobs/", CutAfter: true, Count: 1})
		a.org.InjectHTTP(orgsim.HTTPFault{Path: "/successfulResults", CutAfter: true, Count: 1})
		j := a.openJob(`{"object":"Account","operation":"insert"}`)
		path := "/jobs/ingest/" + j.ID
		cut := func(method, path, body string, headers ...string) {
			t.Helper()
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s %s was not cut", method, path)
				}
			}()
			a.do(method, path, body, headers...)
		}
		cut("PUT", path+"/batches", "Name\nA\n", "Content-Type", "text/csv")
		a.do("PUT", path+"/batches", "Name\nA\n", "Content-Type", "text/csv").wantError(t, "upload again", 400, "INVALIDJOBSTATE")
		cut("PATCH", path, `{"state":"UploadComplete"}`)
		if j := a.waitJob(path); j.State != "JobComplete" || a.org.Count("Account") != 1 {
			t.Errorf("%+v with %d accounts, want JobComplete with 1", j, a.org.Count("Account"))
		}
		cut("GET", path+"/successfulResults", "")
		if _, rows := a.results(j.ID, "successfulResults", ','); len(rows) != 1 {
			t.Errorf("results after the cut: %v, want one", rows)
		}
	})
}

func TestBulk_JobsOfAClosedOrgStop(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, a *api) {
		j := a.openJob(`{"object":"Account","operation":"insert"}`)
		a.do("PUT", "/"+j.ContentURL, "Name\n"+strings.Repeat("N\n", 800), "Content-Type", "text/csv")
		a.do("PATCH", "/jobs/ingest/"+j.ID, `{"state":"UploadComplete"}`)
		time.Sleep(307 * time.Millisecond)
		a.org.Close()
		before := a.org.Count("Account")
		time.Sleep(time.Hour)
		if now := a.org.Count("Account"); before != 200 || now != before {
			t.Errorf("%d accounts when the org was closed, %d an hour later, want 200 both times", before, now)
		}
	})
}
