package publish_test

import (
	"fmt"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/orgsim"
	"sfbridge/publish"
)

// BenchmarkEncode is what each record costs between its decoding and its
// sending: the mapping, the conversion and the Avro datum.
func BenchmarkEncode(b *testing.B) {
	for _, way := range []string{"names", "expressions"} {
		b.Run(way, func(b *testing.B) {
			org, err := orgsim.New(orgsim.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer org.Close()
			id, text, err := org.EventSchema("Shipment__e")
			if err != nil {
				b.Fatal(err)
			}
			var fields map[string]string
			if way == "expressions" {
				fields = map[string]string{"Order_Number__c": "no", "Carrier__c": "carrier.name", "Shipped_At__c": "at", "Is_Late__c": "late"}
			}
			encode, err := publish.Encoder(fields, id, text)
			if err != nil {
				b.Fatal(err)
			}
			in := &expression.Input{Topic: topic, Value: map[string]any{
				"Order_Number__c": "4711", "Carrier__c": "Zoë", "Shipped_At__c": "2024-10-27T01:30:00Z", "Is_Late__c": true,
			}}
			if fields != nil {
				in.Value = map[string]any{"no": "4711", "carrier": map[string]any{"name": "Zoë"}, "at": "2024-10-27T01:30:00Z", "late": true}
			}
			b.ReportAllocs()
			for b.Loop() {
				if payload, err := encode(in); err != nil || len(payload) < 40 {
					b.Fatal(fmt.Sprint(len(payload)), err)
				}
			}
		})
	}
}
