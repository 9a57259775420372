package e2e

import (
	"fmt"
	"testing"
	"time"

	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
)

// The API keys of Kafka's protocol.
const (
	apiAddPartitions = 24
	apiEndTxn        = 26
)

// TestC43_ConnectionClosedAfterProduce_EveryChangeOnce breaks the connection
// at every n-th request of a kind, after the broker got it: what a rolled
// broker looks like.
func TestC43_ConnectionClosedAfterProduce_EveryChangeOnce(t *testing.T) {
	for _, flaky := range []*kafkatest.Flaky{
		{CloseAfterProduce: 20},
		{CloseAfterProduce: 3},
		{CloseAfter: map[int16]int{apiEndTxn: 5}},
		{CloseAfterProduce: 7, CloseAfter: map[int16]int{apiEndTxn: 11, apiAddPartitions: 2}},
	} {
		t.Run(fmt.Sprintf("produce %d, others %v", flaky.CloseAfterProduce, flaky.CloseAfter), func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 4301}, func(s *system) {
				cfg := s.config(accountChannel)
				cfg.Kafka.Dial = flaky.Dial(s.net.Dial)
				r := s.start(cfg)
				r.readyWithin(10 * time.Second)
				for i := range 200 { // so that there are as many transactions
					s.accounts(5, fmt.Sprint(i))
					time.Sleep(100 * time.Millisecond)
				}
				v := s.completeWithin(5 * time.Minute)
				if v.RecordsCommitted != 1000 {
					t.Errorf("%d records, want 1000", v.RecordsCommitted)
				}
				if flaky.Closed() < 5 {
					t.Errorf("%d connections broken: this tested little", flaky.Closed())
				}
				r.stop()
			})
		})
	}
}

// TestC44_BrokerAway_EveryEventOnce takes the broker away for 20 s in the
// middle of traffic: silently, or with every connection reset.
func TestC44_BrokerAway_EveryEventOnce(t *testing.T) {
	for name, away := range map[string]func(*system){
		"paused":  func(s *system) { s.net.Blackhole(s.sb.KafkaAddr) },
		"refused": func(s *system) { s.net.Refuse(s.sb.KafkaAddr); s.net.Cut(s.sb.KafkaAddr) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 4401}, func(s *system) {
				r := s.start(s.config())
				r.readyWithin(10 * time.Second)
				for i := range 200 {
					switch i {
					case 50:
						away(s)
						time.AfterFunc(20*time.Second, func() { s.net.Heal(s.sb.KafkaAddr) })
					case 120:
						away(s) // and again, for longer than a commit is tried
						time.AfterFunc(40*time.Second, func() { s.net.Heal(s.sb.KafkaAddr) })
					}
					s.insert("Account", nil)
					time.Sleep(250 * time.Millisecond)
				}
				s.completeWithin(5 * time.Minute)
				for uuid, n := range s.uuids() {
					if n != 1 {
						t.Errorf("event %s is there %d times", uuid, n)
					}
				}
				r.readyWithin(time.Minute)
				r.stop()
			})
		})
	}
}
