package salesforce_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"sfbridge/salesforce"
)

func TestRequest_CarriesTokenAndClientName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/limits", func(w http.ResponseWriter, r *http.Request) {
			for key, want := range map[string]string{
				"Authorization": "Bearer token-1", "Sforce-Call-Options": "client=sfbridge-crm", "Accept": "application/json", "Accept-Encoding": "gzip",
			} {
				if got := r.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			w.Header().Set("Sforce-Limit-Info", "api-usage=4711/115000")
			fmt.Fprint(w, `{"DailyApiRequests":{"Max":115000,"Remaining":110289,"Some App":{"Max":0,"Remaining":0}},"DataStorageMB":{"Max":5,"Remaining":5}}`)
		})
		c := org.api(t)
		if u := c.APIUsage(); u != (salesforce.APIUsage{}) {
			t.Errorf("usage before any answer: %+v", u)
		}
		limits, err := c.Limits(t.Context())
		if err != nil || limits["DailyApiRequests"] != (salesforce.Limit{Max: 115000, Remaining: 110289}) || len(limits) != 2 {
			t.Errorf("limits %v, %v", limits, err)
		}
		if u := c.APIUsage(); u.Used != 4711 || u.Limit != 115000 || u.Remaining() != 110289 || !u.At.Equal(time.Now()) {
			t.Errorf("usage %+v", u)
		}
		want := `
# HELP sfbridge_salesforce_api_remaining API calls left to the org in the current 24 hours, as the latest answer told.
# TYPE sfbridge_salesforce_api_remaining gauge
sfbridge_salesforce_api_remaining 110289
`
		if err := testutil.GatherAndCompare(org.reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

func TestUsage_OddHeaders_ChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		header := ""
		org.HandleFunc("GET /services/data/v64.0/limits", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Sforce-Limit-Info", header)
			fmt.Fprint(w, `{}`)
		})
		c := org.api(t)
		for _, tt := range []struct {
			header string
			used   int64
		}{
			{"api-usage=5/100", 5},
			{"", 5},
			{"api-usage=", 5},
			{"api-usage=-1/100", 5},
			{"api-usage=a/b", 5},
			{"per-app-api-usage=17/250(appName=x), api-usage=6/100", 6},
			{"api-usage=7/100; per-app-api-usage=17/250(appName=x)", 7},
		} {
			header = tt.header
			if _, err := c.Limits(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.APIUsage().Used; got != tt.used {
				t.Errorf("after %q: used %d, want %d", tt.header, got, tt.used)
			}
		}
	})
}

func TestRefusedToken_IsRenewedAndTheRequestRepeatedOnce(t *testing.T) {
	for taken, want := range map[string]struct {
		calls int
		ok    bool
	}{
		"token-2": {2, true},
		"none":    {2, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			calls := 0
			org.HandleFunc("GET /services/oauth2/userinfo", func(w http.ResponseWriter, r *http.Request) {
				if calls++; r.Header.Get("Authorization") != "Bearer "+taken {
					expired(w)
					return
				}
				fmt.Fprint(w, `{"organization_id":"00DKX0000000001","user_id":"005KX000001AbCdYAK","preferred_username":"sync@acme.example"}`)
			})
			info, err := org.api(t).UserInfo(t.Context())
			if calls != want.calls || (err == nil) != want.ok {
				t.Errorf("%d calls, error %v; want %d, ok %v", calls, err, want.calls, want.ok)
			}
			if err == nil && (info.OrgID != "00DKX00000000012AA" || info.Username != "sync@acme.example") {
				t.Errorf("info %+v", info)
			}
			if e, ok := errors.AsType[*salesforce.Error](err); err != nil && (!ok || e.Class() != salesforce.ClassAuth || salesforce.Retryable(err)) {
				t.Errorf("error %v, want one of ClassAuth that is not retryable", err)
			}
		})
	}
}

func TestError_SaysWhatTheOrgSaid(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		says   string
		class  salesforce.Class
		after  time.Duration
	}{
		"one error": {
			400, nil, `[{"message":"No such column 'Old__c'","errorCode":"INVALID_FIELD","fields":["Old__c"]}]`,
			"GET /services/data/v64.0/limits: INVALID_FIELD: No such column 'Old__c' [Old__c] (HTTP 400); check the field's name", salesforce.ClassData, 0,
		},
		"two errors": {400, nil, `[{"message":"a","errorCode":"X"},{"message":"b","errorCode":"Y"}]`, "X: a (HTTP 400) and 1 more", salesforce.ClassData, 0},
		"lock":       {400, nil, `[{"message":"unable","errorCode":"UNABLE_TO_LOCK_ROW"}]`, "UNABLE_TO_LOCK_ROW", salesforce.ClassTransient, 0},
		"day's limit": {
			403, nil, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`,
			"REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded. (HTTP 403); the org's API calls are used up", salesforce.ClassLimit, 0,
		},
		"cursor gone":     {400, nil, `[{"message":"invalid","errorCode":"INVALID_QUERY_LOCATOR"}]`, "INVALID_QUERY_LOCATOR", salesforce.ClassRestart, 0},
		"edge page":       {503, map[string]string{"Content-Type": "text/html", "Retry-After": "7"}, `<html>busy</html>`, "answer of 17 bytes that is not the JSON expected (text/html) (HTTP 503)", salesforce.ClassTransient, 7 * time.Second},
		"no route":        {420, nil, ``, "(HTTP 420)", salesforce.ClassTransient, 0},
		"too many":        {429, map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:01:00 GMT"}, ``, "(HTTP 429)", salesforce.ClassTransient, time.Minute},
		"odd Retry-After": {429, map[string]string{"Retry-After": "-5"}, ``, "(HTTP 429)", salesforce.ClassTransient, 0},
		"OAuth error":     {403, nil, `{"error":"invalid_scope","error_description":"no"}`, "invalid_scope: no (HTTP 403)", salesforce.ClassData, 0},
		"redirect":        {302, map[string]string{"Location": "http://elsewhere.example/"}, ``, "(HTTP 302)", salesforce.ClassData, 0},
		"retired version": {410, nil, `[{"message":"gone","errorCode":"UNSUPPORTED_API_VERSION"}]`, "set api_version", salesforce.ClassData, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.HandleFunc("GET /services/data/v64.0/limits", func(w http.ResponseWriter, _ *http.Request) {
					for k, v := range tt.header {
						w.Header().Set(k, v)
					}
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body)
				})
				_, err := org.api(t).Limits(t.Context())
				e, ok := errors.AsType[*salesforce.Error](err)
				if !ok || !strings.Contains(err.Error(), tt.says) || e.Status != tt.status || e.Class() != tt.class {
					t.Fatalf("error %v, want %q of class %d", err, tt.says, tt.class)
				}
				retry := tt.class == salesforce.ClassTransient || tt.class == salesforce.ClassLimit
				if salesforce.Retryable(err) != retry || salesforce.RetryAfter(err) != tt.after {
					t.Errorf("retryable %v after %v, want %v, %v", salesforce.Retryable(err), salesforce.RetryAfter(err), retry, tt.after)
				}
			})
		})
	}
}

func TestAnswer_Compressed_IsBoundedUncompressed(t *testing.T) {
	for size, ok := range map[int]bool{900: true, 100_000: false} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			org.HandleFunc("GET /services/data/", func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("the list of versions needs no token")
				}
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				fmt.Fprintf(z, `[{"label":"%s","url":"/services/data/v66.0","version":"66.0"}]`, strings.Repeat("x", size))
				_ = z.Close()
			})
			v, err := org.api(t, func(c *salesforce.Config) { c.MaxResponseBytes = 1000 }).Versions(t.Context())
			if (err == nil) != ok || salesforce.Retryable(err) {
				t.Errorf("%d bytes: error %v, want ok %v, and no repeat", size, err, ok)
			}
			if ok && (len(v) != 1 || v[0].Version != "66.0") {
				t.Errorf("versions %v", v)
			}
		})
	}
}

func TestAnswer_NotJSON_IsNotRepeated(t *testing.T) {
	for _, body := range []string{``, `<html>`, `{"a":`, `{} {}`, `[1]`} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			org.HandleFunc("GET /services/data/v64.0/limits", text(body))
			if _, err := org.api(t).Limits(t.Context()); err == nil || salesforce.Retryable(err) {
				t.Errorf("%q: error %v, want one that is not retryable", body, err)
			}
		})
	}
}

func TestRequest_TakesTooLong_IsRetryable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/query", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		begun := time.Now()
		_, err := org.api(t).Count(t.Context(), "SELECT COUNT() FROM Account WHERE Name = 'secret value'")
		if took := time.Since(begun); took != 2*time.Minute || !errors.Is(err, context.DeadlineExceeded) || !salesforce.Retryable(err) {
			t.Errorf("error %v after %v, want a retryable timeout after 2m", err, took)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the query is shown: %v", err)
		}
	})
}

func TestDescribe_ReadsWhatTheBridgeNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("GET /services/data/v64.0/sobjects/Order__c/describe", text(`{"name":"Order__c","keyPrefix":"a00","queryable":true,"fields":[
			{"name":"Total__c","type":"currency","precision":18,"scale":2,"nillable":true,"createable":true},
			{"name":"Key__c","type":"string","externalId":true,"unique":true,"length":80,"createable":true},
			{"name":"Buyer__c","type":"reference","referenceTo":["Account","Contact"],"relationshipName":"Buyer__r","compoundFieldName":null},
			{"name":"Stage__c","type":"picklist","restrictedPicklist":true,"picklistValues":[{"value":"a","label":"A","active":true}]}],
			"recordTypeInfos":[{"recordTypeId":"012000000000000AAA","name":"Master","master":true}]}`))
		o, err := org.api(t).Describe(t.Context(), "Order__c")
		if err != nil {
			t.Fatal(err)
		}
		total, _ := o.Field("Total__c")
		key, _ := o.Field("Key__c")
		if o.KeyPrefix != "a00" || total.Precision != 18 || total.Scale != 2 || total.Required() || !key.Required() || !key.ExternalID || !o.RecordTypes[0].Master {
			t.Errorf("object %+v", o)
		}
		if _, found := o.Field("Old__c"); found {
			t.Error("found a field that is not there")
		}
	})
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	ok := salesforce.Config{Session: &fakeSession{}, APIVersion: "v64.0"}
	if _, err := salesforce.New(ok); err != nil {
		t.Errorf("v64.0: %v", err)
	}
	for name, change := range map[string]func(*salesforce.Config){
		"no session":          func(c *salesforce.Config) { c.Session = nil },
		"no version":          func(c *salesforce.Config) { c.APIVersion = "" },
		"odd version":         func(c *salesforce.Config) { c.APIVersion = "64" },
		"path as version":     func(c *salesforce.Config) { c.APIVersion = "64.0/../x" },
		"two options in name": func(c *salesforce.Config) { c.ClientName = "a; defaultNamespace=b" },
	} {
		cfg := ok
		change(&cfg)
		if _, err := salesforce.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
