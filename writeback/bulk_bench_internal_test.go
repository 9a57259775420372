package writeback

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// benchBatch is a batch of rows of ten fields, without an org.
func benchBatch(b testing.TB, n int) *batch {
	b.Helper()
	object := &salesforce.Object{Name: "Order__c", Createable: true, Updateable: true, Fields: []salesforce.Field{
		{Name: "Id", Type: "id", Length: 18},
		{Name: "ERP_Id__c", Type: "string", Length: 40, ExternalID: true, Unique: true, Createable: true, Updateable: true, Nillable: true},
	}}
	for i := range 9 {
		f := salesforce.Field{Name: fmt.Sprintf("F%d__c", i), Type: "string", Length: 255, Createable: true, Updateable: true, Nillable: true}
		if i%3 == 1 {
			f.Type, f.Precision, f.Scale = "double", 18, 2
		}
		object.Fields = append(object.Fields, f)
	}
	mapper, err := rows.New(upsertOrders, object)
	if err != nil {
		b.Fatal(err)
	}
	out := &batch{op: rows.Upsert, target: &target{mapper: mapper, object: object}}
	for i := range n {
		rec := map[string]any{"ERP_Id__c": fmt.Sprint("E-", i)}
		for j := range 9 {
			rec[fmt.Sprintf("F%d__c", j)] = any("a value, of \"some\" length")
			if j%3 == 1 {
				rec[fmt.Sprintf("F%d__c", j)] = json.Number("1234.50")
			}
		}
		row, err := mapper.Row(&expression.Input{Value: rec})
		if err != nil {
			b.Fatal(err)
		}
		out.items = append(out.items, &item{target: out.target, row: row})
	}
	return out
}

// BenchmarkUpload_Row is what a row costs on its way into a job, without the
// network.
func BenchmarkUpload_Row(b *testing.B) {
	const n = 1000
	batch := benchBatch(b, n)
	b.ReportAllocs()
	for b.Loop() {
		body, err := newUpload(batch).open()
		if err != nil {
			b.Fatal(err)
		}
		size, err := io.Copy(io.Discard, body)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(size)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}

// BenchmarkResults_Row is what it costs to find the row that a result is about.
func BenchmarkResults_Row(b *testing.B) {
	const n = 1000
	batch := benchBatch(b, n)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("E-", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		x := newKeyIndex(keysOf(batch.target.object, "ERP_Id__c"), n)
		for i, it := range batch.items {
			x.add(it.row.Key, i)
		}
		for i, key := range keys {
			if at, ok := x.find(key); !ok || at != i {
				b.Fatal(key)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}
