package salesforce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"sfbridge/salesforce"
)

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

func records(n int, text string) []salesforce.Record {
	recs := make([]salesforce.Record, n)
	for i := range recs {
		recs[i] = salesforce.Record{"Id": fmt.Sprintf("001KX%010dYAA", i), "ERP_Id__c": int64(9007199254740993 + i), "Name": text}
	}
	return recs
}

func TestCollections_OneBadAmong200_OneOutcomeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("PATCH "+v64+"/composite/sobjects/Account/ERP_Id__c", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Content-Encoding") != "gzip" {
				t.Error("a long body is not packed")
			}
			var in struct {
				AllOrNone bool
				Records   []struct {
					ID  json.Number           `json:"ERP_Id__c"`
					Att struct{ Type string } `json:"attributes"`
				}
			}
			if err := json.Unmarshal([]byte(bodyOf(t, r)), &in); err != nil || in.AllOrNone || len(in.Records) != 200 {
				t.Errorf("%d records, all or none %v, %v", len(in.Records), in.AllOrNone, err)
			}
			out := make([]map[string]any, len(in.Records))
			for i, rec := range in.Records {
				if want := fmt.Sprint(9007199254740993 + i); rec.ID.String() != want || rec.Att.Type != "Account" {
					t.Errorf("record %d: %+v, want key %s", i, rec, want)
				}
				out[i] = map[string]any{"id": fmt.Sprint("id-", i), "success": true, "created": i%2 == 0, "errors": []any{}}
			}
			out[17] = map[string]any{"success": false, "errors": []any{map[string]any{
				"statusCode": "STRING_TOO_LONG", "message": "too long", "fields": []string{"Name"},
			}, map[string]any{"statusCode": "X"}}}
			out[18] = map[string]any{"success": false, "errors": []any{map[string]any{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked"}}}
			out[19] = map[string]any{"success": false}
			reply(w, 200, out)
		})
		out, err := org.api(t).UpsertMany(t.Context(), "Account", "ERP_Id__c", records(200, strings.Repeat("x", 100)))
		if err != nil || len(out) != 200 {
			t.Fatalf("%d outcomes, %v", len(out), err)
		}
		for i, o := range out {
			switch i {
			case 17:
				if o.Err == nil || o.Err.Code != "STRING_TOO_LONG" || o.Err.Fields[0] != "Name" || o.Err.More != 1 || o.Err.Class() != salesforce.ClassData {
					t.Errorf("outcome 17: %v", o.Err)
				}
			case 18:
				if o.Err == nil || o.Err.Class() != salesforce.ClassTransient {
					t.Errorf("outcome 18: %v", o.Err)
				}
			case 19:
				if o.Err == nil || o.Err.Class() != salesforce.ClassData {
					t.Errorf("outcome 19: %v", o.Err)
				}
			default:
				if o.Err != nil || o.ID != fmt.Sprint("id-", i) || o.Created != (i%2 == 0) {
					t.Errorf("outcome %d: %+v", i, o)
				}
			}
		}
	})
}

func TestCollections_AnswerLost(t *testing.T) {
	for name, tt := range map[string]struct {
		method, path string
		call         func(*salesforce.Client) ([]salesforce.Outcome, error)
		unknown      bool
	}{
		"insert": {"POST", "", func(c *salesforce.Client) ([]salesforce.Outcome, error) {
			return c.InsertMany(context.Background(), "Account", records(2, "a"))
		}, true},
		"update": {"PATCH", "", func(c *salesforce.Client) ([]salesforce.Outcome, error) {
			return c.UpdateMany(context.Background(), "Account", records(2, "a"))
		}, false},
		"upsert": {"PATCH", "/Account/ERP_Id__c", func(c *salesforce.Client) ([]salesforce.Outcome, error) {
			return c.UpsertMany(context.Background(), "Account", "ERP_Id__c", records(2, "a"))
		}, false},
		"delete": {"DELETE", "", func(c *salesforce.Client) ([]salesforce.Outcome, error) {
			return c.DeleteMany(context.Background(), []string{"1", "2"})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				calls := 0
				org.HandleFunc(tt.method+" "+v64+"/composite/sobjects"+tt.path, func(w http.ResponseWriter, r *http.Request) {
					if _ = bodyOf(t, r); calls == 0 {
						calls++
						cut(w, r)
					}
					calls++
					fmt.Fprint(w, `[{"id":"1","success":true},{"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED"}]}]`)
				})
				out, err := tt.call(org.api(t))
				if errors.Is(err, salesforce.ErrUnknownOutcome) != tt.unknown || tt.unknown != (calls == 1) || !tt.unknown && (err != nil || len(out) != 2) {
					t.Fatalf("%d calls, outcomes %v, error %v", calls, out, err)
				}
				if name == "delete" && (out[1].Err != nil || out[1].ID != "2") {
					t.Errorf("the repeated delete found its own work and says %v", out[1].Err)
				}
			})
		})
	}
}

func TestCollections_WhatCannotBeSent_NamesTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newOrg(t).api(t)
		bad := records(3, "a")
		bad[2]["Amount"] = 0.1
		keyless := records(3, "a")
		delete(keyless[1], "ERP_Id__c")
		for name, tt := range map[string]struct {
			recs  []salesforce.Record
			index int
		}{"a float": {bad, 2}, "no key": {keyless, 1}, "too many": {records(201, "a"), 200}} {
			_, err := c.UpsertMany(t.Context(), "Account", "ERP_Id__c", tt.recs)
			if e, ok := errors.AsType[*salesforce.ValueError](err); !ok || e.Index != tt.index {
				t.Errorf("%s: error %v, want one of record %d", name, err, tt.index)
			}
		}
		if out, err := c.InsertMany(t.Context(), "Account", nil); err != nil || out != nil {
			t.Errorf("nothing to do: %v, %v", out, err)
		}
	})
}

func TestCollections_WrongNumberOfResults_IsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.HandleFunc("PATCH "+v64+"/composite/sobjects", text(`[{"id":"1","success":true}]`))
		if out, err := org.api(t).UpdateMany(t.Context(), "Account", records(2, "a")); err == nil || out != nil {
			t.Errorf("outcomes %v, error %v; want an error", out, err)
		}
	})
}

func TestDescribe_UnchangedSinceLastTime_IsTakenFromThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		label, modified := "One", "Wed, 01 Apr 2026 10:00:00 GMT"
		var asked []string
		org.HandleFunc("GET "+v64+"/sobjects/Account/describe", func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("If-Modified-Since"))
			if r.Header.Get("If-Modified-Since") == modified {
				w.WriteHeader(304)
				return
			}
			w.Header().Set("Last-Modified", modified)
			fmt.Fprintf(w, `{"name":"Account","label":%q}`, label)
		})
		c := org.api(t)
		for i, want := range []string{"One", "One", "Two"} {
			if i == 2 {
				label, modified = "Two", "Wed, 01 Apr 2026 11:00:00 GMT"
			}
			if o, err := c.Describe(t.Context(), "Account"); err != nil || o.Label != want {
				t.Errorf("describe %d: %+v, %v; want label %s", i, o, err, want)
			}
		}
		if want := "[ Wed, 01 Apr 2026 10:00:00 GMT Wed, 01 Apr 2026 10:00:00 GMT]"; fmt.Sprint(asked) != want {
			t.Errorf("asked %v, want %s", asked, want)
		}
	})
}

func TestDigits_ArePlainAndExact(t *testing.T) {
	for in, want := range map[json.Number]string{
		"3.8861788E7": "38861788", "-1.5e-3": "-0.0015", "1e0": "1", "0e5": "0", "12.340e1": "123.4", "0.30": "0.30", "9007199254740993": "9007199254740993",
		"1E+2": "100", "100e-2": "1",
	} {
		if got, err := salesforce.Digits(in); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []json.Number{"", "1.234,56", "1e999999999", "NaN", "0x1", "+1", "1 ", "true", `"1"`} {
		if got, err := salesforce.Digits(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

// FuzzDigits compares with big.Rat, which reads the same forms exactly.
func FuzzDigits(f *testing.F) {
	for _, s := range []string{"3.8861788E7", "-0.00e-3", "1e400", "9007199254740993", "0.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := salesforce.Digits(json.Number(s))
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		have, plain := new(big.Rat).SetString(got)
		if !ok || !plain || want.Cmp(have) != 0 || strings.ContainsAny(got, "eE") {
			t.Errorf("%q is %q", s, got)
		}
	})
}

func TestC17_TextLength_CountsUTF16Units(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "東京": 2, "😀": 2} {
		if got := salesforce.TextLength(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
