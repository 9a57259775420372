package publish_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/publish"
)

// badDay is something that happens to the org, to Kafka or to the bridge.
func (r *rig) badDay(rng *rand.Rand) {
	inject := func(f orgsim.Fault) {
		if err := r.org.Org.Inject(f); err != nil {
			r.t.Error(err)
		}
	}
	switch rng.IntN(7) {
	case 0:
		inject(orgsim.Fault{Kind: orgsim.FaultPublish, After: rng.IntN(20), Every: 1 + rng.IntN(9), Count: 1 + rng.IntN(8)})
	case 1:
		inject(orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "PublishStream", ErrorCode: "service.unavailable", Count: 1 + rng.IntN(6)})
		r.org.Org.EndStreams()
	case 2:
		inject(orgsim.Fault{Kind: orgsim.FaultDisconnect, On: orgsim.OnOpen, Method: "PublishStream", Count: 1 + rng.IntN(3)})
		r.org.Org.EndStreams()
	case 3:
		r.org.Org.RevokeAll(true)
	case 4:
		r.org.Org.InjectHTTP(orgsim.HTTPFault{Path: "/limits", Status: 503, Count: 1 + rng.IntN(3)})
	case 5:
		release := r.holdCommits()
		time.AfterFunc(time.Duration(rng.IntN(30))*time.Second, release)
	case 6:
		r.org.Org.EndStreams()
	}
}

func TestPublish_RandomDays_EveryRecordHasOneOutcomeAndItsPlace(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, orgsim.Config{Seed: seed}, func(t *testing.T, r *rig) { r.randomDays(seed) })
		})
	}
}

func (r *rig) randomDays(seed uint64) {
	t, rng := r.t, rand.New(rand.NewPCG(seed, 7))
	cfg := r.config()
	f, err := publish.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop := r.run(f)
	written, bad := 0, 0
	for range 40 {
		var some []string
		for range rng.IntN(30) {
			key, extra := fmt.Sprint("key-", rng.IntN(12)), ""
			if rng.IntN(40) == 0 {
				extra, bad = `,"Due__c":"never"`, bad+1
			}
			some = append(some, key, fmt.Sprintf(`{"Carrier__c":%q,"Order_Number__c":"%d"%s}`, key, written, extra))
			written++
		}
		if len(some) > 0 {
			r.produce(topic, some...)
		}
		if rng.IntN(2) == 0 {
			r.badDay(rng)
		}
		if rng.IntN(5) == 0 { // killed, or stopped in order
			if rng.IntN(2) == 0 {
				_ = cfg.Kafka.Close()
				_ = cfg.PubSub.Close()
			}
			_ = stop()
			cfg = r.config()
			if f, err = publish.New(cfg); err != nil {
				t.Fatal(err)
			}
			stop = r.run(f)
		}
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Millisecond)
	}
	r.org.Org.Heal()
	r.org.Org.ClearHTTP()
	done, set := r.outcomes(written, time.Hour)
	if len(done) != written-bad || len(set) != bad {
		t.Fatalf("%d results and %d letters, want %d and %d", len(done), len(set), written-bad, bad)
	}
	places := map[flow.Source]bool{}
	for _, d := range done {
		places[d.Source] = true
	}
	for _, l := range set {
		places[l.Source] = true
		if l.Reason != flow.BadValue {
			t.Errorf("letter %+v", l)
		}
	}
	if len(places) != written {
		t.Errorf("%d records have an outcome, want %d", len(places), written)
	}
	events := r.events()
	inOrder(t, events, written-bad, true)
	ids := map[string]bool{}
	for _, e := range events {
		ids[e.uuid] = true
	}
	for _, d := range done {
		if !ids[d.ID] {
			t.Errorf("no event has the uuid %s of a result", d.ID)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("end: %v", err)
	}
}
