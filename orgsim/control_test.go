package orgsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

// steer calls the control API and decodes the answer.
func steer(t *testing.T, org *orgsim.Org, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1/_control"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	w := httptest.NewRecorder()
	org.ControlHandler().ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s %s: %d %q: %v", method, path, w.Code, w.Body, err)
	}
	return w.Code, out
}

// steered is steer for calls that must go well.
func steered(t *testing.T, org *orgsim.Org, method, path, body string) map[string]any {
	t.Helper()
	status, out := steer(t, org, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

func TestControl_TransactsAListOfOperations(t *testing.T) {
	org := newOrg(t, orgsim.Config{KeepLedger: -1})
	out := steered(t, org, "POST", "/transact", `{"caller":{"api":"rest","client":"foreign"},"operations":[
		{"op":"insert","object":"Account","fields":{"Name":"Acme","AnnualRevenue":999999999999999999}},
		{"op":"insert","object":"Contact","fields":{"LastName":"Ek","AccountId":"$0"}},
		{"op":"update","id":"$0","fields":{"Phone":"1"}},
		{"op":"upsert","object":"Order__c","external_id":"ERP_Id__c","key":"7","fields":{"Account__c":"$0"}},
		{"op":"update","id":"$0","fields":{"Nope":1}},
		{"op":"delete","id":"$1"}]}`)
	results, _ := out["results"].([]any)
	if len(results) != 6 || out["committed"] != true {
		t.Fatalf("answer %v", out)
	}
	acc := org.Get(results[0].(map[string]any)["id"].(string))
	if acc.Get("AnnualRevenue").String() != "999999999999999999" || acc.Get("Phone").String() != "1" {
		t.Errorf("account %v", acc.Fields())
	}
	if code := results[4].(map[string]any)["code"]; code != "INVALID_FIELD" {
		t.Errorf("failed operation: %v, want INVALID_FIELD", results[4])
	}
	if org.Count("Contact") != 0 || org.Count("Order__c") != 1 {
		t.Errorf("%d contacts, %d orders, want 0 and 1", org.Count("Contact"), org.Count("Order__c"))
	}
	for _, e := range org.Ledger().Since(0) {
		if e.TransactionKey != out["transaction_key"] {
			t.Errorf("ledger entry %+v is of another transaction", e)
		}
	}
	ledger := steered(t, org, "GET", "/ledger", "")
	if counts, _ := ledger["counts"].(map[string]any); counts["Account"] != 1.0 || counts["Order__c"] != 1.0 {
		t.Errorf("ledger counts %v, want one account and one order", ledger)
	}
	out = steered(t, org, "POST", "/transact", `{"all_or_none":true,"operations":[
		{"op":"insert","object":"Account","fields":{"Name":"B"}},{"op":"insert","object":"Account"}]}`)
	if out["committed"] != false || org.Count("Account") != 1 {
		t.Errorf("all or none: %v, %d accounts, want nothing committed", out, org.Count("Account"))
	}
}

func TestControl_SteersWhatHappens(t *testing.T) {
	org := newOrg(t, orgsim.Config{KeepLedger: -1})
	id := insert(t, org, "Account", vals{"Name": orgsim.String("A")})
	before, _, err := org.EventSchema("AccountChangeEvent")
	if err != nil {
		t.Fatal(err)
	}
	out := steered(t, org, "POST", "/alter", `{"object":"account","before":"Phone","add":[{"name":"Region__c","type":"picklist","picklist":[{"value":"North"}]}]}`)
	after, text, err := org.EventSchema("AccountChangeEvent")
	if err != nil || after == before || out["schema_id"] != string(after) {
		t.Errorf("schema id %s after %s, answer %v, %v", after, before, out, err)
	}
	if strings.Index(text, "Region__c") > strings.Index(text, `"Phone"`) {
		t.Error("the new field does not stand in front of Phone")
	}
	steered(t, org, "POST", "/gap", `{"object":"Account","type":"GAP_UPDATE","ids":["`+id+`"]}`)
	steered(t, org, "POST", "/overflow", `{"object":"Account"}`)
	steered(t, org, "POST", "/wildcard", `{"object":"Account"}`)
	steered(t, org, "POST", "/publish", `{"event":"Shipment__e","fields":{"Order_Number__c":"O1","Weight__c":0.30}}`)
	var kinds []string
	for _, e := range org.Ledger().Since(1) {
		kinds = append(kinds, e.Object+":"+string(e.ChangeType)+":"+e.RecordID)
	}
	want := "Account:GAP_UPDATE:" + id + " Account:GAP_OVERFLOW:000000000000000AAA Account:UPDATE:001* Shipment__e::"
	if strings.Join(kinds, " ") != want {
		t.Errorf("ledger %v, want %s", kinds, want)
	}
	steered(t, org, "POST", "/channels", `{"name":"/data/Sales__chn","members":[{"object":"Account","enriched":["Name"]}]}`)
	if info := steered(t, org, "GET", "", ""); !strings.Contains(strings.Join(stringsOf(info["channels"]), " "), "/data/Sales__chn") {
		t.Errorf("channels %v, want the new one among them", info["channels"])
	}
	steered(t, org, "POST", "/move", `{"instance_url":"https://moved.example"}`)
	steered(t, org, "POST", "/access", `{"forbidden":["Contact"]}`)
	steered(t, org, "POST", "/capture", `{"object":"Contact","on":false}`)
}

func stringsOf(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		out[i], _ = list[i].(string)
	}
	return out
}

func TestControl_FaultsTokensAndCalls(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	token, _ := steered(t, a.org, "POST", "/tokens", "")["access_token"].(string)
	a.token = token
	steered(t, a.org, "POST", "/http-faults", `{"path":"/limits","count":1,"status":503,"code":"SERVER_UNAVAILABLE","delay":"1ms"}`)
	a.do("GET", "/limits", "").wantError(t, "fault", 503, "SERVER_UNAVAILABLE")
	if ans := a.do("GET", "/limits", "", "Sforce-Call-Options", "client=x"); ans.status != 200 {
		t.Errorf("after the fault: %d", ans.status)
	}
	steered(t, a.org, "POST", "/faults", `{"kind":"status","error_code":"service.unavailable","after":3}`)
	if waiting, _ := steered(t, a.org, "GET", "/faults", "")["faults"].([]any); len(waiting) != 1 {
		t.Errorf("%d faults wait, want 1", len(waiting))
	}
	steered(t, a.org, "DELETE", "/faults", "")
	if waiting, _ := steered(t, a.org, "GET", "/faults", "")["faults"].([]any); len(waiting) != 0 {
		t.Errorf("%d faults wait after clearing, want none", len(waiting))
	}
	var calls struct{ Calls []orgsim.Call }
	text, err := json.Marshal(steered(t, a.org, "GET", "/calls?since=0", ""))
	if err != nil || json.Unmarshal(text, &calls) != nil || len(calls.Calls) != 2 {
		t.Fatalf("calls %s, %v", text, err)
	}
	if c := calls.Calls[0]; c.Method != "GET "+v64+"/limits" || c.Status != "503" || c.ErrorCode != "SERVER_UNAVAILABLE" {
		t.Errorf("first call %+v", c)
	}
	if c := calls.Calls[1]; c.Status != "200" || c.Client != "x" || c.UserID != a.org.IntegrationUser() || strings.Contains(string(text), token) {
		t.Errorf("second call %+v, or the log holds the token", c)
	}
	if n := steered(t, a.org, "POST", "/tokens/expire", "")["ended"]; n != 2.0 {
		t.Errorf("expired %v tokens, want 2", n)
	}
	a.do("GET", "/limits", "").wantError(t, "expired", 401, "INVALID_SESSION_ID")
	refresh := steered(t, a.org, "POST", "/refresh-tokens", "")["refresh_token"].(string)
	if out := steered(t, a.org, "POST", "/tokens/revoke", `{"token":"`+refresh+`"}`); out["ended"] != true {
		t.Errorf("revoke: %v", out)
	}
	steered(t, a.org, "POST", "/tokens/revoke", `{"end_streams":true}`)
	steered(t, a.org, "POST", "/streams/end", "")
}

func TestControl_RefusesStrangersAndNonsense(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for _, tc := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"another machine", func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" }, 403},
		{"a web page", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"in memory", func(r *http.Request) { r.RemoteAddr = "pipe" }, 200},
	} {
		r := httptest.NewRequest("GET", "http://127.0.0.1/_control/ledger", nil)
		r.RemoteAddr = "127.0.0.1:1"
		tc.change(r)
		w := httptest.NewRecorder()
		org.ControlHandler().ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, w.Code, tc.status)
		}
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
		words              string
	}{
		{"GET", "/nothing", "", 404, "no such call"},
		{"POST", "/transact", `{"operations":[}`, 400, "read operations"},
		{"POST", "/faults", `{"kind":"gremlin"}`, 400, "want one of"},
		{"POST", "/faults", `{"knd":"stall"}`, 400, "knd"},
		{"POST", "/gap", `{"object":"Nope","ids":["001SB0000000001"]}`, 400, "no object"},
		{"POST", "/alter", `{"object":"Account","before":"Nope"}`, 400, `no field "Nope"`},
		{"POST", "/publish", `{"event":"Account"}`, 400, "no such platform event"},
		{"POST", "/tokens", `{"username":"who"}`, 400, "no user"},
		{"POST", "/access", `{"user_id":"who"}`, 400, "no user"},
		{"GET", "/calls?since=x", "", 400, "whole number"},
	} {
		status, out := steer(t, org, tc.method, tc.path, tc.body)
		if words, _ := out["error"].(string); status != tc.status || !strings.Contains(words, tc.words) {
			t.Errorf("%s %s %s: %d %v, want %d with %q", tc.method, tc.path, tc.body, status, out, tc.status, tc.words)
		}
	}
	out := steered(t, org, "POST", "/transact", `{"operations":[{"op":"insert","object":"Nope"},{"op":"explode","object":"Account"},{"op":"delete","id":"$0"}]}`)
	var codes []string
	for _, r := range out["results"].([]any) {
		codes = append(codes, r.(map[string]any)["code"].(string))
	}
	if got := strings.Join(codes, " "); got != "INVALID_TYPE INVALID_OPERATION MALFORMED_ID" {
		t.Errorf("codes %s", got)
	}
}

func TestControl_EveryCallIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range newOrg(t, orgsim.Config{}).ControlRoutes() {
		method, path, _ := strings.Cut(route, " ")
		documented := false
		for line := range strings.Lines(string(page)) {
			at := strings.Index(line, path)
			if at < 0 || !strings.Contains(line[:at], method) {
				continue
			}
			rest := line[at+len(path):]
			documented = documented || rest[0] == '`' || rest[0] == '?'
		}
		if !documented {
			t.Errorf("docs/simulator.md does not tell of %s", route)
		}
	}
}
