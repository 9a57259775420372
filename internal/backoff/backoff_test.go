package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/internal/backoff"
)

func TestWait_Grows_UnderItsCeiling(t *testing.T) {
	highest := backoff.Policy{Base: time.Second, Max: 10 * time.Second, Rand: func() float64 { return 1 }}
	lowest := backoff.Policy{Base: time.Second, Max: 10 * time.Second, Rand: func() float64 { return 0 }}
	for _, tt := range []struct {
		attempt int
		high    time.Duration
	}{
		{0, time.Second},
		{1, time.Second},
		{2, 2 * time.Second},
		{3, 4 * time.Second},
		{4, 8 * time.Second},
		{5, 10 * time.Second},
		{1 << 40, 10 * time.Second},
	} {
		if got := highest.Wait(tt.attempt, 0); got != tt.high {
			t.Errorf("attempt %d: highest wait %v, want %v", tt.attempt, got, tt.high)
		}
		if got := lowest.Wait(tt.attempt, 0); got != 500*time.Millisecond {
			t.Errorf("attempt %d: lowest wait %v, want 500ms", tt.attempt, got)
		}
	}
}

func TestWait_ZeroPolicy_IsUsable(t *testing.T) {
	var p backoff.Policy
	for attempt := range 100 {
		if got := p.Wait(attempt, 0); got < 500*time.Millisecond || got > time.Minute {
			t.Fatalf("attempt %d: wait %v, want 500ms to 1m", attempt, got)
		}
	}
}

func TestWait_ServerAsks_NeverSooner(t *testing.T) {
	p := backoff.Policy{Base: time.Second, Max: 2 * time.Second}
	for range 100 {
		if got := p.Wait(1, time.Hour); got < time.Hour || got > time.Hour+time.Second {
			t.Fatalf("wait %v, want 1h to 1h0m1s", got)
		}
	}
}

func TestSleep_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := backoff.Sleep(t.Context(), time.Hour); err != nil || time.Since(start) != time.Hour {
			t.Fatalf("slept %v, err %v; want 1h, nil", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if err := backoff.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Fatalf("slept %v, err %v; want 1m, deadline exceeded", time.Since(start), err)
		}
		if err := backoff.Sleep(ctx, 0); err == nil {
			t.Fatal("sleep of nothing under an ended context: want its error")
		}
	})
}
