package e2e

import (
	"testing"
	"time"

	"sfbridge/orgsim"
)

// TestReadiness_KafkaAwayForLongerThanASession_IsRed lets the broker vanish in
// two ways: the lanes are given up then, and a process without lanes carries
// nothing, however well it feels.
func TestReadiness_KafkaAwayForLongerThanASession_IsRed(t *testing.T) {
	for name, away := range map[string]func(*system){
		"paused":  func(s *system) { s.net.Blackhole(s.sb.KafkaAddr) },
		"refused": func(s *system) { s.net.Refuse(s.sb.KafkaAddr); s.net.Cut(s.sb.KafkaAddr) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 1201}, func(s *system) {
				cfg := s.config(accountChannel)
				cfg.SessionTimeout = 10 * time.Second
				r := s.start(cfg)
				r.readyWithin(10 * time.Second)
				away(s)
				time.Sleep(12 * time.Second)
				for range 10 * 60 { // ten minutes without work in the org, and none without a reason
					time.Sleep(time.Second)
					if len(r.b.Problems()) == 0 {
						t.Fatal("ready without Kafka")
					}
				}
				s.insert("Account", nil)
				s.net.Heal(s.sb.KafkaAddr)
				r.readyWithin(time.Minute)
				s.completeWithin(time.Minute)
				r.stop()
			})
		})
	}
}
