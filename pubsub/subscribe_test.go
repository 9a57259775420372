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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
	"sfbridge/salesforce/auth"
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

// lost are the ways in which a stream is lost that a subscription heals.
var lost = []struct {
	name   string
	reason string
	end    func(o *fakeOrg, ctx context.Context) error
	within time.Duration
	torn   bool // what was on its way is lost too
}{
	{"UNAVAILABLE", "transport", func(_ *fakeOrg, ctx context.Context) error {
		return status.Error(codes.Unavailable, "RST_STREAM closed stream. HTTP/2 error code: NO_ERROR")
	}, time.Second, false},
	{"INTERNAL service.unavailable", "unavailable", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Internal, "service.unavailable")
	}, time.Second, false},
	{"INTERNAL without code", "internal", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Internal, "")
	}, time.Second, false},
	{"replay repeated", "internal", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Internal, "subscription.fetch.replay.repeated")
	}, time.Second, false},
	{"unknown code", "internal", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Unknown, "something.new")
	}, time.Second, false},
	{"CANCELLED by the server", "internal", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Canceled, "")
	}, time.Second, false},
	{"clean end", "clean_close", func(*fakeOrg, context.Context) error { return errCleanEnd }, time.Second, false},
	{"connection reset", "transport", func(o *fakeOrg, ctx context.Context) error {
		o.net.Cut(addr)
		<-ctx.Done()
		return ctx.Err()
	}, 2 * time.Second, true},
	{"too many streams", "exhausted", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.ResourceExhausted, "service.protection.stream.limit.triggered")
	}, 5 * time.Second, false},
	{"RESOURCE_EXHAUSTED without code", "exhausted", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.ResourceExhausted, "")
	}, 5 * time.Second, false},
	{"delivery limit", "limit", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.ResourceExhausted, "subscription.limit.exceeded")
	}, 5 * time.Minute, false},
	{"token refused", "auth", func(_ *fakeOrg, ctx context.Context) error {
		return fail(ctx, codes.Unauthenticated, "service.auth.error")
	}, time.Second, false},
}

func TestF01_F08_F23_LostStream_ResumesAfterTheLastEvent(t *testing.T) {
	for _, tt := range lost {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.batch = 5
				org.add(accounts, 100)
				org.during = func(n, sent int, s subscribeStream) error {
					if sent == 40 && n == 1 || sent == 10 && n == 2 {
						return tt.end(org, s.Context())
					}
					return nil
				}
				reg := prometheus.NewPedanticRegistry()
				var told []string
				begun := time.Now()
				sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.Registerer = reg }), pubsub.SubscribeConfig{
					Channel: accounts, Start: pubsub.FromEarliest(),
					OnReconnect: func(reason string, err error, wait time.Duration) {
						told = append(told, reason)
						if err == nil || wait <= 0 || wait > tt.within {
							t.Errorf("told of error %v and wait %v, want an error and at most %v", err, wait, tt.within)
						}
					},
				})
				receive(t, sub, 1, 100)
				if took := time.Since(begun); took > 2*tt.within {
					t.Errorf("two reconnects took %v, want at most %v", took, 2*tt.within)
				}
				calls := org.subscribed()
				if !tt.torn && len(calls) != 3 {
					t.Fatalf("%d calls, want 3", len(calls))
				}
				if !tt.torn && (string(calls[1].first.ReplayId) != string(replayID(4000)) ||
					string(calls[2].first.ReplayId) != string(replayID(5000)) || calls[2].first.ReplayPreset != pubsubpb.ReplayPreset_CUSTOM) {
					t.Errorf("calls %v, want from the start, after event 40, after event 50", calls)
				}
				if fmt.Sprint(told) != fmt.Sprint([]string{tt.reason, tt.reason}) {
					t.Errorf("told %v, want %s twice", told, tt.reason)
				}
				want := fmt.Sprintf(`
# HELP sfbridge_capture_reconnects_total Streams lost and opened again, by channel and reason: transport, unavailable, auth, exhausted, limit, silence, clean_close, internal.
# TYPE sfbridge_capture_reconnects_total counter
sfbridge_capture_reconnects_total{channel="/data/AccountChangeEvent",reason=%q} 2
`, tt.reason)
				if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sfbridge_capture_reconnects_total"); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if org.maxOpen != 1 {
					t.Errorf("%d calls open at once, want 1 (F1)", org.maxOpen)
				}
			})
		})
	}
}

func TestBackoff_Grows_UntilTheFirstResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.add(accounts, 3)
		org.before = func(n int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
			if n == 1 || n > 10 {
				return nil
			}
			// Accepted, and lost before it brought anything.
			if err := s.SendHeader(nil); err != nil {
				return err
			}
			return fail(s.Context(), codes.Unavailable, "service.unavailable")
		}
		org.during = func(n, sent int, s subscribeStream) error {
			if n == 1 && sent == 2 || n == 11 {
				return fail(s.Context(), codes.Unavailable, "service.unavailable")
			}
			return nil
		}
		org.batch = 1
		var waits []time.Duration
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{
			Channel: accounts, Start: pubsub.FromEarliest(),
			OnReconnect: func(_ string, _ error, wait time.Duration) { waits = append(waits, wait) },
		})
		receive(t, sub, 1, 3)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(waits) != 11 {
			t.Fatalf("%d waits, want 11: %v", len(waits), waits)
		}
		for i, w := range waits[:10] {
			if high := min(time.Second<<i, time.Minute); w < 500*time.Millisecond || w > high {
				t.Errorf("wait %d is %v, want 500ms to %v", i, w, high)
			}
		}
		if last := waits[10]; last > time.Second {
			t.Errorf("wait after a response is %v, want at most 1s: the count starts again", last)
		}
	})
}

var errCleanEnd = errors.New("clean end")

func TestF11_SilentPath_IsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ping   time.Duration
		reason string
		within time.Duration
	}{
		{"by pings", 0, "transport", 81 * time.Second},
		{"by the watchdog", -1, "silence", 541 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.add(accounts, 10)
				var told []string
				sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.PingEvery = tt.ping }), pubsub.SubscribeConfig{
					Channel: accounts, Start: pubsub.FromEarliest(),
					OnReconnect: func(reason string, _ error, _ time.Duration) {
						told = append(told, reason)
						if len(told) == 1 {
							org.net.Cut(addr) // the old path never comes back
							org.net.Heal(addr)
						}
					},
				})
				receive(t, sub, 1, 10)
				org.net.Blackhole(addr)
				org.add(accounts, 1)
				begun := time.Now()
				receive(t, sub, 11, 1)
				if took := time.Since(begun); took > tt.within+2*time.Second {
					t.Errorf("noticed after %v, want %v", took, tt.within)
				}
				if len(told) == 0 || told[0] != tt.reason {
					t.Errorf("told %v, want %s first", told, tt.reason)
				}
			})
		})
	}
}

func TestWatchdog_KeepalivesKeepAStreamForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.keepalive = 270 * time.Second
		org.add(accounts, 1)
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		receive(t, sub, 1, 1)
		for begun := time.Now(); time.Since(begun) < 72*time.Hour; {
			b, err := sub.Recv(t.Context())
			if err != nil || len(b.Events) != 0 || string(b.Latest) != string(replayID(100)) {
				t.Fatalf("received %v, %v; want a keepalive at event 1", b, err)
			}
		}
		if n := len(org.subscribed()); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
		if n := len(org.subscribed()[0].requests); n != 1 {
			t.Errorf("%d requests, want 1: keepalives use no credit (F10)", n)
		}
	})
}

func TestWatchdog_StandsStill_WhileNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.batch = 1
		org.add(accounts, 1000)
		lost := 0
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{
			Channel: accounts, Start: pubsub.FromEarliest(),
			OnReconnect: func(string, error, time.Duration) { lost++ },
		})
		receive(t, sub, 1, 1)
		time.Sleep(time.Hour)
		receive(t, sub, 2, 999)
		if lost != 0 {
			t.Errorf("stream lost %d times while nobody received, want 0", lost)
		}
	})
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

func TestF20_ReaderAwayForTooLong_StreamIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.keepalive = time.Minute
		org.add(accounts, 1000)
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		receive(t, sub, 1, 100)
		time.Sleep(10 * time.Minute) // the org closes the stream for want of credit
		receive(t, sub, 101, 900)
	})
}

func TestF18_KeepalivePosition_IsWhereAQuietChannelResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.keepalive = 30 * time.Second
		org.add(accounts, 5)
		cut := make(chan struct{})
		org.during = nil
		org.before = func(n int, req *pubsubpb.FetchRequest, s subscribeStream) error {
			if n == 1 {
				if err := s.Send(&pubsubpb.FetchResponse{LatestReplayId: replayID(300), PendingNumRequested: 100}); err != nil {
					return err
				}
				<-cut
				return status.Error(codes.Unavailable, "cut")
			}
			return nil
		}
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromLatest()})
		if b, err := sub.Recv(t.Context()); err != nil || len(b.Events) != 0 {
			t.Fatalf("received %v, %v; want a keepalive", b, err)
		}
		close(cut)
		receive(t, sub, 4, 2)
		if got := org.subscribed()[1].first; got.ReplayPreset != pubsubpb.ReplayPreset_CUSTOM || string(got.ReplayId) != string(replayID(300)) {
			t.Errorf("resumed with %v, want after the keepalive's position", got)
		}
	})
}

func TestF21_ExpiredToken_IsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.add(accounts, 10)
		org.refuse("token-1")
		session := &fakeSession{}
		sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.Session = session }), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		receive(t, sub, 1, 10)
		if session.logins != 2 {
			t.Errorf("%d logins, want 2", session.logins)
		}
	})
}

func TestLogin_RefusedFiveTimes_EndsTheSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		refused := &auth.Error{Status: 400, Code: "invalid_client", Description: "invalid client credentials"}
		session := &fakeSession{err: func(int) error { return refused }}
		_, err := org.client(t, func(c *pubsub.Config) { c.Session = session }).
			Subscribe(t.Context(), pubsub.SubscribeConfig{Channel: accounts, AcceptWait: time.Hour})
		if got, ok := errors.AsType[*auth.Error](err); !ok || got != refused {
			t.Fatalf("error %v, want the refusal", err)
		}
		if session.logins != 5 || !pubsub.IsPermanent(err) || pubsub.Retryable(err) {
			t.Errorf("%d logins, permanent %v; want 5, true", session.logins, pubsub.IsPermanent(err))
		}
	})
}

func TestLogin_NotReached_IsTriedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.add(accounts, 1)
		session := &fakeSession{err: func(n int) error {
			if n <= 20 {
				return &auth.Error{Status: 503}
			}
			return nil
		}}
		sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.Session = session }), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		receive(t, sub, 1, 1)
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

func TestSubscribe_OrgAway_GoesOnTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.add(accounts, 3)
		org.net.Refuse(addr)
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.FromEarliest()})
		time.Sleep(10 * time.Minute)
		org.net.Heal(addr)
		begun := time.Now()
		receive(t, sub, 1, 3)
		if took := time.Since(begun); took > 71*time.Second {
			t.Errorf("back %v after the org, want at most the longest pause and the connection's", took)
		}
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

func TestGoaway_StreamsMoveToANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 10 * time.Minute, MaxConnectionAgeGrace: 5 * time.Second}))
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts})
		for i := 1; i <= 120; i++ {
			time.Sleep(time.Minute)
			org.add(accounts, 1)
			receive(t, sub, i, 1)
		}
		if n := len(org.subscribed()); n < 10 {
			t.Errorf("%d calls in two hours, want the connection to have ended ten times", n)
		}
	})
}

func TestGoaway_TooManyPings_IsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Minute}))
		sub := subscribe(t, org.client(t, func(c *pubsub.Config) { c.PingEvery = 10 * time.Second }), pubsub.SubscribeConfig{Channel: accounts})
		for i := 1; i <= 100; i++ {
			time.Sleep(5 * time.Minute)
			org.add(accounts, 1)
			receive(t, sub, i, 1)
		}
		if n := len(org.subscribed()); n > 10 {
			t.Errorf("%d calls, want the client to ping less once told so", n)
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
				res.Events = append(res.Events, &pubsubpb.ConsumerEvent{ReplayId: e.ReplayID,
					Event: &pubsubpb.ProducerEvent{Id: e.UUID, SchemaId: string(e.SchemaID), Payload: e.Payload}})
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
