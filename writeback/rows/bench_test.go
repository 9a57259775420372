package rows_test

import (
	"testing"

	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

const tenFields = `{"id":"E-1","name":"Acme","notes":"a note of some length, as people write them","paid":true,"count":12,"total":1234.50,
	"due":"2024-02-29","at":"2024-02-29T10:15:07+01:00","stage":"In Progress","tags":["a","b"],"account":"A-17"}`

func benchMapper(b *testing.B) *rows.Mapper {
	return mapper(b, rows.Config{ExternalID: "ERP_Id__c", Fields: map[string]string{
		"ERP_Id__c": "id", "Name": "name", "Notes__c": "notes", "Paid__c": "paid", "Count__c": "count", "Total__c": "total",
		"Due__c": "due", "At__c": "at", "Stage__c": "stage", "Tags__c": "tags", "Account__r.ERP_Id__c": "account",
	}}, object())
}

func BenchmarkRow_TenFields(b *testing.B) {
	m, in := benchMapper(b), input(b, tenFields)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Row(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRow_WithoutMapping(b *testing.B) {
	m := mapper(b, rows.Config{ExternalID: "ERP_Id__c"}, object())
	in := input(b, `{"ERP_Id__c":"E-1","Name":"Acme","Notes__c":"a note","Paid__c":true,"Count__c":12,"Total__c":1234.50,"Due__c":"2024-02-29",
		"At__c":"2024-02-29T10:15:07+01:00","Stage__c":"In Progress","Tags__c":["a","b"],"Account__r":{"ERP_Id__c":"A-17"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Row(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	m := benchMapper(b)
	r := row(b, m, input(b, tenFields))
	b.ReportAllocs()
	var rec salesforce.Record
	for b.Loop() {
		rec = m.Record(r)
	}
	if len(rec) != 11 {
		b.Fatal(rec)
	}
	b.ReportMetric(float64(r.Size()), "B/row")
}

func BenchmarkMerge(b *testing.B) {
	m := benchMapper(b)
	r := row(b, m, input(b, tenFields))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.Merge(r, r); !ok {
			b.Fatal("not merged")
		}
	}
}
