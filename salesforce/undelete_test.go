package salesforce_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/salesforce"
)

const soapPath = "POST /services/Soap/u/64.0"

// soapAnswer is an envelope with something in its body.
func soapAnswer(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<soapenv:Header><LimitInfoHeader><limitInfo><current>11</current><limit>1000</limit><type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header>` +
		`<soapenv:Body>` + body + `</soapenv:Body></soapenv:Envelope>`
}

func soapFault(code, message string) string {
	return soapAnswer(fmt.Sprintf(`<soapenv:Fault><faultcode>sf:%[1]s</faultcode><faultstring>%[1]s: %[2]s</faultstring><detail>`+
		`<sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"><sf:exceptionCode>%[1]s</sf:exceptionCode>`+
		`<sf:exceptionMessage>%[2]s</sf:exceptionMessage></sf:UnexpectedErrorFault></detail></soapenv:Fault>`, code, message))
}

func TestUndelete_SpeaksSOAPAndTellsEachOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOrg(t)
		var body, action, authorization string
		f.HandleFunc(soapPath, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			body, action, authorization = string(b), r.Header.Get("SOAPAction"), r.Header.Get("Authorization")
			fmt.Fprint(w, soapAnswer(`<undeleteResponse><result><id>001000000000001AAA</id><success>true</success></result>`+
				`<result><errors><message>entity is not in the recycle bin</message><statusCode>UNDELETE_FAILED</statusCode></errors>`+
				`<id xsi:nil="true"/><success>false</success></result></undeleteResponse>`))
		})
		c := f.api(t).With(salesforce.Options{AllowDuplicates: true})
		out, err := c.UndeleteMany(t.Context(), []string{"001000000000001AAA", "<&>"})
		if err != nil {
			t.Fatal(err)
		}
		if out[0].Err != nil || out[0].ID != "001000000000001AAA" {
			t.Errorf("first outcome %+v", out[0])
		}
		if out[1].Err == nil || out[1].Err.Code != "UNDELETE_FAILED" || out[1].ID != "<&>" || out[1].Err.Class() != salesforce.ClassData {
			t.Errorf("second outcome %+v", out[1])
		}
		for _, part := range []string{
			"<u:sessionId>token-1</u:sessionId>", "<u:client>sfbridge-crm</u:client>", "<u:ids>&lt;&amp;&gt;</u:ids>",
			"<u:allowSave>true</u:allowSave>", "<u:allOrNone>false</u:allOrNone>",
		} {
			if !strings.Contains(body, part) {
				t.Errorf("request lacks %s:\n%s", part, body)
			}
		}
		if action != `""` || authorization != "" {
			t.Errorf("SOAPAction %s, Authorization %q", action, authorization)
		}
		if u := c.APIUsage(); u.Used != 11 || u.Limit != 1000 {
			t.Errorf("usage %+v, want what the LimitInfoHeader says", u)
		}
	})
}

func TestUndelete_FaultsAreErrorsWithClasses(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		code   string
		class  salesforce.Class
	}{
		"limit":              {500, soapFault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), "REQUEST_LIMIT_EXCEEDED", salesforce.ClassLimit},
		"data, in spite 500": {500, soapFault("MALFORMED_ID", "no id"), "MALFORMED_ID", salesforce.ClassData},
		"busy":               {500, soapFault("SERVER_UNAVAILABLE", "busy"), "SERVER_UNAVAILABLE", salesforce.ClassTransient},
		"no detail":          {500, soapAnswer(`<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>bad</faultstring></soapenv:Fault>`), "Client", salesforce.ClassData},
		"the server's":       {500, soapAnswer(`<soapenv:Fault><faultcode>soapenv:Server</faultcode><faultstring>bad</faultstring></soapenv:Fault>`), "", salesforce.ClassTransient},
		"page of the edge":   {503, "<html><body>Service Unavailable<br></body></html>", "", salesforce.ClassTransient},
		"no session":         {500, soapFault("INVALID_SESSION_ID", "expired"), "INVALID_SESSION_ID", salesforce.ClassAuth},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newOrg(t)
				f.HandleFunc(soapPath, func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(tc.status)
					fmt.Fprint(w, tc.body)
				})
				_, err := f.api(t).UndeleteMany(t.Context(), []string{"001000000000001AAA"})
				e, ok := errors.AsType[*salesforce.Error](err)
				if !ok || e.Code != tc.code || e.Class() != tc.class || e.Status != tc.status {
					t.Errorf("error %#v (%v), want code %q, class %v", e, err, tc.code, tc.class)
				}
				if strings.Contains(err.Error(), "token-") {
					t.Errorf("the error shows the session: %v", err)
				}
			})
		})
	}
}

func TestUndelete_LostSessionIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOrg(t)
		f.HandleFunc(soapPath, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(b), ">token-2<") {
				w.WriteHeader(500)
				fmt.Fprint(w, soapFault("INVALID_SESSION_ID", "expired"))
				return
			}
			fmt.Fprint(w, soapAnswer(`<undeleteResponse><result><id>001000000000001AAA</id><success>true</success></result></undeleteResponse>`))
		})
		out, err := f.api(t).UndeleteMany(t.Context(), []string{"001000000000001AAA"})
		if err != nil || out[0].Err != nil {
			t.Errorf("outcome %+v, %v", out, err)
		}
	})
}

func TestUndelete_LostAnswer_SecondAttemptIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOrg(t)
		calls := 0
		f.HandleFunc(soapPath, func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				panic(http.ErrAbortHandler) // after the org did it
			}
			fmt.Fprint(w, soapAnswer(`<undeleteResponse><result><errors><message>not deleted</message><statusCode>UNDELETE_FAILED</statusCode></errors>`+
				`<id>001000000000001AAA</id><success>false</success></result></undeleteResponse>`))
		})
		out, err := f.api(t).UndeleteMany(t.Context(), []string{"001000000000001AAA"})
		if err != nil || out[0].Err != nil || calls != 2 {
			t.Errorf("%d calls, outcome %+v, %v", calls, out, err)
		}
	})
}

func TestUndelete_HostileAnswersAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"document type":  `<!DOCTYPE x [<!ENTITY a "b">]>` + soapAnswer(`<undeleteResponse/>`)[38:],
		"entity":         soapAnswer(`<undeleteResponse><result><id>&lol;</id></result></undeleteResponse>`),
		"too deep":       soapAnswer(strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)),
		"two documents":  soapAnswer("") + "<x/>",
		"encoding":       `<?xml version="1.0" encoding="ISO-8859-1"?><x/>`,
		"other root":     `<Envelope><Body/></Envelope>`,
		"too few":        soapAnswer(`<undeleteResponse/>`),
		"nothing":        "",
		"more than fits": soapAnswer(strings.Repeat(" ", 1<<16)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newOrg(t)
				f.HandleFunc(soapPath, text(body))
				c := f.api(t, func(cfg *salesforce.Config) { cfg.MaxResponseBytes = 1 << 15 })
				began := time.Now()
				if out, err := c.UndeleteMany(t.Context(), []string{"001000000000001AAA"}); err == nil || salesforce.Retryable(err) {
					t.Errorf("outcome %+v, error %v: want a permanent one", out, err)
				}
				if d := time.Since(began); d > 0 {
					t.Errorf("it was tried again for %v", d)
				}
			})
		})
	}
}

func TestError_TheTwoMeaningsOfTheRequestLimit(t *testing.T) {
	for message, daily := range map[string]bool{
		"TotalRequests Limit exceeded.":                                  true,
		"ConcurrentRequests (Concurrent API Requests) Limit exceeded.":   false,
		"something that nobody has seen yet":                             true,
		"ConcurrentPerOrgLongTxn: ConcurrentRequests limit was exceeded": false,
	} {
		e := &salesforce.Error{Code: "REQUEST_LIMIT_EXCEEDED", Message: message}
		if e.Daily() != daily || e.Concurrent() == daily {
			t.Errorf("%s: daily %v, concurrent %v", message, e.Daily(), e.Concurrent())
		}
	}
	if e := (&salesforce.Error{Code: "UNABLE_TO_LOCK_ROW"}); e.Daily() || e.Concurrent() {
		t.Error("a lock is taken for a limit")
	}
}

func TestWith_SendsOptionsWithWritesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOrg(t)
		seen := map[string]http.Header{}
		f.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			seen[r.Method+" "+r.URL.Path] = r.Header
			switch {
			case r.Method == http.MethodGet:
				reply(w, 200, map[string]any{})
			case strings.Contains(r.URL.Path, "/composite/"):
				reply(w, 200, []any{map[string]any{"id": "001000000000001AAA", "success": true}})
			default:
				reply(w, 201, map[string]any{"id": "001000000000001AAA", "success": true})
			}
		})
		c := f.api(t)
		set := c.With(salesforce.Options{AllowDuplicates: true, AutoAssign: "FALSE"})
		one := salesforce.Record{"Name": "a"}
		_, err1 := set.Insert(t.Context(), "Lead", one)
		err2 := set.Update(t.Context(), "Lead", "00Q000000000001AAA", one)
		_, _, err3 := set.Upsert(t.Context(), "Lead", "Ext__c", "x", one)
		_, err4 := set.InsertMany(t.Context(), "Lead", []salesforce.Record{one})
		_, err5 := set.Limits(t.Context())
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 5 {
			t.Fatalf("%d calls seen", len(seen))
		}
		for call, h := range seen {
			want, assign := "allowSave=true", "FALSE"
			if strings.HasPrefix(call, "GET") {
				want, assign = "", ""
			}
			if h.Get("Sforce-Duplicate-Rule-Header") != want || h.Get("Sforce-Auto-Assign") != assign {
				t.Errorf("%s: headers %v", call, h)
			}
		}
		clear(seen)
		if _, err := c.Insert(t.Context(), "Lead", one); err != nil {
			t.Fatal(err)
		}
		for _, h := range seen {
			if h.Get("Sforce-Duplicate-Rule-Header") != "" {
				t.Error("the client that With was called on sends the options too")
			}
		}
	})
}

func TestOptions_Check(t *testing.T) {
	for assign, ok := range map[string]bool{"": true, "FALSE": true, "true": true, "01Q000000000001": true, "01Q000000000001AAA": true, "no": false, "01Q00000000000\r": false} {
		if err := (salesforce.Options{AutoAssign: assign}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", assign, err)
		}
	}
}
