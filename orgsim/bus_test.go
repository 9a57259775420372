package orgsim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/pubsub/pubsubpb"
)

func TestBus_ReplayIDs_AscendWithGaps(t *testing.T) {
	org := newOrg(t, orgsim.Config{Seed: 3})
	accounts(t, org, 200)
	gaps, last := 0, []byte(nil)
	for _, e := range org.Stored("Account") {
		if bytes.Compare(e.ReplayID, last) <= 0 || len(e.ReplayID) != 10 || e.ReplayID[8] != 0 || e.ReplayID[9] != 0 {
			t.Fatalf("replay id %x after %x", e.ReplayID, last)
		}
		if last != nil && e.ReplayID[7] != last[7]+1 {
			gaps++
		}
		last = e.ReplayID
	}
	if gaps < 50 {
		t.Errorf("%d gaps among 200 replay ids", gaps)
	}
}

func TestBus_MaxEvents_OldestGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{MaxEvents: 100})
		accounts(t, r.Org, 50)
		first := subscribe(t, r, earliest(accountChannel, 1)).events(1)[0].GetReplayId()
		for range 70 {
			insert(t, r.Org, "Contact", vals{"LastName": orgsim.String("C")})
		}
		if n := r.Org.BusSize(); n != 100 {
			t.Errorf("%d events are kept, want 100", n)
		}
		subscribe(t, r, after(accountChannel, first, 1)).refused(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		subscribe(t, r, earliest("/data/ChangeEvents", 100)).events(100)
		accounts(t, r.Org, 3000) // many times the bound: what is dropped is let go
		if n := r.Org.BusSize(); n != 100 {
			t.Errorf("%d events are kept, want 100", n)
		}
	})
}

func TestBus_LatestBeyondEvents_PositionSkipsForeignOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{Switches: orgsim.Switches{LatestBeyondEvents: true}})
		accounts(t, r.Org, 1)
		insert(t, r.Org, "Contact", vals{"LastName": orgsim.String("C")})
		s := subscribe(t, r, earliest(accountChannel, 10))
		resp := s.recv()
		if bytes.Compare(resp.GetLatestReplayId(), resp.GetEvents()[0].GetReplayId()) <= 0 {
			t.Errorf("position %x is not beyond the event %x", resp.GetLatestReplayId(), resp.GetEvents()[0].GetReplayId())
		}
		accounts(t, r.Org, 1)
		s.events(1)
		again := subscribe(t, r, after(accountChannel, resp.GetLatestReplayId(), 10))
		again.events(1)
	})
}

func TestCapture_Off_RowsChangeWithoutEvents(t *testing.T) {
	org := newOrg(t, orgsim.Config{Captured: []string{"Contact"}})
	accounts(t, org, 2)
	if len(org.Stored("Account")) != 0 || org.Captured("Account") {
		t.Error("an object that is not captured has events")
	}
	if err := org.Capture("Account", true); err != nil {
		t.Fatal(err)
	}
	accounts(t, org, 2)
	if err := org.Capture("Account", false); err != nil {
		t.Fatal(err)
	}
	accounts(t, org, 2)
	if n := len(org.Stored("Account")); n != 2 || org.Count("Account") != 6 {
		t.Errorf("%d events and %d rows, want 2 and 6", n, org.Count("Account"))
	}
	if got := strings.Join(org.Channels(), " "); got != "/data/ChangeEvents /data/ContactChangeEvent /event/Shipment__e" {
		t.Errorf("channels %s", got)
	}
	if err := org.Capture("Shipment__e", true); err == nil {
		t.Error("a platform event was captured")
	}
}

func TestFind_ByFields_IndexAndScanAgree(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	var ids []string
	for i := range 4 {
		ids = append(ids, insert(t, org, "Order__c", vals{"Partner_Ref__c": orgsim.String([]string{"x", "X", "x", "y"}[i]), "Summary__c": orgsim.String("s")}))
	}
	find := func(field string, v orgsim.Value) string {
		var got []string
		for _, r := range org.FindByExternalID("Order__c", field, v) {
			got = append(got, r.ID)
		}
		return strings.Join(got, " ")
	}
	if got := find("Partner_Ref__c", orgsim.String("x")); got != ids[0]+" "+ids[2] {
		t.Errorf("case-sensitive external id: %s", got)
	}
	if got := find("Summary__c", orgsim.String("s")); got != strings.Join(ids, " ") {
		t.Errorf("any field: %s", got)
	}
	if got := find("Id", orgsim.String(ids[3])); got != ids[3] {
		t.Errorf("id: %s", got)
	}
	_, err := org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		_, _, err := tx.Upsert("Order__c", "Partner_Ref__c", orgsim.String("x"), vals{})
		return err
	})
	var fe *orgsim.FieldError
	if !errors.As(err, &fe) || fe.Code != orgsim.CodeDuplicateExternalID || !strings.Contains(fe.Message, ids[2]) {
		t.Errorf("upsert with a key of two rows: %v", err)
	}
	do(t, org, func(tx *orgsim.Tx) error {
		for _, id := range ids[:3] {
			if err := tx.Purge(id); err != nil {
				return err
			}
		}
		return nil
	})
	if got := find("Summary__c", orgsim.String("s")); got != ids[3] {
		t.Errorf("after a purge: %s", got)
	}
}

func TestFault_SlowAndBrokenOpenings_DelayOrCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 3)
		inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultSlow, After: 1, Delay: 7 * time.Second})
		s := subscribe(t, r, earliest(accountChannel, 100))
		s.events(1)
		start := time.Now()
		s.events(2)
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("the second response after %v, want 7s", d)
		}
		for _, f := range []orgsim.Fault{
			{Kind: orgsim.FaultDisconnect, On: orgsim.OnOpen}, {Kind: orgsim.FaultRevoke, On: orgsim.OnOpen}, {Kind: orgsim.FaultBlackhole, On: orgsim.OnOpen},
		} {
			inject(t, r.Org, f)
			ctx, stop := context.WithTimeout(r.Context(t.Context()), time.Minute)
			_, err := r.Client(t).GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: accountChannel})
			stop()
			want := map[orgsim.FaultKind]codes.Code{orgsim.FaultDisconnect: codes.Unavailable, orgsim.FaultRevoke: codes.Unauthenticated, orgsim.FaultBlackhole: codes.DeadlineExceeded}[f.Kind]
			if status.Code(err) != want {
				t.Errorf("%s: %v, want %v", f.Kind, err, want)
			}
			r.Login()
		}
	})
}

func TestTransact_Panic_LeavesNothing(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
			if _, err := tx.Insert("Account", vals{"Name": orgsim.String("A")}); err != nil {
				t.Error(err)
			}
			panic("bug in the caller")
		})
	}()
	if org.Count("Account") != 0 || org.Ledger().Total() != 0 {
		t.Error("half a transaction is left")
	}
	accounts(t, org, 1) // and the org goes on
}

func TestWork_ManyChanges_OrgStaysSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{MaxEvents: 1000})
		counts, err := org.Work(t.Context(), orgsim.WorkConfig{Rate: 500, Changes: 20_000, MaxRows: 200, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, def := range org.Objects() {
			org.Scan(def.Name, true, func(*orgsim.Record) bool { rows++; return true })
		}
		if rows > 2000 || counts.Changes < 20_000 || counts.Deletes == 0 || counts.Undeletes == 0 || counts.Published == 0 || counts.MassEdits == 0 {
			t.Errorf("%d rows, %+v", rows, counts)
		}
		if counts.Refused*50 > counts.Changes {
			t.Errorf("the org refused %d rows of %d: the work is not plausible", counts.Refused, counts.Changes)
		}
		if total := org.Ledger().Total(); total < counts.Changes*9/10 {
			t.Errorf("ledger %s for %+v", fmt.Sprint(org.Ledger().Counts()), counts)
		}
	})
}
