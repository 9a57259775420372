package orgsim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
)

func TestChannel_Enriched_ValuesOfNowUnderOneReplayID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{Channels: []orgsim.ChannelDef{{Name: "/data/Sales__chn", Members: []orgsim.ChannelMember{
			{Object: "Account", Enriched: []string{"Industry", "BillingAddress", "Phone"}}, {Object: "Contact"},
		}}}})
		org := r.Org
		a := insert(t, org, "Account", vals{"Name": orgsim.String("A"), "Industry": orgsim.String("Energy"), "BillingCity": orgsim.String("Lyon"), "Phone": orgsim.String("1")})
		b := insert(t, org, "Account", vals{"Name": orgsim.String("B"), "Industry": orgsim.String("Media")})
		do(t, org, func(tx *orgsim.Tx) error {
			return errors.Join(tx.Update(a, vals{"Rating": orgsim.String("Hot"), "Phone": {}}), tx.Update(b, vals{"Rating": orgsim.String("Hot")}))
		})
		do(t, org, func(tx *orgsim.Tx) error { return errors.Join(tx.Delete(a), tx.Delete(b)) })
		got := subscribe(t, r, earliest("/data/Sales__chn", 100)).events(6)
		plain := subscribe(t, r, earliest(accountChannel, 100)).events(5)
		var ds []decoded
		for _, e := range got {
			d := decode(t, org, event.SchemaID(e.GetEvent().GetSchemaId()), e.GetEvent().GetPayload())
			d.ReplayID, d.UUID = e.GetReplayId(), e.GetEvent().GetId()
			ds = append(ds, d)
		}
		wantNames(t, "changed", ds[2].ChangedFields, "Rating", "Phone", "LastModifiedDate")
		wantBody(t, ds[2], map[string]any{"Rating": "Hot", "Industry": "Energy", "BillingAddress.City": "Lyon", "Phone": nil})
		wantBody(t, ds[3], map[string]any{"Rating": "Hot", "Industry": "Media", "BillingAddress": nil})
		if ds[4].ReplayID.String() != ds[5].ReplayID.String() || ds[4].RecordIDs[0] != a || ds[5].RecordIDs[0] != b || len(ds[4].RecordIDs) != 1 {
			t.Errorf("a merged delete on an enriched channel: %+v, %+v", ds[4], ds[5])
		}
		wantBody(t, ds[4], map[string]any{"Industry": "Energy", "BillingAddress.City": "Lyon"})
		d := decode(t, org, event.SchemaID(plain[4].GetEvent().GetSchemaId()), plain[4].GetEvent().GetPayload())
		if len(d.RecordIDs) != 2 || len(d.Body) != 0 {
			t.Errorf("the object's own channel: %+v", d)
		}
		// Cut the group in the middle: what follows its replay id skips the sibling.
		rest := subscribe(t, r, earliest("/data/Sales__chn", 5))
		rest.events(5)
		rest.ask(5)
		if e := rest.events(1)[0]; string(e.GetReplayId()) != string(got[4].GetReplayId()) {
			t.Errorf("the rest of the group has replay id %x, want %x", e.GetReplayId(), got[4].GetReplayId())
		}
	})
}

func TestAccess_HiddenAndForbidden_NullAndLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		org := r.Org
		org.SetAccess(org.IntegrationUser(), orgsim.Access{Forbidden: []string{"Contact"}, Hidden: map[string][]string{"Account": {"Phone", "BillingCity"}}})
		insert(t, org, "Contact", vals{"LastName": orgsim.String("C")})
		id := insert(t, org, "Account", vals{"Name": orgsim.String("A"), "Phone": orgsim.String("1"), "BillingCity": orgsim.String("X"), "BillingStreet": orgsim.String("Y")})
		update(t, org, id, vals{"Phone": orgsim.String("2")})
		got := subscribe(t, r, earliest("/data/ChangeEvents", 100)).events(2)
		create := decode(t, org, event.SchemaID(got[0].GetEvent().GetSchemaId()), got[0].GetEvent().GetPayload())
		wantBody(t, create, map[string]any{"Name": "A", "Phone": nil, "BillingAddress.Street": "Y", "BillingAddress.City": nil})
		change := decode(t, org, event.SchemaID(got[1].GetEvent().GetSchemaId()), got[1].GetEvent().GetPayload())
		wantNames(t, "changed", change.ChangedFields, "Phone", "LastModifiedDate")
		wantBody(t, change, map[string]any{"Phone": nil})
		subscribe(t, r, earliest("/data/ContactChangeEvent", 1)).refused(7, "subscription.topic.cannot.subscribe")
	})
}

func TestSeed_EqualSeeds_EqualBytes(t *testing.T) {
	run := func(seed uint64) string {
		var all strings.Builder
		synctest.Test(t, func(t *testing.T) {
			org := newOrg(t, orgsim.Config{Seed: seed})
			if _, err := org.Work(t.Context(), orgsim.WorkConfig{Seed: seed, Rate: 1000, Changes: 300}); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); d < 250*time.Millisecond || d > 400*time.Millisecond {
				t.Errorf("300 changes at 1000 a second took %v", d)
			}
			for _, e := range org.Stored("Account", "Contact", "Opportunity", "Order__c", "Shipment__e") {
				fmt.Fprintf(&all, "%s %x %x\n", e.UUID, e.ReplayID, e.Payload)
			}
		})
		return all.String()
	}
	first := run(7)
	if len(first) < 10_000 || first != run(7) {
		t.Error("the same seed gives other events, or there are none")
	}
	if first == run(8) {
		t.Error("another seed gives the same events")
	}
}
