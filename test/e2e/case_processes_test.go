package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// owned counts the channels that a process has.
func (r *running) owned() (n int) {
	for _, ch := range channels {
		if strings.Contains(r.metrics(), channelMetric(lagSeconds, ch)) {
			n++
		}
	}
	return n
}

func (r *running) metrics() string {
	_, body := r.page("/metrics")
	return body
}

// shared waits until the processes have all channels between them.
func (s *system) shared(d time.Duration, all ...*running) {
	s.t.Helper()
	s.until(d, "the channels are shared out", func() bool {
		n := 0
		for _, r := range all {
			n += r.owned()
		}
		return n == len(channels)
	})
}

// TestTwoProcesses_HandOverOnStopAndOnSilentDeath lets a second process come
// and go, in order and without a word, while the org is at work.
func TestTwoProcesses_HandOverOnStopAndOnSilentDeath(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 901}, func(s *system) {
		config := func(h *host) bridge.Config {
			cfg := h.on(s.config())
			cfg.SessionTimeout = 10 * time.Second
			return cfg
		}
		one, two := s.host(), s.host()
		defer one.close()
		defer two.close()
		work := func(n int) {
			for i := range n {
				for _, o := range []string{"Account", "Contact", "Opportunity", "Order__c"} {
					s.insert(o, nil)
				}
				time.Sleep(time.Duration(i%7) * 300 * time.Millisecond)
			}
		}
		a := s.start(config(one))
		a.readyWithin(10 * time.Second)
		work(5)
		b := s.start(config(two))
		work(20)
		s.shared(time.Minute, a, b)
		if a.owned() == 0 || b.owned() == 0 {
			t.Errorf("%d and %d channels, want some each", a.owned(), b.owned())
		}
		work(10)
		b.stop()
		work(5)
		if a.owned() != len(channels) {
			t.Errorf("%d channels at the one that is left, want %d at once", a.owned(), len(channels))
		}
		b = s.start(config(two))
		work(20)
		s.shared(time.Minute, a, b)

		two.vanish() // the second process lives on and knows nothing of it
		work(30)
		s.until(time.Minute, "the first takes over", func() bool { return a.owned() == len(channels) })
		s.completeWithin(2 * time.Minute)
		work(10)
		two.heal() // what it had under way arrives now, too late
		work(20)
		s.completeWithin(2 * time.Minute)
		s.shared(5*time.Minute, a, b)
		a.readyWithin(time.Minute)
		b.readyWithin(5 * time.Minute)
		work(5)
		s.completeWithin(2 * time.Minute)
		b.stop()
		a.stop()
	})
}

// TestTwoProcesses_AnotherConfiguration_IsRefused starts a process with the
// name of one that runs and another file.
func TestTwoProcesses_AnotherConfiguration_IsRefused(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 902}, func(s *system) {
		r := s.start(s.config())
		r.readyWithin(10 * time.Second)
		cfg := s.config(accountChannel)
		cfg.Fingerprint = "other"
		err := s.startFails(cfg)
		hostname, _ := os.Hostname()
		hasAll(t, err, hostname, fmt.Sprintf("pid %d", os.Getpid()), `"e2e"`, "another configuration", "other", "sandbox", "same file", "another name")
		if p := r.b.Problems(); len(p) > 0 {
			t.Errorf("the first process is not ready any more: %v", p)
		}
		s.insert("Account", nil)
		s.completeWithin(time.Minute)
		r.stop()
	})
}

// TestTwoProcesses_StartedTogetherWithOtherConfigurations_ReadinessIsRed
// starts two at one moment, when neither can see the other.
func TestTwoProcesses_StartedTogetherWithOtherConfigurations_ReadinessIsRed(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 903}, func(s *system) {
		cfg := s.config()
		other := s.config(accountChannel)
		other.Fingerprint = "other"
		a, b := s.start(cfg), s.start(other)
		time.Sleep(3 * time.Minute)
		seen := 0
		for _, r := range []*running{a, b} {
			select {
			case err := <-r.done: // refused at the start is as good
				hasAll(t, fmt.Sprint(err), "another configuration")
				r.done <- err
				seen++
			default:
				if p := r.problem("group"); p != "" {
					hasAll(t, p, "another configuration", "pid")
					seen++
				}
			}
		}
		if seen == 0 {
			t.Error("nobody noticed the other")
		}
		b.cancel()
		<-b.done
		a.readyWithin(10 * time.Minute) // once the other is gone
		s.insert("Account", nil)
		s.insert("Contact", nil)
		s.completeWithin(time.Minute)
		a.stop()
	})
}
