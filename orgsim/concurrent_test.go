package orgsim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
)

// TestConcurrent_WritersReadersAndFaults_LedgerIsWhatArrives lets several
// people work while schemas change, streams break and readers resume, and
// compares what a reader got with the ledger.
func TestConcurrent_WritersReadersAndFaults_LedgerIsWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{KeepLedger: -1, VaryBatches: true, Seed: 11, Faults: []orgsim.Fault{
			{Kind: orgsim.FaultReset, After: 40, Every: 97, Count: 5},
			{Kind: orgsim.FaultStatus, ErrorCode: "service.unavailable", After: 100, Every: 131, Count: 5},
			{Kind: orgsim.FaultDisconnect, After: 300, Every: 211, Count: 3},
		}})
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		var wg sync.WaitGroup
		for seed := range uint64(3) {
			wg.Go(func() {
				if _, err := r.Org.Work(ctx, orgsim.WorkConfig{Rate: 40, Seed: seed}); err != nil {
					t.Errorf("work: %v", err)
				}
			})
		}
		wg.Go(func() { alterNowAndThen(t, ctx, r.Org) })
		var got [2][]string
		for i := range got {
			wg.Go(func() { got[i] = readAllKeys(t, r, 25*time.Second) })
		}
		wg.Wait()
		var want []string
		for _, e := range r.Org.Ledger().Since(0) {
			if e.ChangeType != "" {
				want = append(want, e.UUID+" "+e.RecordID)
			}
		}
		if len(want) < 1500 {
			t.Fatalf("only %d changes were made", len(want))
		}
		for i := range got {
			if fmt.Sprint(got[i]) != fmt.Sprint(want) {
				t.Errorf("reader %d got %d changes, the ledger has %d, or another order", i, len(got[i]), len(want))
			}
		}
	})
}

func alterNowAndThen(t *testing.T, ctx context.Context, org *orgsim.Org) {
	for i := 0; ctx.Err() == nil; i++ {
		time.Sleep(3 * time.Second)
		if err := org.AlterObject("Account", func(def *orgsim.ObjectDef) {
			def.Fields = append(def.Fields, &orgsim.FieldDef{Name: fmt.Sprintf("Extra_%d__c", i), Type: orgsim.TypeString})
		}); err != nil {
			t.Errorf("alter: %v", err)
		}
	}
}

// readAllKeys reads every change on /data/ChangeEvents and resumes whenever
// the stream breaks, until the time is over.
func readAllKeys(t *testing.T, r *orgsimtest.Running, d time.Duration) []string {
	ctx, stop := context.WithTimeout(r.Context(t.Context()), d)
	defer stop()
	var keys []string
	var position []byte
	client := r.Client(t)
	for ctx.Err() == nil {
		s, err := client.Subscribe(ctx)
		if err != nil {
			continue
		}
		first := earliest("/data/ChangeEvents", 50)
		if position != nil {
			first = after("/data/ChangeEvents", position, 50)
		}
		if err := s.Send(first); err != nil {
			continue
		}
		for {
			resp, err := s.Recv()
			if err != nil {
				break
			}
			for _, e := range resp.GetEvents() {
				position = e.GetReplayId()
				h := decode(t, r.Org, event.SchemaID(e.GetEvent().GetSchemaId()), e.GetEvent().GetPayload())
				for _, id := range h.RecordIDs {
					keys = append(keys, e.GetEvent().GetId()+" "+id)
				}
			}
			if n := len(resp.GetEvents()); n > 0 {
				if s.Send(latest("", int32(n))) != nil {
					break
				}
			}
		}
	}
	return keys
}
