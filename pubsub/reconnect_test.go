package pubsub_test

import (
	"context"
	"errors"
	"fmt"
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

	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
	"sfbridge/salesforce/auth"
)

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
