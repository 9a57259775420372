package orgsim_test

import (
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
)

const soapURL = "/services/Soap/u/64.0"

func (a *api) soap(header, body string) answer {
	a.t.Helper()
	return a.do("POST", soapURL, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><e:Header><SessionHeader><sessionId>`+
		a.token+`</sessionId></SessionHeader>`+header+`</e:Header><e:Body>`+body+`</e:Body></e:Envelope>`, "Content-Type", "text/xml; charset=UTF-8", "SOAPAction", `""`)
}

func TestSOAPUndelete_RowsComeBack_WithTheClientInTheirEvents(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	id := insert(t, a.org, "Account", vals{"Name": orgsim.String("Acme")})
	live := insert(t, a.org, "Account", vals{"Name": orgsim.String("Live")})
	do(t, a.org, func(tx *orgsim.Tx) error { return tx.Delete(id) })
	got := a.soap("<CallOptions><client>sfbridge-crm</client></CallOptions>", "<undelete><ids>"+id[:15]+"</ids><ids>"+live+"</ids><ids>x</ids></undelete>")
	if got.status != 200 || strings.Count(got.body, "<success>true</success>") != 1 || !strings.Contains(got.body, "<id>"+id+"</id><success>true</success>") ||
		!strings.Contains(got.body, "<statusCode>UNDELETE_FAILED</statusCode>") || !strings.Contains(got.body, "<statusCode>MALFORMED_ID</statusCode>") ||
		!strings.Contains(got.body, "<current>1</current>") {
		t.Errorf("answer %d %s", got.status, got.body)
	}
	if a.org.Get(id).Deleted {
		t.Error("the row is still in the bin")
	}
	if d := lastEvent(t, a.org, "Account"); d.ChangeOrigin != "com/salesforce/api/soap/64.0;client=sfbridge-crm" {
		t.Errorf("origin %s", d.ChangeOrigin)
	}
	do(t, a.org, func(tx *orgsim.Tx) error { return tx.Delete(id) })
	got = a.soap("<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>", "<undelete><ids>"+id+"</ids><ids>"+live+"</ids></undelete>")
	if !strings.Contains(got.body, "ALL_OR_NONE_OPERATION_ROLLED_BACK") || !a.org.Get(id).Deleted {
		t.Errorf("all or none: %s", got.body)
	}
}

func TestSOAPMerge_TakesTheLosersIn(t *testing.T) {
	a := newAPI(t, orgsim.Config{})
	winner := insert(t, a.org, "Account", vals{"Name": orgsim.String("Acme"), "Phone": orgsim.String("1")})
	loser := insert(t, a.org, "Account", vals{"Name": orgsim.String("ACME")})
	got := a.soap("", `<merge><request><masterRecord><type>Account</type><fieldsToNull>Phone</fieldsToNull><Id>`+winner+`</Id><Site>Oslo</Site></masterRecord>`+
		`<recordToMergeIds>`+loser+`</recordToMergeIds></request></merge>`)
	if got.status != 200 || !strings.Contains(got.body, "<mergedRecordIds>"+loser+"</mergedRecordIds><success>true</success>") {
		t.Fatalf("answer %d %s", got.status, got.body)
	}
	if r := a.org.Get(winner); r.Get("Site") != orgsim.String("Oslo") || !r.Get("Phone").IsNull() || a.org.Get(loser).Get("MasterRecordId") != orgsim.String(winner) {
		t.Errorf("winner %v", r.Fields())
	}
}

func TestSOAP_RefusalsAreFaults(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{DailyAPILimit: 3, Latency: time.Second}}, func(t *testing.T, a *api) {
		fault := func(what, code string, got answer) {
			t.Helper()
			if got.status != 500 || !strings.Contains(got.body, "<faultcode>sf:"+code+"</faultcode>") || !strings.Contains(got.body, "<sf:exceptionCode>"+code+"</sf:exceptionCode>") {
				t.Errorf("%s: %d %s, want a fault %s", what, got.status, got.body, code)
			}
		}
		began := time.Now()
		fault("unknown call", "INVALID_OPERATION", a.soap("", "<convertLead/>"))
		if took := time.Since(began); took != time.Second {
			t.Errorf("the call took %v, want the latency", took)
		}
		a.org.InjectHTTP(orgsim.HTTPFault{Path: "/Soap/", Code: "SERVER_UNAVAILABLE", Status: 503, Count: 1})
		fault("injected", "SERVER_UNAVAILABLE", a.soap("", "<undelete/>"))
		fault("too many", "EXCEEDED_ID_LIMIT", a.soap("", "<undelete>"+strings.Repeat("<ids>a</ids>", 201)+"</undelete>"))
		fault("limit", "REQUEST_LIMIT_EXCEEDED", a.soap("", "<undelete/>"))
		fault("no envelope", "INVALID_TYPE", a.do("POST", soapURL, "<a"))
		a.token = "gone"
		fault("session", "INVALID_SESSION_ID", a.soap("", "<undelete/>"))
	})
}
