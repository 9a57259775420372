package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// What is published comes back on the event's channel, with the fields of its
// record; a record with a field that the event lacks is set aside.
func TestPublish_FromTopicToEventAndBack(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.shipments", 3)
		defer produce.Close()
		cfg := s.config(bridge.EventChannel("Shipment__e"))
		cfg.Publishes = []bridge.Publish{{Topic: "erp.shipments", Org: "main", Event: "Shipment__e"}}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		const n = 20
		for i := range n {
			field := "Status__c"
			if i == 7 {
				field = "Nothing__c"
			}
			rec := &kgo.Record{Topic: "erp.shipments", Key: fmt.Append(nil, i%5), Value: fmt.Appendf(nil, `{%q:"sent %d"}`, field, i)}
			if err := produce.ProduceSync(s.t.Context(), rec).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		letters := s.lettersWithin(r, bridge.LetterFilter{}, 1)
		if letters[0].Reason != "unknown_field" || letters[0].Kind != "publish" {
			t.Errorf("letter %+v", letters[0])
		}
		count := func(topic string) (count int) {
			for _, rec := range s.records() {
				if rec.Topic == topic {
					count++
				}
			}
			return count
		}
		for end := time.Now().Add(time.Minute); count("sf.event.Shipment__e") < n-1 && time.Now().Before(end); {
			time.Sleep(time.Second)
		}
		if events, results := count("sf.event.Shipment__e"), count("sf.results"); events != n-1 || results != n-1 {
			t.Errorf("%d events and %d results of %d records", events, results, n)
		}
		if got := r.metric(`sfbridge_dead_letters_total{reason="unknown_field"}`); got != 1 {
			t.Errorf("%v dead letters counted, want 1", got)
		}
		r.stop()
	})
}
