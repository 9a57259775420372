package orgsim_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// api calls the org's HTTP handler as a client with a token.
type api struct {
	t     *testing.T
	org   *orgsim.Org
	token string
}

// answer is a response whose body is read.
type answer struct {
	status int
	header http.Header
	body   string
}

func newAPI(t *testing.T, cfg orgsim.Config) *api {
	t.Helper()
	a := &api{t: t, org: newOrg(t, cfg), token: "00DSB0000000001!test"}
	a.org.AddToken(a.token, a.org.IntegrationUser())
	return a
}

const v64 = "/services/data/v64.0"

// do sends a request; headers come as name, value, name, value. A path that
// starts with a slash stands below /services/data/v64.0, unless it says so.
func (a *api) do(method, path, body string, headers ...string) answer {
	a.t.Helper()
	if !strings.HasPrefix(path, "/services/") && !strings.HasPrefix(path, "/id/") {
		path = v64 + path
	}
	r := httptest.NewRequest(method, "http://org.example"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+a.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.org.HTTPHandler().ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func (a *api) query(soql string, headers ...string) answer {
	a.t.Helper()
	return a.do("GET", "/query?q="+url.QueryEscape(soql), "", headers...)
}

// into decodes the body.
func (ans answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(ans.body), v); err != nil {
		t.Fatalf("decode %q: %v", ans.body, err)
	}
}

// id gives the id of a created row.
func (ans answer) id(t *testing.T) string {
	t.Helper()
	var out struct{ ID string }
	ans.into(t, &out)
	if ans.status != http.StatusCreated || len(out.ID) != 18 {
		t.Fatalf("create: %d %s", ans.status, ans.body)
	}
	return out.ID
}

// wantError checks status and code of a refusal and that its body is an array.
func (ans answer) wantError(t *testing.T, what string, status int, code string) {
	t.Helper()
	var list []struct{ ErrorCode, Message string }
	if err := json.Unmarshal([]byte(ans.body), &list); err != nil || len(list) != 1 {
		t.Errorf("%s: %d %q, want an array with one error", what, ans.status, ans.body)
		return
	}
	if ans.status != status || list[0].ErrorCode != code {
		t.Errorf("%s: %d %s, want %d %s", what, ans.status, ans.body, status, code)
	}
}

func (ans answer) want(t *testing.T, what string, status int, body string) {
	t.Helper()
	if ans.status != status || ans.body != body {
		t.Errorf("%s:\n got %d %s\nwant %d %s", what, ans.status, ans.body, status, body)
	}
}

func TestVersions_NeedNoLogin(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	a.token = ""
	ans := a.do("GET", "/services/data/", "")
	var list []struct{ Label, URL, Version string }
	ans.into(t, &list)
	last := list[len(list)-1]
	if ans.status != 200 || last.Version != "64.0" || last.Label != "Summer '25" || last.URL != "/services/data/v64.0" {
		t.Errorf("versions: %d, last %+v, want 64.0 Summer '25", ans.status, last)
	}
	if got := ans.header.Get("Sforce-Limit-Info"); got != "" {
		t.Errorf("versions count as a call: Sforce-Limit-Info %q, want none", got)
	}
	a.do("GET", "/limits", "").wantError(t, "no token", 401, "INVALID_SESSION_ID")
	a.do("GET", "/services/data/v30.0/limits", "").wantError(t, "retired version", 410, "UNSUPPORTED_API_VERSION")
	a.do("GET", "/services/data/v99.0/limits", "").wantError(t, "future version", 404, "NOT_FOUND")
}

func TestRows_LiveAsTheGuideSays(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	created := a.do("POST", "/sobjects/Account", `{"Name":"Acme \u003c\u003e","Phone":"1","AnnualRevenue":999999999999999999,"BillingCity":"Oslo","BillingLatitude":59.9}`)
	id := created.id(t)
	if got, want := created.header.Get("Location"), v64+"/sobjects/Account/"+id; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	a.do("GET", "/sobjects/Account/"+id[:15]+"?fields=Name,AnnualRevenue,BillingAddress,Fax", "").want(t, "get by 15 characters", 200,
		`{"attributes":{"type":"Account","url":"`+v64+`/sobjects/Account/`+id+`"},"Name":"Acme \u003c\u003e","BillingAddress":`+
			`{"city":"Oslo","country":null,"geocodeAccuracy":null,"latitude":59.9,"longitude":null,"postalCode":null,"state":null,"street":null},`+
			`"Fax":null,"AnnualRevenue":999999999999999999.0}`)
	a.do("PATCH", "/sobjects/Account/"+id, `{"Phone":null,"Fax":"2"}`).want(t, "update", 204, "")
	a.do("POST", "/sobjects/Account/"+id+"?_HttpMethod=PATCH", `{"Site":"x"}`).want(t, "update by POST", 204, "")
	a.do("GET", "/sobjects/Account/"+id+"?fields=Phone,Fax,Site,ShippingAddress", "").want(t, "get after update", 200,
		`{"attributes":{"type":"Account","url":"`+v64+`/sobjects/Account/`+id+`"},"ShippingAddress":null,"Phone":null,"Fax":"2","Site":"x"}`)
	a.do("DELETE", "/sobjects/Account/"+id, "").want(t, "delete", 204, "")
	gone := `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`
	a.do("DELETE", "/sobjects/Account/"+id, "").wantError(t, "delete twice", 404, "ENTITY_IS_DELETED")
	a.do("GET", "/sobjects/Account/"+id, "").want(t, "get deleted", 404, gone)
}

func TestRows_DatesAndNumbersKeepTheirText(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	id := a.do("POST", "/sobjects/Order__c", `{"Total__c":1234567890123456.78,"Quantity__c":5,"Discount__c":12.5,"Due__c":"2024-02-29",
		"Shipped_At__c":"2024-10-27T01:30:00.999+02:00","Pickup_Time__c":"23:59:59.999Z","Paid__c":true}`).id(t)
	a.do("GET", "/sobjects/Order__c/"+id+"?fields=Total__c,Quantity__c,Discount__c,Due__c,Shipped_At__c,Pickup_Time__c,Paid__c", "").want(t, "get", 200,
		`{"attributes":{"type":"Order__c","url":"`+v64+`/sobjects/Order__c/`+id+`"},"Total__c":1234567890123456.78,"Quantity__c":5.0,"Discount__c":12.5,`+
			`"Paid__c":true,"Due__c":"2024-02-29","Shipped_At__c":"2024-10-26T23:30:00.000+0000","Pickup_Time__c":"23:59:59.999Z"}`)
}

func TestRows_RefusalsHaveStatusAndCode(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	id := a.do("POST", "/sobjects/Account", `{"Name":"A","ERP_Id__c":"E1"}`).id(t)
	for _, tc := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/sobjects/Account", `{}`, 400, "REQUIRED_FIELD_MISSING"},
		{"POST", "/sobjects/Account", `{"Name":"B","Id":"` + id + `"}`, 400, "INVALID_FIELD"},
		{"POST", "/sobjects/Account", `{"Name":"B","Nope":1}`, 400, "INVALID_FIELD"},
		{"POST", "/sobjects/Account", `{"Name":"B","ERP_Id__c":"e1"}`, 400, "DUPLICATE_VALUE"},
		{"POST", "/sobjects/Account", `{"Name":"` + strings.Repeat("x", 256) + `"}`, 400, "STRING_TOO_LONG"},
		{"POST", "/sobjects/Account", `{"Name":"B","Tier__c":"Tin"}`, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"POST", "/sobjects/Account", `{"Name":"B","BillingAddress":{"city":"x"}}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"POST", "/sobjects/Account", `{"Name":"B"`, 400, "JSON_PARSER_ERROR"},
		{"POST", "/sobjects/Account", `["Name"]`, 400, "JSON_PARSER_ERROR"},
		{"POST", "/sobjects/Nope", `{}`, 404, "NOT_FOUND"},
		{"PUT", "/sobjects/Account/" + id, `{}`, 405, "METHOD_NOT_ALLOWED"},
		{"PATCH", "/sobjects/Account/" + id, `{"Id":"` + id + `"}`, 400, "INVALID_FIELD"},
		{"PATCH", "/sobjects/Account/001SB00000zzzzz", `{}`, 404, "NOT_FOUND"},
		{"DELETE", "/sobjects/Account/001SB00000zzzzz", "", 404, "INVALID_CROSS_REFERENCE_KEY"},
		{"GET", "/sobjects/Account/nonsense", "", 404, "NOT_FOUND"},
		{"GET", "/sobjects/Contact/" + id, "", 404, "NOT_FOUND"},
		{"GET", "/sobjects/Account/" + id + "?fields=Nope", "", 400, "INVALID_FIELD"},
		{"PATCH", "/sobjects/Account/Nope__c/1", `{"Name":"x"}`, 404, "NOT_FOUND"},
		{"PATCH", "/sobjects/Account/ERP_Id__c/E1", `{"ERP_Id__c":"E1"}`, 400, "INVALID_FIELD"},
		{"PATCH", "/sobjects/Account/ERP_Id__c/new?updateOnly=true", `{"Name":"x"}`, 404, "NOT_FOUND"},
		{"POST", "/sobjects/Contact", `{"LastName":"L","Account":{"ERP_Id__c":"none"}}`, 400, "INVALID_FIELD"},
		{"GET", "/query?q=SELECT+FROM", "", 400, "MALFORMED_QUERY"},
		{"GET", "/query?q=SELECT+Nope+FROM+Account", "", 400, "INVALID_FIELD"},
		{"GET", "/query/01gSB0000000001-2000", "", 400, "INVALID_QUERY_LOCATOR"},
		{"GET", "/nothing", "", 404, "NOT_FOUND"},
	} {
		a.do(tc.method, tc.path, tc.body).wantError(t, tc.method+" "+tc.path+" "+tc.body, tc.status, tc.code)
	}
	if n := a.org.Count("Account"); n != 1 {
		t.Errorf("%d accounts after refused writes, want 1", n)
	}
}

func TestUpsert_AnswersByVersionAndMatches(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	key := "/sobjects/Account/ERP_Id__c/a%2Fb+c%20d.inc"
	first := a.do("PATCH", key, `{"Name":"one"}`)
	id := first.id(t)
	first.want(t, "insert", 201, `{"id":"`+id+`","success":true,"errors":[],"created":true}`)
	if got := a.org.Get(id).Get("ERP_Id__c").Text(); got != "a/b+c d.inc" {
		t.Errorf("key %q, want %q", got, "a/b+c d.inc")
	}
	a.do("PATCH", key, `{"Name":"two"}`).want(t, "update", 200, `{"id":"`+id+`","success":true,"errors":[],"created":false}`)
	a.do("PATCH", "/services/data/v45.0/sobjects/Account/ERP_Id__c/a%2Fb+c%20d.inc", `{"Name":"three"}`).want(t, "update in 45.0", 204, "")
	a.do("POST", "/sobjects/Account/Id", `{"Name":"four"}`).id(t)
	a.do("POST", "/sobjects/Contact", `{"LastName":"L","Account":{"ERP_Id__c":"A/B+C D.INC"}}`).id(t)
	a.do("DELETE", key, "").want(t, "delete by external id", 204, "")

	for range 2 { // Partner_Ref__c is an external id that need not be unique
		a.do("POST", "/sobjects/Order__c", `{"Partner_Ref__c":"P1"}`).id(t)
	}
	ans := a.do("PATCH", "/sobjects/Order__c/Partner_Ref__c/P1", `{"Paid__c":true}`)
	var urls []string
	ans.into(t, &urls)
	if ans.status != 300 || len(urls) != 2 || !strings.HasPrefix(urls[0], v64+"/sobjects/Order__c/a01") {
		t.Errorf("several matches: %d %s, want 300 and two URLs", ans.status, ans.body)
	}
}

func TestQuery_PagesOfASession(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	var names []string
	do(t, a.org, func(tx *orgsim.Tx) error {
		for i := range 450 {
			name := fmt.Sprintf("A%03d", i)
			names = append(names, name)
			if _, err := tx.Insert("Account", vals{"Name": orgsim.String(name)}); err != nil {
				return err
			}
		}
		return nil
	})
	type page struct {
		TotalSize      int
		Done           bool
		NextRecordsURL string `json:"nextRecordsUrl"`
		Records        []struct{ Name string }
	}
	var got []string
	var first page
	next := v64 + "/query?q=" + url.QueryEscape("SELECT Name FROM Account ORDER BY Name")
	for i := 0; next != ""; i++ {
		var p page
		a.do("GET", next, "", "Sforce-Query-Options", "batchSize=200").into(t, &p)
		if i == 0 {
			first = p
		}
		if p.TotalSize != 450 || p.Done != (p.NextRecordsURL == "") {
			t.Fatalf("page %d: total %d, done %v, next %q", i, p.TotalSize, p.Done, p.NextRecordsURL)
		}
		for _, r := range p.Records {
			got = append(got, r.Name)
		}
		next = p.NextRecordsURL
	}
	if strings.Join(got, ",") != strings.Join(names, ",") {
		t.Errorf("pages hold %d names, want the 450 in order", len(got))
	}
	a.org.AddToken("another", a.org.IntegrationUser())
	a.token = "another"
	a.do("GET", first.NextRecordsURL, "").wantError(t, "page of another session", 400, "INVALID_QUERY_LOCATOR")
}

func TestQuery_ShowsParentsChildrenAndCounts(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	acc := a.do("POST", "/sobjects/Account", `{"Name":"Acme","BillingCity":"Oslo"}`).id(t)
	con := a.do("POST", "/sobjects/Contact", `{"LastName":"Ek","FirstName":"Bo","AccountId":"`+acc+`"}`).id(t)
	ord := a.do("POST", "/sobjects/Order__c", `{"Account__c":"`+acc+`","Total__c":5}`).id(t)
	attr := func(object, id string) string {
		return `"attributes":{"type":"` + object + `","url":"` + v64 + `/sobjects/` + object + `/` + id + `"}`
	}
	a.query("SELECT Id, Name, Account.Name, Account.Owner.Alias FROM Contact").want(t, "parents", 200,
		`{"totalSize":1,"done":true,"records":[{`+attr("Contact", con)+`,"Id":"`+con+`","Name":"Bo Ek","Account":{`+attr("Account", acc)+
			`,"Name":"Acme","Owner":{`+attr("User", a.org.IntegrationUser())+`,"Alias":"integ"}}}]}`)
	a.query("SELECT Name, (SELECT Total__c FROM Orders__r), (SELECT Id FROM Opportunities) FROM Account").want(t, "children", 200,
		`{"totalSize":1,"done":true,"records":[{`+attr("Account", acc)+`,"Name":"Acme","Orders__r":{"totalSize":1,"done":true,"records":[{`+
			attr("Order__c", ord)+`,"Total__c":5.0}]},"Opportunities":null}]}`)
	a.query("SELECT COUNT() FROM Account").want(t, "count", 200, `{"totalSize":1,"done":true,"records":[]}`)
	a.query("SELECT COUNT(Id) n FROM Account").want(t, "aggregate", 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"n":1}]}`)
	a.do("DELETE", "/sobjects/Account/"+acc, "")
	a.query("SELECT COUNT() FROM Account").want(t, "deleted rows", 200, `{"totalSize":0,"done":true,"records":[]}`)
	a.do("GET", "/queryAll?q="+url.QueryEscape("SELECT COUNT() FROM Account WHERE IsDeleted = true"), "").want(t, "queryAll", 200,
		`{"totalSize":1,"done":true,"records":[]}`)
}

func TestDescribe_FollowsTheFieldTable(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	ans := a.do("GET", "/sobjects/Account/describe", "")
	var d struct {
		Name, KeyPrefix string
		Fields          []map[string]any
		ChildRelations  []map[string]any `json:"childRelationships"`
	}
	ans.into(t, &d)
	byName := map[string]map[string]any{}
	for _, f := range d.Fields {
		byName[f["name"].(string)] = f
	}
	def := a.org.Object("Account")
	if d.Name != "Account" || d.KeyPrefix != "001" || len(d.Fields) != len(def.Fields) {
		t.Fatalf("describe %s %s with %d fields, want Account 001 with %d", d.Name, d.KeyPrefix, len(d.Fields), len(def.Fields))
	}
	if f := byName["ERP_Id__c"]; f["externalId"] != true || f["unique"] != true || f["length"] != 40.0 {
		t.Errorf("ERP_Id__c: %v", f)
	}
	if f := byName["BillingCity"]; f["compoundFieldName"] != "BillingAddress" || f["createable"] != true || byName["BillingAddress"]["createable"] != false {
		t.Errorf("compound flags: %v, %v", f, byName["BillingAddress"])
	}
	seen := ans.header.Get("Last-Modified")
	if got := a.do("GET", "/sobjects/Account/describe", "", "If-Modified-Since", seen); got.status != 304 || got.body != "" {
		t.Errorf("If-Modified-Since %s: %d %q, want 304 and no body", seen, got.status, got.body)
	}
	var global struct{ Sobjects []map[string]any }
	a.do("GET", "/sobjects/", "").into(t, &global)
	if len(global.Sobjects) != len(a.org.Objects()) {
		t.Errorf("describe global lists %d objects, want %d", len(global.Sobjects), len(a.org.Objects()))
	}
	if got := a.do("GET", "", ""); !strings.Contains(got.body, `"identity":"http://org.example/id/`+a.org.OrgID()) {
		t.Errorf("root of the version: %s, want a key identity", got.body)
	}
}

func TestConditions_OnRows(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	id := a.do("POST", "/sobjects/Account", `{"Name":"A"}`).id(t)
	row := "/sobjects/Account/" + id
	tag := a.do("GET", row, "").header.Get("ETag")
	if tag == "" {
		t.Fatal("an account came without ETag")
	}
	a.do("GET", row, "", "If-None-Match", tag).want(t, "If-None-Match", 304, "")
	a.do("PATCH", row, `{"Name":"B"}`, "If-Match", tag).want(t, "If-Match", 204, "")
	a.do("PATCH", row, `{"Name":"C"}`, "If-Match", tag).wantError(t, "If-Match with the old tag", 412, "PRECONDITION_FAILED")
	a.do("PATCH", row, `{"Name":"C"}`, "If-Unmodified-Since", "Mon, 02 Mar 1998 09:00:00 GMT").wantError(t, "If-Unmodified-Since", 412, "PRECONDITION_FAILED")
	a.do("PATCH", row, `{"Name":"C"}`, "If-Unmodified-Since", "yesterday").wantError(t, "no date", 400, "INVALID_CONDITIONAL_VALUE")
	if got := a.org.Get(id).Get("Name").Text(); got != "B" {
		t.Errorf("name %q after refused writes, want B", got)
	}
}

func TestLimits_CountAndEnd(t *testing.T) {
	a := newAPI(t, orgsim.Config{REST: orgsim.RESTConfig{DailyAPILimit: 3}})
	if got := a.do("GET", "/sobjects", "").header.Get("Sforce-Limit-Info"); got != "api-usage=1/3" {
		t.Errorf("first call: %q, want api-usage=1/3", got)
	}
	a.do("GET", "/sobjects", "")
	var limits map[string]struct{ Max, Remaining int }
	a.do("GET", "/limits", "").into(t, &limits)
	if got := limits["DailyApiRequests"]; got.Max != 3 || got.Remaining != 0 {
		t.Errorf("limits: %+v, want 3 and 0", got)
	}
	a.do("GET", "/sobjects", "").wantError(t, "over the limit", 403, "REQUEST_LIMIT_EXCEEDED")
}

func TestBodies_PackedBothWays(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	io.WriteString(zw, `{"Name":"Zoë 東京"}`)
	zw.Close()
	id := a.do("POST", "/sobjects/Account", packed.String(), "Content-Encoding", "gzip").id(t)
	if got := a.org.Get(id).Get("Name").Text(); got != "Zoë 東京" {
		t.Errorf("name %q, want %q", got, "Zoë 東京")
	}
	ans := a.do("GET", "/sobjects/Account/describe", "", "Accept-Encoding", "gzip")
	zr, err := gzip.NewReader(strings.NewReader(ans.body))
	if err != nil || ans.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("answer is not packed: %v", err)
	}
	if text, err := io.ReadAll(zr); err != nil || !json.Valid(text) {
		t.Errorf("unpacked answer: %v, %d bytes, want JSON", err, len(text))
	}
	if got := a.do("GET", "/limits", "", "X-PrettyPrint", "1").body; !strings.HasPrefix(got, "{\n  \"") {
		t.Errorf("pretty print: %.20q", got)
	}
}

func TestHTTPFaults_StrikeAndPass(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	a.org.InjectHTTP(orgsim.HTTPFault{Method: "POST", Path: "/sobjects/", After: 1, Count: 1, Code: "UNABLE_TO_LOCK_ROW", Text: "unable to obtain exclusive access"})
	a.do("POST", "/sobjects/Account", `{"Name":"1"}`).id(t)
	a.do("POST", "/sobjects/Account", `{"Name":"2"}`).wantError(t, "second", 400, "UNABLE_TO_LOCK_ROW")
	a.do("POST", "/sobjects/Account", `{"Name":"3"}`).id(t)

	a.org.InjectHTTP(orgsim.HTTPFault{CutAfter: true, Count: 1})
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the connection was not cut")
			}
		}()
		a.do("POST", "/sobjects/Account", `{"Name":"4"}`)
	}()
	if n := a.org.Count("Account"); n != 3 {
		t.Errorf("%d accounts, want 3: the work of the cut call is done", n)
	}
	a.org.InjectHTTP(orgsim.HTTPFault{Status: 503, HTML: true, Text: "busy", RetryAfter: 1500 * time.Millisecond})
	page := a.do("GET", "/limits", "")
	page.want(t, "edge page", 503, "<html><body>busy</body></html>")
	if got := page.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want whole seconds", got)
	}
	a.org.ClearHTTP()
	if got := a.do("GET", "/limits", ""); got.status != 200 {
		t.Errorf("after clearing: %d, want 200", got.status)
	}
}
