package e2e

import (
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// A group that is sharing out its partitions shows its members without what
// they say of themselves; that is the usual state when several processes start.
func TestStart_SeveralAtOnce_AllJoin(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1}, func(s *system) {
		processes := []*running{s.start(s.config())}
		processes[0].readyWithin(time.Minute)
		for i := range 4 {
			time.Sleep(time.Duration(i) * 3 * time.Millisecond)
			processes = append(processes, s.start(s.config()))
		}
		for _, r := range processes {
			r.readyWithin(5 * time.Minute)
		}
		s.accounts(20, "Acme")
		s.completeWithin(time.Minute)
		for _, r := range processes {
			r.stop()
		}
	})
}

// What waiting cannot mend ends the start at once, although other sides of it
// might be worth waiting for.
func TestStart_UnknownChannel_EndsAtOnce(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1}, func(s *system) {
		began := time.Now()
		r := s.start(s.config(bridge.ChangeChannel("Acount")))
		if err := <-r.done; err == nil {
			t.Fatal("started with a channel that does not exist")
		} else if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("gave up after %s, want at once: %v", took, err)
		}
	})
}
