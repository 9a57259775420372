package e2e

import (
	"fmt"
	"os"
	"slices"
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

// TestTwoProcesses_LongSession_SettleAtOnce gives processes a session that is
// longer than a rebalance usually waits: they must not throw each other out.
func TestTwoProcesses_LongSession_SettleAtOnce(t *testing.T) {
	for seed := range uint64(5) {
		bubble(t, orgsim.Config{Seed: 910 + seed}, func(s *system) {
			cfg := s.config()
			cfg.SessionTimeout = 5 * time.Minute
			a, b := s.start(cfg), s.start(cfg)
			time.Sleep(10 * time.Minute)
			s.shared(time.Minute, a, b)
			for _, r := range []*running{a, b} {
				if n := r.metric("sfbridge_kafka_group_generations_total"); n > 4 {
					t.Errorf("%v generations in ten minutes", n)
				}
				r.readyWithin(time.Minute)
			}
			for _, r := range []*running{a, b} {
				r.stop()
			}
		})
	}
}

// TestTwoProcesses_StartedTogetherWithOtherConfigurations_IsSeen starts two at
// one moment, when neither can see the other: one is refused, or both say so
// until one is gone.
func TestTwoProcesses_StartedTogetherWithOtherConfigurations_IsSeen(t *testing.T) {
	for seed := range uint64(5) {
		bubble(t, orgsim.Config{Seed: 903 + seed}, func(s *system) {
			one, other := s.config(), s.config(accountChannel)
			other.Fingerprint = "other"
			running := []*running{s.start(one), s.start(other)}
			time.Sleep(3 * time.Minute)
			for _, r := range slices.Clone(running) {
				select {
				case err := <-r.done:
					hasAll(t, fmt.Sprint(err), "another configuration", "pid")
					running = slices.DeleteFunc(running, same(r))
				default:
				}
			}
			if len(running) == 2 {
				for _, r := range running {
					hasAll(t, r.problem("group"), "another configuration", "pid")
				}
				running[1].cancel()
				<-running[1].done
				running = running[:1]
			}
			if len(running) == 0 {
				t.Fatal("both were refused")
			}
			running[0].readyWithin(10 * time.Minute) // once the other is gone
			s.insert("Account", nil)
			s.completeWithin(time.Minute)
			running[0].stop()
		})
	}
}

func same(r *running) func(*running) bool { return func(o *running) bool { return o == r } }
