package pubsub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

func TestF02_Topic_BlankSchemaOfAChannelIsNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.onTopic = func(req *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
			return &pubsubpb.TopicInfo{TopicName: req.TopicName, TenantGuid: "CORE/prod/00DKX00000000012AA", CanSubscribe: true}, nil
		}
		got, err := org.client(t).Topic(t.Context(), sales)
		want := pubsub.Topic{Name: sales, TenantGUID: "CORE/prod/00DKX00000000012AA", CanSubscribe: true}
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestTopic_Unknown_IsPermanentWithAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := newOrg(t).client(t).Topic(t.Context(), "/data/ChangeEvent")
		e, ok := errors.AsType[*pubsub.Error](err)
		if !ok || e.Code != "topic.not.found" || e.Op != "GetTopic" || !pubsub.IsPermanent(err) || !strings.Contains(err.Error(), "check the spelling") {
			t.Errorf("error %v", err)
		}
	})
}

func TestUnary_ServiceAwayForASecond_IsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		calls := 0
		org.onTopic = func(*pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
			if calls++; calls < 3 {
				return nil, status.Error(codes.Unavailable, "away")
			}
			return &pubsubpb.TopicInfo{TopicName: accounts}, nil
		}
		if _, err := org.client(t).Topic(t.Context(), accounts); err != nil || calls != 3 {
			t.Errorf("%d calls, error %v; want 3, nil", calls, err)
		}
	})
}

func TestUnary_ServiceAway_GivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.net.Blackhole(addr)
		begun := time.Now()
		_, err := org.client(t).Topic(t.Context(), accounts)
		if took := time.Since(begun); !pubsub.Retryable(err) || took > 3*time.Minute {
			t.Errorf("error %v after %v, want a retryable one within four attempts of 30s", err, took)
		}
	})
}

func TestUnary_ContextEnds_SaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.net.Blackhole(addr)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := org.client(t).Topic(ctx, accounts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want deadline exceeded", err)
		}
	})
}

func TestUnary_RefusedToken_IsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.onTopic = func(req *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) { return &pubsubpb.TopicInfo{}, nil }
		org.refuse("token-1")
		session := &fakeSession{}
		c := org.client(t, func(c *pubsub.Config) { c.Session = session })
		if _, err := c.Topic(t.Context(), accounts); err != nil || session.logins != 2 {
			t.Errorf("%d logins, error %v; want 2, nil", session.logins, err)
		}
		org.refuse("token-2")
		org.refuse("token-3")
		_, err := c.Topic(t.Context(), accounts)
		if e, ok := errors.AsType[*pubsub.Error](err); !ok || e.Status != codes.Unauthenticated || session.logins != 3 {
			t.Errorf("%d logins, error %v; want 3 and the refusal", session.logins, err)
		}
	})
}

func TestSchema_OfAnotherID_IsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newOrg(t).client(t)
		if got, err := c.Schema(t.Context(), "AAAAAAAAAAAAAAAAAAAAAA"); err != nil || got != `"string"` {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := c.Schema(t.Context(), "WRONGWRONGWRONGWRONG"); err == nil {
			t.Error("a schema with another id was taken")
		}
		if _, err := c.Schema(t.Context(), ""); !pubsub.IsPermanent(err) {
			t.Errorf("blank id: %v, want a permanent error", err)
		}
	})
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]pubsub.Config{
		"plaintext beyond this machine": {Endpoint: "api.pubsub.example:7443", Plaintext: true, Session: &fakeSession{}},
		"endpoint without port":         {Endpoint: "api.pubsub.example", Session: &fakeSession{}},
		"no session":                    {},
	} {
		if _, err := pubsub.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSecrets_StayOutOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.refuse("token-1")
		org.refuse("token-2")
		_, err := org.client(t).Topic(t.Context(), accounts)
		if err == nil || strings.Contains(err.Error(), "token-") {
			t.Errorf("error %v, want one without the token", err)
		}
	})
}
