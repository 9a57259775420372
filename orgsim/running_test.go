package orgsim_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/orgsim"
)

func TestLatency_EachCallTakesIt_AndLoginDoesNot(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{Latency: 80 * time.Millisecond}}, func(t *testing.T, a *api) {
		began := time.Now()
		for range 3 {
			a.do("POST", "/sobjects/Account", `{"Name":"A"}`).id(t)
		}
		if took := time.Since(began); took != 240*time.Millisecond {
			t.Errorf("three calls took %v, want 240ms", took)
		}
		if a.do("GET", "/services/data", "").status != 200 || time.Since(began) != 240*time.Millisecond {
			t.Error("the list of versions took time")
		}
	})
}

func TestConcurrentLongCalls_BeyondTheLimit_AreRefusedForAWhile(t *testing.T) {
	inBubble(t, orgsim.Config{REST: orgsim.RESTConfig{MaxLongCalls: 2}}, func(t *testing.T, a *api) {
		a.org.InjectHTTP(orgsim.HTTPFault{Method: "GET", Path: "/describe", Delay: time.Minute, Count: 2})
		var long sync.WaitGroup
		for range 2 {
			long.Go(func() { a.do("GET", "/sobjects/Account/describe", "") })
		}
		time.Sleep(19 * time.Second)
		if got := a.do("GET", "/limits", ""); got.status != 200 {
			t.Errorf("before 20 s: %d", got.status)
		}
		time.Sleep(2 * time.Second)
		got := a.do("GET", "/limits", "")
		got.wantError(t, "third call", 403, "REQUEST_LIMIT_EXCEEDED")
		long.Wait()
		synctest.Wait()
		if got := a.do("GET", "/limits", ""); got.status != 200 {
			t.Errorf("once the long calls are over: %d %s", got.status, got.body)
		}
	})
}

func TestLimits_TellWhatEventsAreLeft(t *testing.T) {
	a := newAPI(t, orgsim.Config{PublishLimit: 10})
	for range 3 {
		a.do("POST", "/sobjects/Shipment__e", `{"Carrier__c":"c"}`).id(t)
	}
	var limits map[string]struct{ Max, Remaining int }
	a.do("GET", "/limits", "").into(t, &limits)
	if got := limits["HourlyPublishedPlatformEvents"]; got.Max != 10 || got.Remaining != 7 {
		t.Errorf("published events: %+v, want 7 of 10", got)
	}
}
