package writeback

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
	"sfbridge/writeback/rows"
)

// agreeable is an org that takes every row of a collections call.
type agreeable struct{ calls int }

func (a *agreeable) RoundTrip(req *http.Request) (*http.Response, error) {
	a.calls++
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	body := "[" + strings.Repeat(`{"id":"a01SB0000000001YAA","success":true,"created":true,"errors":[]},`, salesforce.MaxCollection-1) +
		`{"id":"a01SB0000000001YAA","success":true,"created":true,"errors":[]}]`
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

type freeSession struct{}

func (freeSession) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: "t", InstanceURL: "http://org.test"}, nil
}
func (freeSession) Invalidate(auth.Token) {}

// benchTarget is an object of ten fields.
func benchTarget(tb testing.TB) (*target, rows.Config) {
	tb.Helper()
	o := &salesforce.Object{Name: "Order__c", Createable: true, Updateable: true}
	cfg := rows.Config{Object: "Order__c", ExternalID: "Key__c", Operation: rows.Upsert, Fields: map[string]string{"Key__c": "id"}}
	text := salesforce.Field{Type: "string", Createable: true, Updateable: true, Nillable: true, Length: 255}
	key := text
	key.Name, key.ExternalID, key.Unique, key.IDLookup = "Key__c", true, true, true
	o.Fields = append(o.Fields, key)
	for i := range 10 {
		f := text
		f.Name = fmt.Sprint("F", i, "__c")
		o.Fields = append(o.Fields, f)
		cfg.Fields[f.Name] = fmt.Sprint("f", i)
	}
	m, err := rows.New(cfg, o)
	if err != nil {
		tb.Fatal(err)
	}
	return &target{mapper: m, object: o}, cfg
}

func benchRecords(n int) []*kafka.Delivery {
	ds := make([]*kafka.Delivery, n)
	for i := range ds {
		rec := map[string]string{"id": fmt.Sprint("K", i)}
		for j := range 10 {
			rec[fmt.Sprint("f", j)] = fmt.Sprint("value ", i, " of field ", j)
		}
		value, _ := json.Marshal(rec)
		ds[i] = &kafka.Delivery{Record: kafka.Record{Topic: "t", Offset: int64(i), Key: []byte(rec["id"]), Value: value, Time: time.UnixMilli(1)}}
	}
	return ds
}

// BenchmarkCollections is what a record costs from its bytes to the verdict,
// without Kafka and the network: decoded, mapped, scheduled, sent 200 a call.
func BenchmarkCollections(b *testing.B) {
	t, cfg := benchTarget(b)
	org := &agreeable{}
	api, err := salesforce.New(salesforce.Config{Session: freeSession{}, APIVersion: "64.0", HTTPClient: &http.Client{Transport: org}, Attempts: 1})
	if err != nil {
		b.Fatal(err)
	}
	f := &Flow{cfg: Config{Rows: cfg, API: api, Format: schemas.Auto, Decoder: schemas.NewDecoder(nil), Conflict: Overwrite, MaxWait: time.Second}, described: newDescription()}
	f.target.Store(t)
	c := &carrier{f: f, sched: newScheduler(&f.cfg)}
	const n = 2000
	ds := benchRecords(n)
	ctx, now := context.Background(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		items := make([]*item, n)
		for i, d := range ds {
			items[i] = &item{d: d}
			if why, err := c.mapRow(ctx, items[i]); why != nil || err != nil {
				b.Fatal(why, err)
			}
		}
		c.sched.add(now, items)
		for {
			batch, _ := c.sched.next(outlook{now: now, calls: 1})
			if batch == nil {
				break
			}
			vs, err := f.send(ctx, batch, nil)
			if err != nil || len(vs) != len(batch.items) {
				b.Fatal(err)
			}
			c.sched.end(now, batch, nil)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	b.ReportMetric(float64(org.calls)/float64(b.N)/n*1000, "calls/1000rows")
}
