package e2e

import (
	"testing"
	"time"

	"sfbridge/orgsim"
)

const (
	lagSeconds    = "sfbridge_capture_lag_seconds"
	windowSeconds = "sfbridge_replay_window_remaining_seconds"
)

// TestLag_GrowsWhileTheStreamIsGone_AndIsZeroWhenCaughtUp watches both gauges
// before, during and after an outage of the org, with and without work in it.
func TestLag_GrowsWhileTheStreamIsGone_AndIsZeroWhenCaughtUp(t *testing.T) {
	for _, busy := range []bool{true, false} {
		bubble(t, orgsim.Config{Seed: 801}, func(s *system) {
			r := s.start(s.config(accountChannel))
			r.readyWithin(10 * time.Second)
			s.insert("Account", nil)
			time.Sleep(10 * time.Minute)
			lag := func() float64 { return r.metric(channelMetric(lagSeconds, accountChannel)) }
			window := func() float64 { return r.metric(channelMetric(windowSeconds, accountChannel)) }
			const whole = 72 * 3600
			if lag() != 0 || window() < whole-15*60 || window() > whole {
				t.Errorf("busy %v: quiet channel: lag %v, window %v; want 0 and about %v", busy, lag(), window(), whole)
			}
			s.net.Refuse(s.sb.PubSubAddr)
			s.net.Cut(s.sb.PubSubAddr)
			time.Sleep(time.Second)
			for hour := 1; hour <= 3; hour++ {
				if busy {
					s.insert("Account", nil)
				}
				time.Sleep(time.Hour)
				h := float64(hour * 3600)
				if l, w := lag(), window(); l < h || l > h+10 || w > whole-h || w < whole-h-15*60 {
					t.Errorf("busy %v: after %d h: lag %v, window %v", busy, hour, l, w)
				}
			}
			if busy {
				s.insert("Account", nil)
			}
			s.net.Heal(s.sb.PubSubAddr)
			for caughtUp := time.Now().Add(3 * time.Minute); time.Now().Before(caughtUp); time.Sleep(100 * time.Millisecond) {
				if l := lag(); l == 0 {
					break
				} else if l < 3*3600 {
					t.Fatalf("busy %v: lag %v before the channel has caught up", busy, l)
				}
			}
			s.completeWithin(time.Minute)
			time.Sleep(10 * time.Minute)
			if lag() != 0 || window() < whole-15*60 {
				t.Errorf("busy %v: caught up: lag %v, window %v", busy, lag(), window())
			}
			r.stop()
		})
	}
}

// TestReadiness_QuietChannelCut_GreenAgainBeforeAKeepalive cuts the stream of
// a channel on which nothing happens: a minute without a keepalive is no
// reason to wake anybody.
func TestReadiness_QuietChannelCut_GreenAgainBeforeAKeepalive(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 802, Keepalive: 4 * time.Minute}, func(s *system) {
		r := s.start(s.config(accountChannel))
		r.readyWithin(10 * time.Second)
		s.insert("Account", nil)
		time.Sleep(10 * time.Minute)
		s.net.Cut(s.sb.PubSubAddr)
		for range 4 * 60 {
			time.Sleep(time.Second)
			if p := r.b.Problems(); len(p) > 0 {
				t.Fatalf("not ready: %v", p)
			}
			if lag := r.metric(channelMetric(lagSeconds, accountChannel)); lag > 30 {
				t.Fatalf("lag %v", lag)
			}
		}
		r.stop()
	})
}
