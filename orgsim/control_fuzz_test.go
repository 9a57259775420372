package orgsim_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

// FuzzControl holds that no body makes the control API panic, and that every
// answer is JSON.
func FuzzControl(f *testing.F) {
	for _, seed := range [][2]string{
		{"/transact", `{"operations":[{"op":"upsert","object":"Order__c","external_id":"ERP_Id__c","key":"7","fields":{"Account__c":"$0"}}]}`},
		{"/alter", `{"object":"Account","before":"Phone","add":[{"name":"Region__c","type":"picklist","picklist":["North"]}],"remove":["Fax"],"change":[null]}`},
		{"/faults", `{kind: stall, at: 30s, delay: 2m}`},
		{"/http-faults", `{"path":"/limits","delay":"1ms"}`},
		{"/rules", `{validation: [{object: Account, message: m, when: [{field: Phone, op: "null"}]}], duplicates: [{object: Contact, fields: [Email]}], governor: [{object: Account, rows: 5}]}`},
		{"/locks", `{ids: ["001SB0000000001"], for: 30s}`},
		{"/bulk-faults", `{kind: fail, object: Account, rows: 200, count: 1, text: TooManyLockFailure}`},
		{"/channels", `{"name":"/data/Sales__chn","members":[{"object":"Account","enriched":["Name"]}]}`},
		{"/gap", `{"object":"Account","type":"GAP_UPDATE","ids":["001SB0000000001"]}`},
		{"/publish", `{"event":"Shipment__e","fields":{"Weight__c":"x"}}`},
		{"/access", `{"hidden":{"Account":["Phone"]}}`},
		{"/move", "a: &a [*a]"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		if strings.ContainsAny(path, " ?#%") || strings.HasPrefix(path, "/work") {
			return
		}
		org, err := orgsim.New(orgsim.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer org.Close()
		r := httptest.NewRequest("POST", "http://127.0.0.1/_control", strings.NewReader(body))
		r.URL.Path += path
		w := httptest.NewRecorder()
		r.RemoteAddr = "pipe"
		org.ControlHandler().ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %q: %d %q", path, body, w.Code, w.Body)
		}
	})
}

// FuzzLogin holds that no form, assertion or SOAP envelope makes the login
// panic, and that none gets in without credentials.
func FuzzLogin(f *testing.F) {
	org, err := orgsim.New(orgsim.Config{OAuth: orgsim.OAuthConfig{PasswordFlow: true}})
	if err != nil {
		f.Fatal(err)
	}
	defer org.Close()
	f.Add("/services/oauth2/token", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=e30.e30.")
	f.Add("/services/oauth2/token", "grant_type=refresh_token&client_id=3MVG9.simulated.connected.app&refresh_token=x")
	f.Add("/services/oauth2/introspect", "token=x&client_id=3MVG9.simulated.connected.app")
	f.Add("/services/oauth2/revoke", "token=x")
	f.Add("/services/Soap/u/57.0/", "<e:Envelope xmlns:e='x'><e:Body><login><username>a</username><password>b</password></login></e:Body></e:Envelope>")
	f.Fuzz(func(t *testing.T, path, body string) {
		if !strings.HasPrefix(path, "/services/") || strings.HasPrefix(path, "/services/data") {
			return
		}
		r := httptest.NewRequest("POST", "http://org.example/", strings.NewReader(body))
		r.URL.Path = path
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		org.HTTPHandler().ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), org.OrgID()[:15]+"!") && !strings.Contains(body, orgsim.DefaultClientSecret) {
			t.Errorf("%s %q: logged in: %d %s", path, body, w.Code, w.Body)
		}
	})
}
