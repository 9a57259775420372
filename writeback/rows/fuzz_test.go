package rows_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

// roundTrip is an org that takes every record of a collections call.
type roundTrip struct{ t *testing.T }

func (r roundTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		packed, err := gzip.NewReader(req.Body)
		if err != nil {
			return nil, err
		}
		body = packed
	}
	var sent struct {
		Records []map[string]any `json:"records"`
	}
	if err := json.NewDecoder(body).Decode(&sent); err != nil || len(sent.Records) != 1 {
		r.t.Errorf("body %v: %v", sent, err)
	}
	answer := `[{"id":"` + id18 + `","success":true,"created":true,"errors":[]}]`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

// FuzzRow feeds records of any form. What becomes a row is something that both
// APIs can be sent, and the rest says why.
func FuzzRow(f *testing.F) {
	for _, seed := range []string{
		`{"ERP_Id__c":"E-1","Name":"Zoë","Total__c":1.50,"Paid__c":true,"Due__c":"2024-02-29","At__c":"2024-02-29T00:00:00Z"}`,
		`{"ERP_Id__c":38861788,"Account__r":{"ERP_Id__c":"A-1"},"Who":{"attributes":{"type":"Lead"},"Email":"a"},"Tags__c":["a","b"]}`,
		`{"ERP_Id__c":"#N/A","Stage__c":"In Progress ","BillingAddress":{"City":null},"Notes__c":"a\r\nb,\"c\"","Pickup__c":"09:15"}`,
		`{"ERP_Id__c":"e","Count__c":1e3,"Big__c":-1,"Rate__c":"5","Blob__c":"aGk=","Account__c":"001D000000IRFma","Words__c":"x;;y"}`,
		`{}`, `[]`, `null`, `"text"`, `{"ERP_Id__c":{},"Name":[[]]}`, `{"ERP_Id__c":"\u0000","Name":" "}`,
	} {
		f.Add(seed, "K-1")
	}
	o := object()
	every := mapper(f, rows.Config{ExternalID: "ERP_Id__c", IgnoreUnmapped: true}, o)
	mapped := map[string]string{"Name": "_value", "Account__r.ERP_Id__c": "Account__r.ERP_Id__c", "Lead:Who.Email": "Who.Email"}
	for i := range o.Fields {
		if o.Fields[i].Createable && o.Fields[i].Name != "Num_Id__c" {
			mapped[o.Fields[i].Name] = o.Fields[i].Name
		}
	}
	numeric := mapper(f, rows.Config{ExternalID: "Num_Id__c", Fields: mapped, Version: "Big__c", OperationFrom: "Words__c", PicklistLabels: true}, o)
	f.Fuzz(func(t *testing.T, text, key string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			v = text
		}
		for _, m := range []*rows.Mapper{every, numeric} {
			r, err := m.Row(&expression.Input{Value: v, Key: key})
			if err != nil {
				why, ok := errors.AsType[*rows.Rejection](err)
				if !ok || why.Reason == "" || why.Error() == "" {
					t.Fatalf("%q: %#v", text, err)
				}
				continue
			}
			checkSendable(t, m, r)
			if again, ok := m.Merge(r, r); ok && !equal(m.Record(again), m.Record(r)) {
				t.Errorf("%q merged with itself: %v, not %v", text, m.Record(again), m.Record(r))
			}
		}
	})
}

func checkSendable(t *testing.T, m *rows.Mapper, r *rows.Row) {
	t.Helper()
	rec := m.Record(r)
	api, err := salesforce.New(salesforce.Config{Session: token{}, APIVersion: "64.0", HTTPClient: &http.Client{Transport: roundTrip{t}}, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.InsertMany(t.Context(), "Order__c", []salesforce.Record{rec}); err != nil {
		t.Errorf("REST: %v", err)
	}
	if !r.FitsBulk() {
		return
	}
	columns := m.Columns([]*rows.Row{r})
	var out bytes.Buffer
	w, err := bulk.NewWriter(&out, columns, 0)
	if err == nil {
		err = w.Write(rec)
	}
	if err != nil {
		t.Fatalf("CSV: %v", err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != 2 {
		t.Fatalf("CSV: %d lines, %v", len(lines), err)
	}
	for i, column := range columns {
		want := r.Key
		for _, v := range r.Values {
			if m.Columns([]*rows.Row{{Values: []rows.Value{v}}})[0] == column {
				want = v.Text
				if v.Kind == rows.Null {
					want = "#N/A"
				}
			}
		}
		if lines[1][i] != want {
			t.Errorf("column %s: %q, want %q", column, lines[1][i], want)
		}
	}
}

// handled calls a handler without a network between.
type handled struct{ http.Handler }

func (h handled) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result(), nil
}

// FuzzValue gives fields of every type any value. What REST is sent and what
// stands in CSV are the same to the org.
func FuzzValue(f *testing.F) {
	org, err := orgsim.New(orgsim.Config{Objects: append(orgsim.BuiltinObjects(), everything())})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(org.Close)
	org.AddToken("given-token", org.IntegrationUser())
	api, err := salesforce.New(salesforce.Config{
		Session: token{}, APIVersion: org.APIVersion(), HTTPClient: &http.Client{Transport: handled{org.HTTPHandler()}},
	})
	if err != nil {
		f.Fatal(err)
	}
	o, err := api.Describe(f.Context(), "Thing__c")
	if err != nil {
		f.Fatal(err)
	}
	m := mapper(f, rows.Config{ExternalID: "Key__c", IgnoreUnmapped: true}, o)
	fields := org.Object("Thing__c").Fields
	for i := range fields {
		for _, v := range []string{`"2024-02-29T01:02:03.5+05:45"`, `"09:15"`, `-1.50e3`, `"0"`, `"a;b"`, `" é\r\n"`, `["a","c"]`, `"001D000000IRFma"`} {
			f.Add(byte(i), v)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			v = text
		}
		def := fields[int(which)%len(fields)]
		r, err := m.Row(record(map[string]any{"Key__c": "K", def.Name: v}))
		if err != nil || len(r.Values) != 1 || r.Values[0].Text == "#N/A" {
			return
		}
		sent := m.Record(r)[def.Name]
		inREST, err := def.FromJSON(sent)
		if err != nil {
			t.Fatalf("%s: REST refuses %#v: %v", def.Name, sent, err)
		}
		if sent == nil {
			return // #N/A in CSV
		}
		cell, err := salesforce.Text(sent)
		if err != nil {
			t.Fatal(err)
		}
		if inBulk, err := def.FromText(cell); err != nil || inBulk != inREST {
			t.Errorf("%s: %#v by REST, %#v by Bulk, %v", def.Name, inREST, inBulk, err)
		}
	})
}

func TestFuzzedRows_FitWhatTheyAreSaidToFit(t *testing.T) {
	m := upserts(t, "Notes__c", "Name", "Ship_To__Street__s")
	for _, size := range []int{10, 131072} {
		for _, filling := range []string{"x", `"`, "é", "😀"} {
			text := strings.Repeat(filling, size/salesforce.TextLength(filling))
			checkSendable(t, m, row(t, m, record(map[string]any{"ERP_Id__c": "E-1", "Notes__c": text, "Name": fmt.Sprint(size)})))
		}
	}
}
