package publish_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/publish"
)

func TestPublish_RecordsBecomeEvents_WithTheTypesOfTheEvent(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.produce(topic, "k1", `{"no":4711,"carrier":{"name":"Zoë 東京"},"kg":"12.5","at":"2024-10-27T03:30:00.250+0200","due":"2024-02-29","late":"TRUE"}`)
		f := r.flow(func(c *publish.Config) {
			c.Fields = map[string]string{
				"Order_Number__c": "no", "Carrier__c": "carrier.name", "Weight__c": "kg", "Shipped_At__c": "at", "Due__c": "due",
				"is_late__c": "late", "Status__c": "status", "Notes__c": `_key + "/" + _topic`,
			}
		})
		if err := f.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := r.run(f)
		done, set := r.outcomes(1, time.Minute)
		if len(set) > 0 {
			t.Fatalf("dead letter %+v", set[0])
		}
		got := r.events()[0]
		want := map[string]any{
			"CreatedById": r.org.Org.IntegrationUser(), "Order_Number__c": "4711", "Carrier__c": "Zoë 東京", "Weight__c": 12.5,
			"Shipped_At__c": time.Date(2024, 10, 27, 1, 30, 0, 250e6, time.UTC).UnixMilli(), "Due__c": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC).UnixMilli(),
			"Is_Late__c": true, "Status__c": nil, "Notes__c": "k1/" + topic,
		}
		for name, v := range want {
			if got.body[name] != v {
				t.Errorf("%s = %v, want %v", name, got.body[name], v)
			}
		}
		if made, ok := got.body["CreatedDate"].(int64); !ok || time.Since(time.UnixMilli(made)) > time.Minute {
			t.Errorf("CreatedDate = %v", got.body["CreatedDate"])
		}
		res := done[0]
		if res.Outcome != flow.Published || res.ID != got.uuid || res.Source.Topic != topic || res.API != "pubsub" || res.Attempts != 1 || res.Object != "Shipment__e" {
			t.Errorf("result %+v, event %s", res, got.uuid)
		}
		if err := stop(); err != nil {
			t.Errorf("end: %v", err)
		}
	})
}

func TestPublish_SameNames_AndWhatTheEventLacks(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
			r.produce(topic, "a", `{"Order_Number__c":"1","carrier__C":"c","CreatedDate":1,"CreatedById":"x","EventUuid":"y","Colour":"red"}`)
			r.run(r.flow(func(c *publish.Config) { c.IgnoreUnmapped = ignore }))
			done, set := r.outcomes(1, time.Minute)
			if !ignore {
				if len(set) != 1 || set[0].Reason != flow.UnknownField || set[0].Fields[0] != "Colour" {
					t.Errorf("letters %+v", set)
				}
				return
			}
			if len(done) != 1 {
				t.Fatalf("letters %+v", set)
			}
			if e := r.events()[0]; e.body["Carrier__c"] != "c" || e.body["CreatedById"] != r.org.Org.IntegrationUser() {
				t.Errorf("event %+v", e.body)
			}
		})
	}
}

func TestPublish_BadRecords_AreSetAsideAndOthersGoOn(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		bad := map[string]string{
			"json":    `{"no":`,
			"date":    `{"due":"29.02.2024"}`,
			"number":  `{"kg":"1.234,56"}`,
			"bool":    `{"late":"perhaps"}`,
			"long":    `{"no":"` + strings.Repeat("x", 31) + `"}`,
			"object":  `{"no":{"a":1}}`,
			"mapping": `{"n":"x"}`,
			"large":   `{"notes":"` + strings.Repeat("€", 10) + `"}`,
		}
		reasons := map[string]string{"json": flow.Undecodable, "mapping": flow.BadMapping}
		delete(bad, "large")
		for key, value := range bad {
			r.produce(topic, key, value)
		}
		r.produce(topic, "tombstone", "", "good", `{"no":"1"}`)
		r.run(r.flow(func(c *publish.Config) {
			c.Fields = map[string]string{"Order_Number__c": "no", "Weight__c": "kg", "Due__c": "due", "Is_Late__c": "late", "Carrier__c": `n == nil ? nil : n.a.b + 1`}
		}))
		done, set := r.outcomes(len(bad)+2, time.Minute)
		if len(done) != 2 || len(set) != len(bad) {
			t.Fatalf("%d results, %d letters: %+v", len(done), len(set), set)
		}
		for _, l := range set {
			key := string(l.RecordKey)
			want := reasons[key]
			if want == "" {
				want = flow.BadValue
			}
			if l.Reason != want || string(l.Value) != bad[key] || l.Kind != flow.KindPublish || l.Error == "" {
				t.Errorf("%s: letter %+v, want %s", key, l, want)
			}
			if strings.Contains(l.Error, "29.02.2024") || strings.Contains(l.Error, "perhaps") {
				t.Errorf("%s: the error shows the value: %s", key, l.Error)
			}
		}
		for _, d := range done {
			if d.Outcome == flow.Skipped && d.Reason != flow.SkipTombstone {
				t.Errorf("result %+v", d)
			}
		}
		if n := r.setAside(flow.BadValue); n != len(bad)-2 {
			t.Errorf("%d dead letters counted as bad_value, want %d", n, len(bad)-2)
		}
	})
}

func TestPublish_UUID_FromTheRecord(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		const given = "0B1FA3A8-5D8B-4D3E-8F55-0D7E0C5A9F10"
		value := `{"Order_Number__c":"1"}`
		r.produceRecords(
			record(topic, 0, "a", value),
			record(topic, 0, "b", value, "ce_id", given),
			record(topic, 0, "c", value, "ce_id", "7", "ce_source", "/erp"),
			record(retries, 0, "a", value, flow.HeaderRetryOf, topic+"/0/0"),
		)
		r.run(r.flow())
		r.outcomes(4, time.Minute)
		ids := map[string]int{}
		for _, e := range r.events() {
			ids[e.uuid]++
			if len(e.uuid) != 36 || e.uuid != strings.ToLower(e.uuid) {
				t.Errorf("uuid %s", e.uuid)
			}
		}
		if ids[strings.ToLower(given)] != 1 || len(ids) != 3 {
			t.Errorf("uuids %v, want the given one, and that of a retried record as before", ids)
		}
	})
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.produce(topic, "a", `{"Order_Number__c":"1"}`, "b", `{"Order_Number__c":"1"}`, "c", `{"Order_Number__c":null}`, "d", `{}`)
		r.run(r.flow(func(c *publish.Config) { c.ID = "Order_Number__c" }))
		_, set := r.outcomes(4, time.Minute)
		if len(set) != 2 || set[0].Reason != flow.NoKey {
			t.Errorf("letters %+v, want two without an id", set)
		}
		if e := r.events(); len(e) != 2 || e[0].uuid != e[1].uuid || len(e[0].uuid) != 36 {
			t.Errorf("events %+v, want one uuid of the same text", e)
		}
	})
}

func TestPublish_Settings_ThatCannotWork(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		for name, change := range map[string]func(*publish.Config){
			"expression":   func(c *publish.Config) { c.Fields = map[string]string{"Carrier__c": "a +"} },
			"system field": func(c *publish.Config) { c.Fields = map[string]string{"createddate": "a"} },
			"id":           func(c *publish.Config) { c.ID = "(" },
			"no letters":   func(c *publish.Config) { c.DeadLetterTopic = "" },
			"no event":     func(c *publish.Config) { c.Event = "" },
			"no client":    func(c *publish.Config) { c.PubSub = nil },
		} {
			if _, err := publish.New(r.config(change)); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		for name, tc := range map[string]struct {
			change func(*publish.Config)
			says   string
			again  bool
		}{
			"unknown event": {func(c *publish.Config) { c.Event = "Nope__e" }, "topic.not.found", false},
			"unknown field": {func(c *publish.Config) { c.Fields = map[string]string{"Nope__c": "a"} }, "has no field Nope__c: it has Order_Number__c", false},
			"no topic":      {func(c *publish.Config) { c.Consumer.Topic = "nope" }, "nope", true},
		} {
			err := r.flow(tc.change).Prepare(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.says) || publish.Retryable(err) != tc.again {
				t.Errorf("%s: %v (retryable %v)", name, err, publish.Retryable(err))
			}
		}
		if err := r.org.Org.Inject(orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "GetTopic", ErrorCode: "service.unavailable", Count: -1}); err != nil {
			t.Fatal(err)
		}
		if err := r.flow().Prepare(t.Context()); err == nil || !publish.Retryable(err) {
			t.Errorf("org away: %v, want an error that may pass", err)
		}
	})
}

// numbered makes records of n keys in turn, each with its number.
func numbered(n, keys int, extra string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint("key-", i%keys), fmt.Sprintf(`{"Carrier__c":"key-%d","Order_Number__c":"%d"%s}`, i%keys, i, extra))
	}
	return out
}

// inOrder checks that the events of each key rise, and that there are n; a
// repeat must have the uuid and body of its first.
func inOrder(t *testing.T, events []published, n int, repeats bool) {
	t.Helper()
	last, seen := map[any]int{}, map[string]string{}
	for _, e := range events {
		var no int
		fmt.Sscan(e.body["Order_Number__c"].(string), &no)
		if before, again := seen[e.uuid]; again {
			if !repeats || before != e.body["Order_Number__c"] {
				t.Errorf("uuid %s of event %s again with event %s", e.uuid, before, e.body["Order_Number__c"])
			}
			continue
		}
		seen[e.uuid] = e.body["Order_Number__c"].(string)
		key := e.body["Carrier__c"]
		if before, some := last[key]; some && before >= no {
			t.Errorf("key %v: event %d after %d", key, no, before)
		}
		last[key] = no
	}
	if len(seen) != n {
		t.Errorf("%d different events, want %d", len(seen), n)
	}
}

func TestC31_Publish_EventOfAPackage_FieldsWithAndWithoutPrefix(t *testing.T) {
	objects := append(orgsim.BuiltinObjects(), orgsim.ObjectDef{Name: "acme__Dock__e", Event: true, Fields: []*orgsim.FieldDef{
		{Name: "acme__Code__c", Type: orgsim.TypeString, Length: 10}, {Name: "acme__Bays__c", Type: orgsim.TypeDouble},
	}})
	inBubble(t, orgsim.Config{Objects: objects}, func(t *testing.T, r *rig) {
		r.produce(topic, "a", `{"Code__c":"D7","acme__bays__c":3}`)
		r.run(r.flow(func(c *publish.Config) { c.Event = "acme__Dock__e" }))
		done, set := r.outcomes(1, time.Minute)
		if len(set) > 0 || done[0].Object != "acme__Dock__e" {
			t.Fatalf("results %+v, letters %+v", done, set)
		}
		if n := r.org.Org.Ledger().Counts()["acme__Dock__e"]; n != 1 {
			t.Errorf("%d events of the package", n)
		}
	})
}
