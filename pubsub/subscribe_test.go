package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

func TestF09_AThousandEvents_ThroughAWindowOf100(t *testing.T) {
	for _, tt := range []struct {
		credit, batch int
		requests      int // at most, the first included
	}{
		{credit: 100, batch: 1, requests: 41},
		{credit: 100, batch: 7, requests: 40},
		{credit: 100, batch: 100, requests: 11},
		{credit: 10, batch: 0, requests: 334},
		{credit: 1, batch: 0, requests: 1001},
	} {
		t.Run(fmt.Sprintf("credit %d, batch %d", tt.credit, tt.batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.batch, org.strict = tt.batch, true
				org.add(accounts, 1000)
				sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest(), Credit: tt.credit})
				receive(t, sub, 1, 1000)
				synctest.Wait()
				calls := org.subscribed()
				if len(calls) != 1 {
					t.Fatalf("%d calls, want 1", len(calls))
				}
				if n := len(calls[0].requests); n > tt.requests {
					t.Errorf("%d requests for 1,000 events, want at most %d", n, tt.requests)
				}
				asked := 0
				for _, n := range calls[0].requests {
					asked += int(n)
				}
				if asked < 1000 || asked > 1000+tt.credit {
					t.Errorf("asked for %d events, want 1,000 to %d", asked, 1000+tt.credit)
				}
			})
		})
	}
}

func TestFirstRequest_NamesChannelPositionAndCredit(t *testing.T) {
	for _, tt := range []struct {
		start  pubsub.Start
		preset pubsubpb.ReplayPreset
		first  int
	}{
		{pubsub.FromEarliest(), pubsubpb.ReplayPreset_EARLIEST, 1},
		{pubsub.AfterReplayID(replayID(500)), pubsubpb.ReplayPreset_CUSTOM, 6},
		{pubsub.FromLatest(), pubsubpb.ReplayPreset_LATEST, 11},
	} {
		t.Run(tt.preset.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.add(accounts, 10)
				c := org.client(t, func(c *pubsub.Config) { c.ClientTraceID = "trace" })
				sub := subscribe(t, c, pubsub.SubscribeConfig{Channel: accounts, Start: tt.start})
				synctest.Wait()
				org.add(accounts, 1)
				receive(t, sub, tt.first, 12-tt.first)
				call := org.subscribed()[0]
				if f := call.first; f.TopicName != accounts || f.ReplayPreset != tt.preset || f.NumRequested != 100 ||
					string(f.ReplayId) != string(tt.start.ReplayID) || f.AuthRefresh != "" {
					t.Errorf("first request %v", f)
				}
				for key, want := range map[string]string{
					"accesstoken": "token-1", "instanceurl": "https://acme.example", "tenantid": "00DKX00000000012AA",
					"x-client-trace-id": "trace", "content-type": "application/grpc",
				} {
					if got := first(call.md, key); got != want {
						t.Errorf("metadata %s is %q, want %q", key, got, want)
					}
				}
			})
		})
	}
}

func TestC02_SlowReader_NothingIsDroppedAndLittleIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.keepalive = time.Minute // and a stream without credit for a minute is closed
		org.add(accounts, 1000)
		sent := 0
		org.during = func(_, n int, _ subscribeStream) error { sent = n; return nil }
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if sent > 200 {
			t.Errorf("%d events sent to a reader that reads nothing, want at most 200: one response held, one on its way", sent)
		}
		for got := 0; got < 1000; {
			b, err := sub.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range b.Events {
				if got++; e.UUID != fmt.Sprint(got) {
					t.Fatalf("event %s at place %d", e.UUID, got)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
}

func TestC01_F06_Refusal_EndsTheSubscription(t *testing.T) {
	for _, tt := range []struct {
		code    string
		status  codes.Code
		expired bool
	}{
		{"subscription.fetch.replayid.corrupted", codes.InvalidArgument, true},
		{"subscription.fetch.replayid.validation.failed", codes.InvalidArgument, false},
		{"subscription.fetch.requested.events.invalid", codes.InvalidArgument, false},
		{"subscription.fetch.topic.mismatch", codes.InvalidArgument, false},
		{"", codes.InvalidArgument, false},
		{"topic.not.found", codes.NotFound, false},
		{"", codes.NotFound, false},
		{"subscription.topic.cannot.subscribe", codes.PermissionDenied, false},
		{"", codes.PermissionDenied, false},
		{"service.tenant.license", codes.PermissionDenied, false},
		{"", codes.Unimplemented, false},
	} {
		for _, headers := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s, headers %v", tt.status, tt.code, headers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					org := newOrg(t)
					org.before = func(_ int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
						if headers {
							if err := s.SendHeader(nil); err != nil {
								return err
							}
							time.Sleep(time.Second)
						}
						return fail(s.Context(), tt.status, tt.code)
					}
					sub, err := org.client(t).Subscribe(t.Context(), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.AfterReplayID(replayID(1))})
					if headers {
						if err != nil {
							t.Fatalf("subscribe: %v, want the error from Recv", err)
						}
						_, err = sub.Recv(t.Context())
						if _, again := sub.Recv(t.Context()); again != err {
							t.Errorf("second Recv %v, want the same error", again)
						}
					}
					e, ok := errors.AsType[*pubsub.Error](err)
					if !ok {
						t.Fatalf("error %v, want *pubsub.Error", err)
					}
					if e.Code != tt.code || e.Status != tt.status || e.Channel != accounts || e.RPCID != "11111111-2222-4333-8444-555555555555" {
						t.Errorf("error %+v", e)
					}
					if got := errors.Is(err, pubsub.ErrReplayExpired); got != tt.expired {
						t.Errorf("is ErrReplayExpired: %v, want %v", got, tt.expired)
					}
					if got := pubsub.IsPermanent(err); got == tt.expired || pubsub.Retryable(err) {
						t.Errorf("permanent %v, retryable %v; want %v, false", got, pubsub.Retryable(err), !tt.expired)
					}
					if tt.code != "subscription.fetch.requested.events.invalid" && tt.code != "subscription.fetch.topic.mismatch" &&
						tt.code != "subscription.fetch.replayid.validation.failed" && e.Hint == "" {
						t.Error("no hint")
					}
					if n := len(org.subscribed()); n != 1 {
						t.Errorf("%d calls, want 1", n)
					}
				})
			})
		}
	}
}

func TestSubscribe_RefusesWhatCannotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newOrg(t).client(t)
		for _, cfg := range []pubsub.SubscribeConfig{
			{Channel: ""},
			{Channel: "data/AccountChangeEvent"},
			{Channel: accounts, Start: pubsub.Start{Preset: pubsub.After}},
		} {
			if _, err := c.Subscribe(t.Context(), cfg); !pubsub.IsPermanent(err) {
				t.Errorf("%+v: error %v, want a permanent one", cfg, err)
			}
		}
	})
}

func TestSubscribe_WithoutHeaders_ReturnsAfterAcceptWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.noHeaders = true
		begun := time.Now()
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts})
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("Subscribe took %v, want 5s", took)
		}
		org.add(accounts, 1)
		receive(t, sub, 1, 1)
	})
}

func TestClose_WhileReceiving_EndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		c := org.client(t)
		sub := subscribe(t, c, pubsub.SubscribeConfig{Channel: accounts})
		got := make(chan error)
		go func() {
			_, err := sub.Recv(context.Background())
			got <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := sub.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if err := <-got; !errors.Is(err, pubsub.ErrClosed) {
			t.Errorf("Recv: %v, want ErrClosed", err)
		}
		synctest.Wait()
		if org.open != 0 {
			t.Errorf("%d calls open after Close, want 0", org.open)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Subscribe(t.Context(), pubsub.SubscribeConfig{Channel: accounts}); !errors.Is(err, pubsub.ErrClosed) {
			t.Errorf("subscribe on a closed client: %v, want ErrClosed", err)
		}
	})
}

func TestRecv_ContextEnds_LosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.batch = 1
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts})
		for i := 1; i <= 20; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := sub.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Recv: %v, want deadline exceeded", err)
			}
			cancel()
			org.add(accounts, 1)
			receive(t, sub, i, 1)
		}
	})
}

func TestC13_MoreChannelsThanStreamsOnAConnection(t *testing.T) {
	for _, tt := range []struct{ allowed, perConn, conns int }{
		{allowed: 100, perConn: 0, conns: 2},
		{allowed: 40, perConn: 100, conns: 4}, // the peer allows fewer than is configured
	} {
		t.Run(fmt.Sprintf("%d streams allowed", tt.allowed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t, grpc.MaxConcurrentStreams(uint32(tt.allowed)))
				c := org.client(t, func(c *pubsub.Config) { c.StreamsPerConn = tt.perConn })
				var subs []*pubsub.Subscription
				for i := range 130 {
					subs = append(subs, subscribe(t, c, pubsub.SubscribeConfig{Channel: fmt.Sprintf("/event/E%d__e", i)}))
				}
				time.Sleep(5 * time.Minute)
				for i := range subs {
					org.add(fmt.Sprintf("/event/E%d__e", i), 1)
				}
				for _, sub := range subs {
					receive(t, sub, 1, 1)
				}
				if _, err := c.Schema(t.Context(), "AAAAAAAAAAAAAAAAAAAAAA"); err != nil {
					t.Errorf("schema while all streams are in use: %v", err)
				}
				if got := org.net.Conns(addr); got < 2 || got > tt.conns {
					t.Errorf("%d connections, want 2 to %d", got, tt.conns)
				}
			})
		})
	}
}

func TestOversizeResponse_StopsWithAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.before = func(_ int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
			return s.Send(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{{Event: &pubsubpb.ProducerEvent{Payload: make([]byte, 100_000)}, ReplayId: replayID(1)}}})
		}
		sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.MaxMessageBytes = 90_000 }), pubsub.SubscribeConfig{Channel: accounts})
		_, err := sub.Recv(t.Context())
		if !pubsub.IsPermanent(err) || !strings.Contains(err.Error(), "raise the limit") {
			t.Errorf("error %v, want a permanent one with a hint", err)
		}
		if errors.Is(err, io.EOF) {
			t.Error("an oversize response looks like a clean end")
		}
	})
}

func TestF03_F12_F24_EventsPassThroughAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		var want []event.Raw
		for i, id := range []event.ReplayID{replayID(1)[:8], replayID(2), append(replayID(3), 1, 2, 3, 4, 5, 6), {0}} {
			want = append(want, event.Raw{
				UUID: fmt.Sprint(i), SchemaID: event.SchemaID(fmt.Sprintf("schema-%d", i%2)), Payload: []byte{0xff, byte(i), 0xff}, ReplayID: id,
			})
		}
		want = append(want, event.Raw{}, event.Raw{UUID: "no position"}) // odd, and still not dropped
		org.before = func(_ int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
			res := &pubsubpb.FetchResponse{LatestReplayId: replayID(9)}
			for _, e := range want {
				res.Events = append(res.Events, &pubsubpb.ConsumerEvent{
					ReplayId: e.ReplayID,
					Event:    &pubsubpb.ProducerEvent{Id: e.UUID, SchemaId: string(e.SchemaID), Payload: e.Payload},
				})
			}
			return s.Send(res)
		}
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts})
		got, err := sub.Recv(t.Context())
		if err != nil || len(got.Events) != len(want) || string(got.Latest) != string(replayID(9)) || !got.Received.Equal(time.Now()) {
			t.Fatalf("received %+v, %v", got, err)
		}
		for i, w := range want {
			g := got.Events[i]
			if g.UUID != w.UUID || g.SchemaID != w.SchemaID || string(g.Payload) != string(w.Payload) || string(g.ReplayID) != string(w.ReplayID) {
				t.Errorf("event %d: %+v, want %+v", i, g, w)
			}
		}
	})
}

func TestF10_PendingOfTheService_IsTrustedOnceRequestsMustHaveArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		asked := make(chan int32, 10)
		org.before = func(_ int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
			for _, wait := range []time.Duration{time.Second, time.Minute} {
				time.Sleep(wait)
				// The service has lost count of 90 events.
				if err := s.Send(&pubsubpb.FetchResponse{LatestReplayId: replayID(1), PendingNumRequested: 10}); err != nil {
					return err
				}
			}
			for {
				req, err := s.Recv()
				if err != nil {
					return err
				}
				asked <- req.NumRequested
			}
		}
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts})
		for range 2 {
			if _, err := sub.Recv(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(asked) != 1 || <-asked != 90 {
			t.Errorf("%d further requests, want one for the 90 that are missing", len(asked))
		}
	})
}
