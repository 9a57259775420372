package echo_test

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"testing"

	"sfbridge/event"
	"sfbridge/salesforce"
	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

// batchOf is a call that writes n rows of ten fields.
func batchOf(n int) echo.Batch {
	b := echo.Batch{Org: "main", Object: "Thing__c", KeyField: "ERP__c"}
	for i := range n {
		values := set{
			"Name": fmt.Sprint("Acme ", i), "Phone": fmt.Sprint("+49 89 ", i), "Email__c": fmt.Sprintf("a%d@acme.example", i),
			"Amount__c": fmt.Sprintf("%d.50", i), "Count__c": i, "Active__c": true, "Due__c": "2024-02-29",
			"At__c": "2024-10-27T01:30:00.000Z", "Tags__c": "a;b", "BillingCity": "Lyon",
		}
		b.Writes = append(b.Writes, upsert(fmt.Sprint(i), values))
	}
	return b
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{2, 'A'})
	f.Add(echo.EncodeRecords(batchOf(2))[0])
	f.Add(echo.EncodeRecords(echo.Batch{Org: "main", Object: "X", Writes: []echo.Write{{Operation: rows.Delete, ID: idA}}})[0])
	f.Fuzz(func(t *testing.T, value []byte) {
		n, err := echo.DecodeRecord(value)
		if err == nil && n > len(value) {
			t.Errorf("%d rows out of %d bytes", n, len(value))
		}
	})
}

// A number is compared equal whatever digits it was written with, as long as the
// org would make the same of it.
func FuzzNumber(f *testing.F) {
	f.Add(0.3, 2)
	f.Add(-1.005, 2)
	f.Add(999999999999999.99, 2)
	f.Add(4.5e-10, 12)
	f.Fuzz(func(t *testing.T, n float64, scale int) {
		if math.IsNaN(n) || math.Abs(n) > 1e18 || scale < 0 || scale > 18 {
			return
		}
		text := strconv.FormatFloat(n, 'f', scale, 64)
		kept, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		field := &salesforce.Field{Name: "N", Type: "double", Scale: scale}
		c := echo.ClassOf(field)
		written := echo.WrittenHash("N", field, rows.Value{Kind: rows.Number, Text: text}, c)
		if seen := echo.EventHash("N", strconv.FormatFloat(kept, 'f', -1, 64), c); seen != written {
			t.Errorf("%s with scale %d: written and seen differ", text, scale)
		}
	})
}

func TestRecord_SizeOfARow(t *testing.T) {
	total := 0
	for _, value := range echo.EncodeRecords(batchOf(200)) {
		total += len(value)
	}
	if per := total / 200; per > 110 {
		t.Errorf("a row of ten fields takes %d bytes, want at most 110", per)
	}
}

func BenchmarkEncode200(b *testing.B) {
	batch := batchOf(200)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = 0
		for _, value := range echo.EncodeRecords(batch) {
			size += len(value)
		}
	}
	b.ReportMetric(float64(size)/200, "bytes/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/row")
}

func BenchmarkTake200(b *testing.B) {
	batch := batchOf(200)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		values := echo.EncodeRecords(batch)
		b.StartTimer()
		r := echo.NewRegistry(echo.RegistryConfig{Client: "sfbridge-crm"})
		for _, v := range values {
			r.Take(v)
		}
	}
}

// BenchmarkJudge is what one event with this bridge's origin costs, found by its
// content among n rows under way.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{200, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := &world{t: new(testing.T)}
			w.compile()
			r := echo.NewRegistry(echo.RegistryConfig{Client: "sfbridge-crm"})
			for _, v := range echo.EncodeRecords(batchOf(n)) {
				r.Take(v)
			}
			judge := r.Judge("main")
			type seen struct {
				payload []byte
				h       *event.Header
			}
			events := make([]seen, n)
			for i := range events {
				events[i].payload, events[i].h = w.encode(updated(fmt.Sprintf("a00SB%010dAYA", i), body{
					"Name": fmt.Sprint("Acme ", i), "Active__c": true, "BillingAddress": body{"City": "Lyon"},
				}))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i++; i == n {
					b.StopTimer()
					r = echo.NewRegistry(echo.RegistryConfig{Client: "sfbridge-crm"})
					for _, v := range echo.EncodeRecords(batchOf(n)) {
						r.Take(v)
					}
					judge, i = r.Judge("main"), 0
					b.StartTimer()
				}
				judge.Settled()
				judge.Event(w.codec, events[i].payload, events[i].h)
				if ok, _ := judge.Echo(b.Context(), events[i].h.RecordIDs[0]); !ok {
					b.Fatal("not an echo")
				}
			}
		})
	}
}

// BenchmarkOpenJob is what a job of 100,000 rows holds in memory while its events
// come in and its results do not.
func BenchmarkOpenJob(b *testing.B) {
	const n = 100_000
	w := &world{t: new(testing.T)}
	w.compile()
	values := echo.EncodeRecords(batchOf(n))
	payload, h := w.encode(updated(idA, body{"Active__c": true, "BillingAddress": body{"City": "Lyon"}}))
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		r := echo.NewRegistry(echo.RegistryConfig{Client: "sfbridge-crm"})
		for _, v := range values {
			r.Take(v)
		}
		judge := r.Judge("main")
		judge.Settled()
		for i := range n {
			h.RecordIDs[0], h.SequenceNumber = fmt.Sprintf("a00SB%010dAYA", i), int32(i)
			judge.Event(w.codec, payload, h)
			if ok, _ := judge.Echo(b.Context(), h.RecordIDs[0]); !ok {
				b.Fatal("not an echo")
			}
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/row")
		runtime.KeepAlive(r)
		b.StartTimer()
	}
}
