package salesforce_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/salesforce"
)

const v64 = "/services/data/v64.0"

// cut drops the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func bodyOf(t *testing.T, r *http.Request) string {
	t.Helper()
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return ""
		}
		in = z
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, []map[string]any{{"message": "no", "errorCode": code, "fields": []string{}}})
}

func TestRow_BodyHasDigitsNullsAndParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("POST "+v64+"/sobjects/Order__c", func(w http.ResponseWriter, r *http.Request) {
			const want = `{"Account":{"ERP_Id__c":"7"},"Amount__c":999999999999999999.01,"Big__c":9007199254740993,"Done__c":true,"Name":"Zoë \"x\"\n\u0001","Note__c":null}`
			if got := bodyOf(t, r); got != want {
				t.Errorf("body %s, want %s", got, want)
			}
			if got := r.Header.Get("Content-Type"); got != "application/json; charset=UTF-8" {
				t.Errorf("content type %q", got)
			}
			reply(w, 201, map[string]any{"id": "a00KX0000000001YAA", "success": true})
		})
		id, err := org.api(t).Insert(t.Context(), "Order__c", salesforce.Record{
			"attributes": map[string]any{"type": "Order__c"}, "Name": "Zoë \"x\"\n\x01", "Amount__c": json.Number("999999999999999999.01"),
			"Big__c": int64(9007199254740993), "Done__c": true, "Note__c": nil, "Account": map[string]any{"ERP_Id__c": "7"},
		})
		if err != nil || id != "a00KX0000000001YAA" {
			t.Errorf("id %q, %v", id, err)
		}
	})
}

func TestRow_ValueThatCannotBeSent_IsFoundBeforeAnyCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newOrg(t).api(t)
		for name, v := range map[string]any{
			"float": 1.5, "not UTF-8": "a\xff", "grouped number": json.Number("1.234,56"), "no number": json.Number(""), "time": time.Now(),
			"inside a parent": map[string]any{"Key__c": float32(1)},
		} {
			_, err := c.Insert(t.Context(), "Account", salesforce.Record{"Name": "a", "Bad__c": v})
			e, ok := errors.AsType[*salesforce.ValueError](err)
			if !ok || !strings.HasPrefix(e.Field, "Bad__c") || salesforce.Retryable(err) {
				t.Errorf("%s: error %v, want a ValueError of Bad__c", name, err)
			}
		}
		for _, key := range []any{"", nil, 1.5, json.Number("x")} {
			_, _, err := c.Upsert(t.Context(), "Account", "ERP_Id__c", key, salesforce.Record{})
			if _, ok := errors.AsType[*salesforce.ValueError](err); !ok {
				t.Errorf("key %v: error %v, want a ValueError", key, err)
			}
		}
	})
}

func TestInsert_IsRepeatedOnlyWithoutDoubt(t *testing.T) {
	for name, tt := range map[string]struct {
		answer  http.HandlerFunc
		calls   int
		unknown bool
	}{
		"answer lost":       {cut, 1, true},
		"edge page":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, 1, true},
		"answer not JSON":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = io.WriteString(w, "<html>") }, 1, true},
		"answer without id": {text(`{}`), 1, true},
		"time-out":          {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 1, true},
		"lock":              {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "UNABLE_TO_LOCK_ROW") }, 4, false},
		"limit":             {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "REQUEST_LIMIT_EXCEEDED") }, 1, false},
		"data":              {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "REQUIRED_FIELD_MISSING") }, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				calls := 0
				org.HandleFunc("POST "+v64+"/sobjects/Account", func(w http.ResponseWriter, r *http.Request) {
					calls++
					_, _ = io.Copy(io.Discard, r.Body)
					tt.answer(w, r)
				})
				_, err := org.api(t).Insert(t.Context(), "Account", salesforce.Record{"Name": "a"})
				if err == nil || calls != tt.calls || errors.Is(err, salesforce.ErrUnknownOutcome) != tt.unknown {
					t.Errorf("%d calls, error %v; want %d calls, unknown %v", calls, err, tt.calls, tt.unknown)
				}
				if tt.unknown && salesforce.Retryable(err) {
					t.Errorf("%v is called retryable", err)
				}
			})
		})
	}
}

func TestInsert_NoConnection_IsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		c := org.api(t, func(cfg *salesforce.Config) {
			cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: refuseDial}}
		})
		begun := time.Now()
		_, err := c.Insert(t.Context(), "Account", salesforce.Record{"Name": "a"})
		if errors.Is(err, salesforce.ErrUnknownOutcome) || !salesforce.Retryable(err) || time.Since(begun) < 750*time.Millisecond {
			t.Errorf("error %v after %v, want a retryable one after three waits", err, time.Since(begun))
		}
	})
}

func TestUpdate_AnswerLost_IsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		calls := 0
		org.HandleFunc("PATCH "+v64+"/sobjects/Account/001KX0000000001YAA", func(w http.ResponseWriter, r *http.Request) {
			if got := bodyOf(t, r); got != `{"Name":"b"}` {
				t.Errorf("body %s", got)
			}
			if calls++; calls == 1 {
				cut(w, r)
			}
			w.WriteHeader(204)
		})
		rec := salesforce.Record{"id": "001KX0000000001YAA", "Name": "b"}
		if err := org.api(t).Update(t.Context(), "Account", "001KX0000000001YAA", rec); err != nil || calls != 2 {
			t.Errorf("error %v after %d calls, want none after 2", err, calls)
		}
	})
}

func TestWrite_RetryAfterIsKept_UnlessItIsLong(t *testing.T) {
	for after, want := range map[string]struct {
		calls int
		least time.Duration
	}{"20": {2, 20 * time.Second}, "600": {1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			calls := 0
			org.HandleFunc("PATCH "+v64+"/sobjects/Account/1", func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls == 1 {
					w.Header().Set("Retry-After", after)
					w.WriteHeader(503)
				}
			})
			begun := time.Now()
			err := org.api(t).Update(t.Context(), "Account", "1", salesforce.Record{})
			if calls != want.calls || time.Since(begun) < want.least || (err == nil) != (want.calls == 2) {
				t.Errorf("Retry-After %s: %d calls in %v, error %v; want %d", after, calls, time.Since(begun), err, want.calls)
			}
		})
	}
}

func TestDelete_DeletedAlready(t *testing.T) {
	for name, lost := range map[string]bool{"by somebody": false, "by an attempt whose answer was lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				calls := 0
				org.HandleFunc("DELETE "+v64+"/sobjects/Account/1", func(w http.ResponseWriter, r *http.Request) {
					if calls++; lost && calls == 1 {
						cut(w, r)
					}
					refuse(w, 404, "ENTITY_IS_DELETED")
				})
				err := org.api(t).Delete(t.Context(), "Account", "1")
				if e, ok := errors.AsType[*salesforce.Error](err); lost && err != nil || !lost && (!ok || e.Code != "ENTITY_IS_DELETED") {
					t.Errorf("lost %v: error %v", lost, err)
				}
			})
		})
	}
}

func TestUpsert_AnyKeyIsOneSegmentOfThePath(t *testing.T) {
	for _, tt := range []struct {
		key  any
		path string
	}{
		{"A 1/2+3", "A%201%2F2%2B3"},
		{"50%?#&", "50%25%3F%23&"},
		{"Zoë", "Zo%C3%AB"},
		{int64(38861788), "38861788"},
		{json.Number("3.8861788E7"), "38861788"},
		{json.Number("9007199254740993"), "9007199254740993"},
	} {
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t)
			org.HandleFunc("PATCH "+v64+"/sobjects/Account/ERP_Id__c/{key...}", func(w http.ResponseWriter, r *http.Request) {
				if got := strings.TrimPrefix(r.URL.EscapedPath(), v64+"/sobjects/Account/ERP_Id__c/"); got != tt.path {
					t.Errorf("key %v travels as %s, want %s", tt.key, got, tt.path)
				}
				if got := bodyOf(t, r); got != `{"Name":"a"}` {
					t.Errorf("body %s, want no key in it", got)
				}
				reply(w, 201, map[string]any{"id": "1", "success": true, "created": true})
			})
			id, created, err := org.api(t).Upsert(t.Context(), "Account", "ERP_Id__c", tt.key, salesforce.Record{"Name": "a", "erp_id__c": "other"})
			if err != nil || !created || id != "1" {
				t.Errorf("key %v: %q, %v, %v", tt.key, id, created, err)
			}
		})
	}
}

func TestUpsert_KeyWithADot_TravelsInTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("PATCH "+v64+"/composite/sobjects/Account/ERP_Id__c", func(w http.ResponseWriter, r *http.Request) {
			want := `{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"ERP_Id__c":"acme.com","Name":"a"}]}`
			if got := bodyOf(t, r); got != want {
				t.Errorf("body %s, want %s", got, want)
			}
			reply(w, 200, []any{map[string]any{"id": "1", "success": true, "created": true, "errors": []any{}}})
		})
		id, created, err := org.api(t).Upsert(t.Context(), "Account", "ERP_Id__c", "acme.com", salesforce.Record{"Name": "a"})
		if err != nil || !created || id != "1" {
			t.Errorf("%q, %v, %v", id, created, err)
		}
	})
}

func TestUpsert_SeveralMatches_NamesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("PATCH "+v64+"/sobjects/Account/ERP_Id__c/secret", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 300, []string{v64 + "/sobjects/Account/001A", v64 + "/sobjects/Account/001B"})
		})
		_, _, err := org.api(t).Upsert(t.Context(), "Account", "ERP_Id__c", "secret", salesforce.Record{"Name": "a"})
		e, ok := errors.AsType[*salesforce.Error](err)
		if !ok || e.Code != "DUPLICATE_EXTERNAL_ID" || strings.Join(e.Candidates, " ") != "001A 001B" || e.Class() != salesforce.ClassData || salesforce.Retryable(err) {
			t.Errorf("error %v, want a data error with both candidates", err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the key is shown: %v", err)
		}
	})
}
