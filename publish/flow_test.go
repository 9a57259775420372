package publish_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"sfbridge/internal/embedded"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/publish"
	"sfbridge/schemas"
)

func TestC13_Publish_OnlyFailedEventsAgain_AndEachKeyInOrder(t *testing.T) {
	inBubble(t, orgsim.Config{MaxPublishEvents: 200, MaxPublishBytes: 3_000_000}, func(t *testing.T, r *rig) {
		if err := r.org.Org.Inject(orgsim.Fault{Kind: orgsim.FaultPublish, After: 49, Every: 49, Count: -1}); err != nil {
			t.Fatal(err)
		}
		r.produce(topic, numbered(1000, 250, `,"Notes__c":"`+strings.Repeat("n", 30_000)+`"`)...)
		r.run(r.flow())
		done, set := r.outcomes(1000, 10*time.Minute)
		if len(set) > 0 {
			t.Fatalf("%d dead letters, the first %+v", len(set), set[0])
		}
		inOrder(t, r.events(), 1000, false)
		repeated := 0
		for _, d := range done {
			if d.Attempts > 1 {
				repeated++
			}
		}
		if repeated < 15 {
			t.Errorf("%d events took more than one attempt, want every fiftieth", repeated)
		}
		for _, c := range r.org.Org.Calls() {
			if c.Method == "PublishStream" && c.Events > 1000+100 {
				t.Errorf("%d events were sent for 1,000 records", c.Events)
			}
		}
	})
}

func TestPublish_EventThatIsAlwaysRefused_HoldsBackItsKeyAlone(t *testing.T) {
	inBubble(t, orgsim.Config{MaxEventBytes: 5_000}, func(t *testing.T, r *rig) {
		large := `,"Notes__c":"` + strings.Repeat("n", 6_000) + `"`
		r.produce(topic, append(append(numbered(1, 1, large), "key-0", `{"Carrier__c":"key-0","Order_Number__c":"1"}`),
			"other", `{"Carrier__c":"other","Order_Number__c":"2"}`)...)
		r.run(r.flow())
		done, set := r.outcomes(3, 10*time.Minute)
		if len(set) != 1 || set[0].Reason != flow.Rejected || set[0].Code != "PUBLISH" || set[0].Attempts != 8 || !strings.Contains(set[0].Message, "larger") {
			t.Fatalf("letters %+v", set)
		}
		events := r.events()
		if len(done) != 2 || len(events) != 2 || events[0].body["Carrier__c"] != "other" {
			t.Errorf("events %+v, want the other key's first", events)
		}
		held := map[string]time.Time{}
		for _, d := range done {
			held[d.ID] = d.Time
		}
		if gap := held[events[1].uuid].Sub(held[events[0].uuid]); gap < 5*time.Second {
			t.Errorf("the key's next event came %v after the other key's, want it behind eight attempts", gap)
		}
	})
}

func TestPublish_HourlyLimit_IsWaitedFor(t *testing.T) {
	inBubble(t, orgsim.Config{PublishLimit: 10}, func(t *testing.T, r *rig) {
		r.produce(topic, numbered(15, 15, "")...)
		f := r.flow()
		r.run(f)
		time.Sleep(20 * time.Minute)
		st := f.Status()
		if st.State != flow.AtLimit || st.Until.Before(time.Now()) || !strings.Contains(f.Problem(), "0 of 10 left") || st.InFlight != 0 {
			t.Errorf("status %+v, problem %q", st, f.Problem())
		}
		if n := r.org.Org.Published(); n != 10 {
			t.Errorf("%d events published, want the limit", n)
		}
		_, set := r.outcomes(15, 2*time.Hour)
		if len(set) > 0 {
			t.Errorf("dead letters %+v", set)
		}
		inOrder(t, r.events(), 15, false)
		if st := f.Status(); st.State != flow.Running || f.Problem() != "" {
			t.Errorf("afterwards: %+v, problem %q", st, f.Problem())
		}
		asked := 0
		for _, c := range r.org.Org.Calls() {
			if strings.HasSuffix(c.Method, "/limits") {
				asked++
			}
		}
		if asked == 0 || asked > 40 {
			t.Errorf("%d calls for limits in an hour", asked)
		}
	})
}

func TestPublish_RefusalsWhoseReasonIsHidden_SetNothingAside(t *testing.T) {
	inBubble(t, orgsim.Config{PublishLimit: 10}, func(t *testing.T, r *rig) {
		r.org.Org.InjectHTTP(orgsim.HTTPFault{Path: "/limits", Status: 403, Code: "INSUFFICIENT_ACCESS"})
		r.produce(topic, numbered(12, 12, "")...)
		f := r.flow()
		r.run(f)
		time.Sleep(30 * time.Minute)
		if p := f.Problem(); !strings.Contains(p, "refuses events") || !strings.Contains(p, "INSUFFICIENT_ACCESS") {
			t.Errorf("problem %q", p)
		}
		if done, set := r.outcomes(12, 2*time.Hour); len(done) != 12 || len(set) != 0 {
			t.Errorf("%d results, %d letters", len(done), len(set))
		}
	})
}

func TestPublish_OrgAway_EveryEventArrivesInOrder(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		f := r.flow()
		r.run(f)
		for i, fault := range []orgsim.Fault{
			{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "PublishStream", ErrorCode: "service.unavailable", Count: 9},
			{Kind: orgsim.FaultDisconnect, On: orgsim.OnOpen, Method: "PublishStream", Count: 6},
			{Kind: orgsim.FaultRevoke, On: orgsim.OnOpen, Method: "PublishStream"},
		} {
			r.org.Org.EndStreams()
			if err := r.org.Org.Inject(fault); err != nil {
				t.Fatal(err)
			}
			var some []string
			for n := range 20 {
				some = append(some, fmt.Sprint("key-", n%5), fmt.Sprintf(`{"Carrier__c":"key-%d","Order_Number__c":"%d"}`, n%5, 20*i+n))
			}
			r.produce(topic, some...)
			if _, set := r.outcomes(20*(i+1), 10*time.Minute); len(set) > 0 {
				t.Fatalf("letters %+v", set)
			}
		}
		inOrder(t, r.events(), 60, true)
		if p := f.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
	})
}

func TestPublish_Killed_RepeatsHaveEqualUUIDs(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		const n = 400
		r.produce(topic, numbered(n, 40, "")...)
		release := r.holdCommits()
		for round := range 4 {
			cfg := r.config()
			f, err := publish.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			stop := r.run(f)
			// Killed between publishing and the commit of the outcomes.
			for r.org.Org.Published() < int64(60*(round+1)) {
				time.Sleep(time.Millisecond)
			}
			_ = cfg.Kafka.Close()
			_ = cfg.PubSub.Close()
			_ = stop()
		}
		release()
		r.run(r.flow())
		done, set := r.outcomes(n, 10*time.Minute)
		if len(done) != n || len(set) != 0 {
			t.Fatalf("%d results, %d letters", len(done), len(set))
		}
		events := r.events()
		inOrder(t, events, n, true)
		if len(events) == n {
			t.Error("no event was published twice, so this proves nothing")
		}
		ids := map[string]bool{}
		for _, d := range done {
			if at := fmt.Sprint(d.Source.Partition, "/", d.Source.Offset); ids[at] {
				t.Errorf("two results of %s", at)
			} else {
				ids[at] = true
			}
		}
	})
}

func TestPublish_StoppedAndStarted_RepeatsNothing(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		for round := range 3 {
			var some []string
			for n := range 50 {
				some = append(some, "", fmt.Sprintf(`{"Order_Number__c":"%d"}`, 50*round+n))
			}
			r.produce(topic, some...)
			stop := r.run(r.flow())
			time.Sleep(30 * time.Second)
			if err := stop(); err != nil {
				t.Errorf("end: %v", err)
			}
		}
		if events := r.events(); len(events) != 150 {
			t.Errorf("%d events, want 150", len(events))
		}
		r.outcomes(150, time.Second)
	})
}

func TestPublish_EventGetsAField_IsSeenWithinMinutes(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		r.run(r.flow())
		r.produce(topic, "a", `{"Order_Number__c":"1"}`)
		r.outcomes(1, time.Minute)
		err := r.org.Org.AlterObject("Shipment__e", func(def *orgsim.ObjectDef) {
			def.Fields = append(def.Fields, &orgsim.FieldDef{Name: "Colour__c", Type: orgsim.TypeString, Length: 20})
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		r.produce(topic, "a", `{"Order_Number__c":"2","Colour__c":"red"}`)
		if _, set := r.outcomes(2, time.Minute); len(set) > 0 {
			t.Fatalf("letter %+v", set[0])
		}
		if e := r.events(); e[0].schema == e[1].schema || e[1].body["Colour__c"] != "red" {
			t.Errorf("events %+v", e)
		}
	})
}

func TestPublish_RightIsTaken_StopsAndSaysWhy(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		f := r.flow()
		if err := f.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.org.Org.SetAccess(r.org.Org.IntegrationUser(), orgsim.Access{Forbidden: []string{"Shipment__e"}})
		if err := r.org.Org.Inject(orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "PublishStream", ErrorCode: "topic.meta.permission", Count: -1}); err != nil {
			t.Fatal(err)
		}
		r.produce(topic, "a", `{"Order_Number__c":"1"}`)
		err := f.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "topic.meta.permission") || f.Status().State != flow.Stopped || !strings.Contains(f.Problem(), "permission") {
			t.Fatalf("error %v, status %+v", err, f.Status())
		}
		r.org.Org.Heal()
		r.org.Org.SetAccess(r.org.Org.IntegrationUser(), orgsim.Access{})
		r.run(f)
		r.outcomes(1, time.Minute)
	})
}

func TestPublish_Metrics(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		f := r.flow()
		r.run(f)
		r.produce(topic, "a", `{"Order_Number__c":"1"}`, "b", `{"Nope":"1"}`, "c", "")
		r.outcomes(3, time.Minute)
		time.Sleep(2 * time.Second)
		want := `# HELP sfbridge_publish_records_total Records on their way to platform events, by their outcome.
# TYPE sfbridge_publish_records_total counter
sfbridge_publish_records_total{flow="erp.shipments/main/Shipment__e",outcome="dead_letter"} 1
sfbridge_publish_records_total{flow="erp.shipments/main/Shipment__e",outcome="published"} 1
sfbridge_publish_records_total{flow="erp.shipments/main/Shipment__e",outcome="skipped"} 1
# HELP sfbridge_publish_lag_seconds Age of the oldest record without a committed outcome; 0 when there is none.
# TYPE sfbridge_publish_lag_seconds gauge
sfbridge_publish_lag_seconds{flow="erp.shipments/main/Shipment__e"} 0
# HELP sfbridge_publish_lag_records Offsets between the first record without a committed outcome and the end of the partition.
# TYPE sfbridge_publish_lag_records gauge
sfbridge_publish_lag_records{flow="erp.shipments/main/Shipment__e",partition="0"} 0
sfbridge_publish_lag_records{flow="erp.shipments/main/Shipment__e",partition="1"} 0
`
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "sfbridge_publish_records_total", "sfbridge_publish_lag_seconds", "sfbridge_publish_lag_records"); err != nil {
			t.Error(err)
		}
		if st := f.Status(); len(st.Partitions) != 4 || st.State != flow.Running || st.Kind != flow.KindPublish {
			t.Errorf("status %+v", st)
		}
	})
}

func TestC41_Publish_ShareMoves_NothingTwiceAndInOrder(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		const n = 3000
		first := r.run(r.flow())
		for at := 0; at < n; at += 300 {
			some := numbered(n, 60, "")[2*at : 2*(at+300)]
			r.produce(topic, some...)
			switch at {
			case 600:
				r.run(r.flow())
			case 1500:
				if err := first(); err != nil {
					t.Errorf("the first member's end: %v", err)
				}
			}
			time.Sleep(3 * time.Second)
		}
		done, set := r.outcomes(n, 10*time.Minute)
		if len(done) != n || len(set) != 0 {
			t.Fatalf("%d results, %d letters", len(done), len(set))
		}
		events := r.events()
		inOrder(t, events, n, false)
	})
}

func TestPublish_RegistryAway_IsWaitedForAndTold(t *testing.T) {
	inBubble(t, orgsim.Config{}, func(t *testing.T, r *rig) {
		registry, err := schemas.NewRegistry(schemas.RegistryConfig{
			URL: "http://127.0.0.1:8081", HTTPClient: &http.Client{Transport: &http.Transport{DialContext: r.kafka.Dial, DisableKeepAlives: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		schema := `{"type":"record","name":"S","fields":[{"name":"no","type":"long"},{"name":"late","type":["null","boolean"],"default":null}]}`
		r.produceRecords(record(topic, 0, "a", "\x00\x00\x00\x00\x01"+string([]byte{0x84, 0x02, 0x02, 0x01})))
		f := r.flow(func(c *publish.Config) {
			c.Format, c.Decoder = schemas.Auto, schemas.NewDecoder(registry)
			c.Fields = map[string]string{"Order_Number__c": "no", "Is_Late__c": "late"}
		})
		r.run(f)
		time.Sleep(2 * time.Minute)
		if p := f.Problem(); !strings.Contains(p, "registry") || f.Status().State != flow.BackingOff {
			t.Errorf("problem %q, status %+v", p, f.Status())
		}
		reg, err := embedded.StartRegistry(embedded.RegistryConfig{Listen: "127.0.0.1:8081", ListenFn: r.kafka.Net.Listen})
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close()
		if id, err := registry.Register(t.Context(), "s-value", schema); err != nil || id != 1 {
			t.Fatalf("schema %d, %v", id, err)
		}
		if _, set := r.outcomes(1, 10*time.Minute); len(set) > 0 {
			t.Fatalf("letter %+v", set[0])
		}
		if e := r.events()[0]; e.body["Order_Number__c"] != "130" || e.body["Is_Late__c"] != true {
			t.Errorf("event %+v", e.body)
		}
		if p := f.Problem(); p != "" {
			t.Errorf("problem %q once the registry is back", p)
		}
	})
}
