package orgsim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/pubsub/pubsubpb"
)

const accountChannel = "/data/AccountChangeEvent"

// stream is one Subscribe call of a test.
type stream struct {
	t *testing.T
	grpc.BidiStreamingClient[pubsubpb.FetchRequest, pubsubpb.FetchResponse]
}

func subscribe(t *testing.T, r *orgsimtest.Running, first *pubsubpb.FetchRequest) *stream {
	t.Helper()
	s, err := r.Client(t).Subscribe(r.Context(t.Context()))
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	if err := s.Send(first); err != nil {
		t.Fatalf("first request: %v", err)
	}
	return &stream{t, s}
}

func earliest(channel string, n int32) *pubsubpb.FetchRequest {
	return &pubsubpb.FetchRequest{TopicName: channel, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: n}
}

func latest(channel string, n int32) *pubsubpb.FetchRequest {
	return &pubsubpb.FetchRequest{TopicName: channel, NumRequested: n}
}

func after(channel string, id []byte, n int32) *pubsubpb.FetchRequest {
	return &pubsubpb.FetchRequest{TopicName: channel, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: id, NumRequested: n}
}

func (s *stream) ask(n int32) {
	s.t.Helper()
	if err := s.Send(&pubsubpb.FetchRequest{NumRequested: n}); err != nil {
		s.t.Fatalf("request: %v", err)
	}
}

func (s *stream) recv() *pubsubpb.FetchResponse {
	s.t.Helper()
	resp, err := s.Recv()
	if err != nil {
		s.t.Fatalf("receive: %v (trailer %v)", err, s.Trailer())
	}
	return resp
}

// events receives until n events are there.
func (s *stream) events(n int) []*pubsubpb.ConsumerEvent {
	s.t.Helper()
	var out []*pubsubpb.ConsumerEvent
	for len(out) < n {
		out = append(out, s.recv().GetEvents()...)
	}
	if len(out) != n {
		s.t.Fatalf("received %d events, want %d", len(out), n)
	}
	return out
}

// refused receives until the call fails and wants this failure.
func (s *stream) refused(code codes.Code, errorCode string) {
	s.t.Helper()
	for {
		_, err := s.Recv()
		if err == nil {
			continue
		}
		wantRefusal(s.t, err, s.Trailer(), code, errorCode)
		return
	}
}

func wantRefusal(t *testing.T, err error, trailer metadata.MD, code codes.Code, errorCode string) {
	t.Helper()
	want := ""
	if errorCode != "" {
		want = "sfdc.platform.eventbus.grpc." + errorCode
	}
	got := ""
	if v := trailer.Get("error-code"); len(v) > 0 {
		got = v[0]
	}
	if status.Code(err) != code || got != want {
		t.Errorf("got %v with error-code %q, want %v with %q", err, got, code, want)
	}
}

func accounts(t *testing.T, org *orgsim.Org, n int) {
	t.Helper()
	for i := range n {
		insert(t, org, "Account", vals{"Name": orgsim.String(fmt.Sprint("Acme ", i))})
	}
}

func TestSubscribe_Credit_AddsUpToAHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 4)
		s := subscribe(t, r, earliest(accountChannel, 10))
		wantPending := func(step string, events int, pending int32) {
			t.Helper()
			resp := s.recv()
			if len(resp.GetEvents()) != events || resp.GetPendingNumRequested() != pending {
				t.Errorf("%s: %d events and %d pending, want %d and %d", step, len(resp.GetEvents()), resp.GetPendingNumRequested(), events, pending)
			}
		}
		wantPending("4 of 10", 4, 6)
		s.ask(20)
		synctest.Wait()
		do(t, r.Org, func(tx *orgsim.Tx) error {
			for i := range 6 {
				if _, err := tx.Insert("Account", vals{"Name": orgsim.String(fmt.Sprint("B", i))}); err != nil {
					return err
				}
			}
			return nil
		})
		left := int32(26)
		for got := 0; got < 6; {
			resp := s.recv()
			got += len(resp.GetEvents())
			left -= int32(len(resp.GetEvents()))
			if resp.GetPendingNumRequested() != left {
				t.Errorf("pending %d after %d of 6, want %d", resp.GetPendingNumRequested(), got, left)
			}
		}
		s.ask(200)
		wantPending("keepalive at the cap", 0, 100)
		accounts(t, r.Org, 150)
		s.events(100)
		synctest.Wait()
		time.Sleep(59 * time.Second)
		s.ask(50)
		s.events(50)
		time.Sleep(61 * time.Second)
		s.refused(codes.Unavailable, "")
	})
}

func TestSubscribe_BadRequests_RefusedWithCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		for name, c := range map[string]struct {
			req       *pubsubpb.FetchRequest
			status    codes.Code
			errorCode string
		}{
			"no credit":       {earliest(accountChannel, 0), codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
			"negative credit": {earliest(accountChannel, -1), codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
			"no channel":      {earliest("", 1), codes.InvalidArgument, "topic.validation.empty"},
			"unknown":         {earliest("/data/AccountchangeEvent", 1), codes.NotFound, "topic.not.found"},
			"singular":        {earliest("/data/ChangeEvent", 1), codes.NotFound, "topic.not.found"},
			"no replay id":    {after(accountChannel, nil, 1), codes.InvalidArgument, "subscription.fetch.replayid.validation.failed"},
			"never issued":    {after(accountChannel, []byte{0, 0, 0, 0, 0, 0, 0, 9, 0, 0}, 1), codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
			"malformed":       {after(accountChannel, []byte("-1"), 1), codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
		} {
			t.Log(name)
			subscribe(t, r, c.req).refused(c.status, c.errorCode)
		}
		s := subscribe(t, r, earliest(accountChannel, 1))
		if err := s.Send(&pubsubpb.FetchRequest{TopicName: "/data/ContactChangeEvent", NumRequested: 1}); err != nil {
			t.Fatal(err)
		}
		s.refused(codes.InvalidArgument, "subscription.fetch.topic.mismatch")
		s = subscribe(t, r, latest(accountChannel, 1))
		s.ask(0)
		s.refused(codes.InvalidArgument, "subscription.fetch.requested.events.invalid")
	})
}

func TestSubscribe_BadMetadata_RefusedWithCode(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	good := map[string]string{"accesstoken": orgsimtest.Token, "instanceurl": "https://acme.example", "tenantid": r.Org.OrgID()}
	for name, c := range map[string]struct {
		key, value string
		code       string
	}{
		"no token":        {"accesstoken", "", "service.auth.headers.invalid"},
		"no instance url": {"instanceurl", "", "service.auth.headers.invalid"},
		"no tenant":       {"tenantid", "", "service.auth.headers.invalid"},
		"bad url":         {"instanceurl", "acme.example", "service.auth.headers.invalid"},
		"bad tenant":      {"tenantid", "00D", "service.auth.headers.invalid"},
		"wrong token":     {"accesstoken", "other", "service.auth.error"},
		"other tenant":    {"tenantid", "00DSB0000000002", "service.auth.error"},
	} {
		ctx := t.Context()
		for k, v := range good {
			if k == c.key {
				v = c.value
			}
			if v != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, k, v)
			}
		}
		var trailer metadata.MD
		_, err := r.Client(t).GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: accountChannel}, grpc.Trailer(&trailer))
		t.Log(name)
		wantRefusal(t, err, trailer, codes.Unauthenticated, c.code)
	}
}

func TestSubscribe_Presets_StartWhereTheySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 3)
		all := subscribe(t, r, earliest(accountChannel, 100)).events(3)
		tip := subscribe(t, r, latest(accountChannel, 100))
		synctest.Wait()
		rest := subscribe(t, r, after(accountChannel, all[0].GetReplayId(), 100)).events(2)
		if !bytes.Equal(rest[0].GetReplayId(), all[1].GetReplayId()) {
			t.Errorf("CUSTOM starts at %x, want %x", rest[0].GetReplayId(), all[1].GetReplayId())
		}
		short := subscribe(t, r, after(accountChannel, all[1].GetReplayId()[:8], 100)).events(1)
		if len(all[2].GetReplayId()) != 10 || !bytes.Equal(short[0].GetReplayId(), all[2].GetReplayId()) {
			t.Errorf("the form of 8 bytes starts at %x, want %x", short[0].GetReplayId(), all[2].GetReplayId())
		}
		accounts(t, r.Org, 1)
		if e := tip.events(1)[0]; bytes.Compare(e.GetReplayId(), all[2].GetReplayId()) <= 0 {
			t.Errorf("LATEST gave the old event %x", e.GetReplayId())
		}
	})
}

func TestSubscribe_QuietChannel_KeepaliveMovesThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		s := subscribe(t, r, latest(accountChannel, 10))
		var before []byte
		for i := range 3 {
			start := time.Now()
			resp := s.recv()
			if since := time.Since(start); since != time.Minute {
				t.Errorf("keepalive %d after %v, want 1m", i, since)
			}
			if len(resp.GetEvents()) != 0 || resp.GetPendingNumRequested() != 10 || bytes.Compare(resp.GetLatestReplayId(), before) <= 0 {
				t.Errorf("keepalive %d: %d events, %d pending, position %x after %x", i, len(resp.GetEvents()), resp.GetPendingNumRequested(), resp.GetLatestReplayId(), before)
			}
			before = resp.GetLatestReplayId()
		}
		if _, err := s.Header(); err != nil {
			t.Fatal(err)
		}
		again := subscribe(t, r, after(accountChannel, before, 10))
		accounts(t, r.Org, 1)
		again.events(1)
	})
}

func TestSubscribe_AfterRetention_PositionIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 2)
		old := subscribe(t, r, earliest(accountChannel, 2)).events(2)[0].GetReplayId()
		time.Sleep(72*time.Hour - 2*time.Second)
		r.Login()
		subscribe(t, r, after(accountChannel, old, 1)).events(1)
		accounts(t, r.Org, 1)
		time.Sleep(4 * time.Second)
		subscribe(t, r, after(accountChannel, old, 1)).refused(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		subscribe(t, r, earliest(accountChannel, 100)).events(1)
	})
}

func TestSubscribe_TwoClients_EachGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{VaryBatches: true})
		a, b := subscribe(t, r, latest(accountChannel, 100)), subscribe(t, r, latest("/data/ChangeEvents", 100))
		synctest.Wait()
		accounts(t, r.Org, 40)
		one, two := a.events(40), b.events(40)
		for i := range one {
			if one[i].GetEvent().GetId() != two[i].GetEvent().GetId() {
				t.Fatalf("event %d differs", i)
			}
		}
		if n := r.Org.Delivered(); n != 80 {
			t.Errorf("%d deliveries counted, want 80", n)
		}
	})
}

func TestSubscribe_DeliveryLimit_EndsAndLiftsAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{DeliveryLimit: 5})
		accounts(t, r.Org, 8)
		s := subscribe(t, r, earliest(accountChannel, 100))
		last := s.events(5)[4]
		s.refused(codes.ResourceExhausted, "subscription.limit.exceeded")
		subscribe(t, r, after(accountChannel, last.GetReplayId(), 1)).refused(codes.ResourceExhausted, "subscription.limit.exceeded")
		time.Sleep(25 * time.Hour)
		r.Login()
		subscribe(t, r, after(accountChannel, last.GetReplayId(), 100)).events(3)
	})
}

func TestSubscribe_TokenRevoked_StreamEndsAndNewOneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		s := subscribe(t, r, latest(accountChannel, 1))
		synctest.Wait()
		r.Org.RevokeAll(false)
		accounts(t, r.Org, 1)
		s.events(1) // an open stream outlives its token
		r.Org.RevokeAll(true)
		s.refused(codes.Unauthenticated, "service.auth.error")
		subscribe(t, r, latest(accountChannel, 1)).refused(codes.Unauthenticated, "service.auth.error")
	})
}

func TestSubscribe_OrgMoved_OldPositionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{})
		accounts(t, r.Org, 1)
		s := subscribe(t, r, earliest(accountChannel, 100))
		old := s.events(1)[0].GetReplayId()
		r.Org.MoveOrg()
		s.refused(codes.Internal, "service.unavailable")
		subscribe(t, r, after(accountChannel, old, 1)).refused(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		accounts(t, r.Org, 2)
		subscribe(t, r, earliest(accountChannel, 100)).events(2)
	})
}

func TestSubscribe_ClientClosesItsSide_CallEndsWell(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	s := subscribe(t, r, latest(accountChannel, 1))
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestSubscribe_SmallSwitches_DoWhatTheySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{IdleClose: 5 * time.Second, LatestSettle: 3 * time.Second, Switches: orgsim.Switches{
			ReplayIDBytes: 16, IdleCloseAs: orgsim.CloseCancelled, BinaryTrailer: true, OverflowError: true,
		}})
		s := subscribe(t, r, latest(accountChannel, 100))
		synctest.Wait()
		accounts(t, r.Org, 1)
		time.Sleep(3 * time.Second)
		accounts(t, r.Org, 2)
		events := s.events(2)
		if len(events[0].GetReplayId()) != 16 {
			t.Errorf("replay id %x, want 16 bytes", events[0].GetReplayId())
		}
		s.ask(100)
		s.refused(codes.ResourceExhausted, "subscription.fetch.overflow")
		if len(s.Trailer().Get("details-bin")) == 0 {
			t.Errorf("trailer %v, want a key ending in -bin", s.Trailer())
		}
		s = subscribe(t, r, after(accountChannel, events[0].GetReplayId(), 1))
		s.events(1)
		start := time.Now()
		s.refused(codes.Canceled, "")
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("closed after %v without credit, want 5s", d)
		}
	})
}

func TestClose_OpenStreams_AllEnd(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	accounts(t, r.Org, 1)
	s := subscribe(t, r, earliest(accountChannel, 1))
	s.recv()
	r.Org.Close()
	r.Org.Close()
	if _, err := s.Recv(); err == nil {
		t.Error("the stream goes on after Close")
	}
	if _, err := r.Org.Transact(context.Background(), orgsim.Caller{}, func(*orgsim.Tx) error { return nil }); !errors.Is(err, orgsim.ErrClosed) {
		t.Errorf("transact after Close: %v, want ErrClosed", err)
	}
}
