package orgsim_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
)

func TestPrepared_AllEvents_DecodableDistinctAndResumable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		if err := r.Org.ServePrepared(orgsim.Prepared{Channel: accountChannel, Events: 250, Size: 600, Keys: 7}); err != nil {
			t.Fatal(err)
		}
		s := subscribe(t, r, earliest(accountChannel, 100))
		got := s.events(100)
		s.ask(100)
		got = append(got, s.events(100)...)
		got = append(got, subscribe(t, r, after(accountChannel, got[199].GetReplayId(), 100)).events(50)...)
		keys, uuids := map[string]int{}, map[string]bool{}
		for i, e := range got {
			d := decode(t, r.Org, event.SchemaID(e.GetEvent().GetSchemaId()), e.GetEvent().GetPayload())
			keys[d.RecordIDs[0]]++
			uuids[e.GetEvent().GetId()] = true
			if i > 0 && bytes.Compare(got[i-1].GetReplayId(), e.GetReplayId()) >= 0 {
				t.Fatalf("event %d: replay id %x after %x", i, e.GetReplayId(), got[i-1].GetReplayId())
			}
			if d.ChangeType != event.Update || d.CommitTimestamp != time.Now().UnixMilli() || len(e.GetEvent().GetPayload()) < 590 || len(e.GetEvent().GetPayload()) > 610 {
				t.Fatalf("event %d: %d bytes, %+v", i, len(e.GetEvent().GetPayload()), d.Header)
			}
			wantNames(t, "changed", d.ChangedFields, "Description", "LastModifiedDate")
		}
		if len(keys) != 7 || len(uuids) != 250 {
			t.Errorf("%d record ids and %d uuids, want 7 and 250", len(keys), len(uuids))
		}
		end := subscribe(t, r, after(accountChannel, got[249].GetReplayId(), 1)).recv() // only a keepalive is left
		if len(end.GetEvents()) != 0 || !bytes.Equal(end.GetLatestReplayId(), got[249].GetReplayId()) {
			t.Errorf("after the end: %v", end)
		}
		subscribe(t, r, after(accountChannel, make([]byte, 10), 1)).refused(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		if err := r.Org.ServePrepared(orgsim.Prepared{Channel: "/data/ChangeEvents", Events: 1}); err == nil {
			t.Error("a channel of many objects was prepared")
		}
	})
}

func TestPrepared_Rate_EventsComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		if err := r.Org.ServePrepared(orgsim.Prepared{Channel: accountChannel, Events: 50, Rate: 10}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		subscribe(t, r, latest(accountChannel, 100)).events(50)
		if d := time.Since(start); d < 4900*time.Millisecond || d > 5100*time.Millisecond {
			t.Errorf("50 events at 10 a second took %v", d)
		}
	})
}

// BenchmarkPrepared_Loopback measures how fast prepared events of 500 bytes
// reach a bare gRPC client over a loopback socket.
func BenchmarkPrepared_Loopback(b *testing.B) {
	r := orgsimtest.Start(b, orgsim.Config{})
	if err := r.Org.ServePrepared(orgsim.Prepared{Channel: accountChannel, Events: 1 << 40}); err != nil {
		b.Fatal(err)
	}
	s, err := r.Client(b).Subscribe(r.Context(b.Context()))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Send(earliest(accountChannel, 100)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(500)
	got, pending := 0, 100
	for b.Loop() {
		if got > 0 {
			got--
			continue
		}
		resp, err := s.Recv()
		if err != nil {
			b.Fatal(err)
		}
		n := len(resp.GetEvents())
		got, pending = n-1, pending-n
		if pending <= 50 {
			if err := s.Send(latest("", int32(100-pending))); err != nil {
				b.Fatal(err)
			}
			pending = 100
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkTransact measures one committed update: rows, change event, bus
// and ledger.
func BenchmarkTransact(b *testing.B) {
	org, err := orgsim.New(orgsim.Config{MaxEvents: 10_000})
	if err != nil {
		b.Fatal(err)
	}
	defer org.Close()
	var id string
	if _, err := org.Transact(b.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert("Account", vals{"Name": orgsim.String("Acme")})
		return err
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := org.Transact(b.Context(), orgsim.Caller{API: "rest"}, func(tx *orgsim.Tx) error {
			return tx.Update(id, vals{"Phone": orgsim.String(fmt.Sprint(i)), "BillingCity": orgsim.String("Lyon")})
		}); err != nil {
			b.Fatal(err)
		}
	}
}
