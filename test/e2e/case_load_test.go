package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sfbridge/internal/sandbox"
	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
)

// work lets people work in the org until stop is called.
func (s *system) work(rate float64, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.sb.Org.Work(ctx, orgsim.WorkConfig{Rate: rate, Seed: seed}); err != nil {
			s.t.Errorf("work: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// TestShutdown_UnderLoad_LosesAndRepeatsNothing stops the bridge at odd
// moments, with all kinds of responses and commits under way.
func TestShutdown_UnderLoad_LosesAndRepeatsNothing(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1001, VaryBatches: true}, func(s *system) {
		rng := rand.New(rand.NewPCG(1001, 0))
		s.net.Latency(s.sb.KafkaAddr, 3*time.Millisecond)
		stop := s.work(50, 1001)
		for range 25 {
			r := s.start(s.config())
			if rng.IntN(3) > 0 {
				r.readyWithin(time.Minute)
			}
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
			asked := time.Now()
			r.stop()
			if took := time.Since(asked); took > 10*time.Second {
				t.Errorf("it took %s to leave", took)
			}
		}
		stop()
		r := s.start(s.config())
		v := s.completeWithin(time.Minute)
		r.stop()
		if v.ChangesMade < 1000 {
			t.Errorf("only %d changes: this tested little", v.ChangesMade)
		}
	})
}

// TestShutdown_CommitsWhatIsInHand stops the bridge when all events have been
// received and a slow Kafka has taken few of them: the rest is written before
// the process leaves.
func TestShutdown_CommitsWhatIsInHand(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1005, MaxBatch: 5}, func(s *system) {
		r := s.start(s.config(accountChannel))
		r.readyWithin(10 * time.Second)
		s.insert("Account", nil)
		s.completeWithin(time.Minute)
		s.net.Latency(s.sb.KafkaAddr, 100*time.Millisecond)
		s.accounts(50, "In hand")
		for inHand := 0; inHand < 45; time.Sleep(time.Millisecond) {
			var status struct {
				Channels []struct {
					InHand int `json:"in_hand"`
					Events int
				}
			}
			if _, body := r.page("/api/status"); json.Unmarshal([]byte(body), &status) != nil || len(status.Channels) != 1 {
				t.Fatalf("status: %s", body)
			}
			inHand = status.Channels[0].InHand
			if status.Channels[0].Events > 40 {
				t.Fatal("Kafka was quicker: this tests nothing")
			}
		}
		r.stop()
		s.net.Heal(s.sb.KafkaAddr)
		if n := len(s.topic("sf.cdc.Account")); n < 46 {
			t.Errorf("%d records after an orderly end, want at least the 46 that had been received", n)
		}
		r = s.start(s.config(accountChannel))
		s.completeWithin(time.Minute)
		r.stop()
	})
}

// TestMemory_KafkaAway_BoundedWhateverWaits lets 50,000 events wait while the
// broker is away, and then again while it comes and goes.
func TestMemory_KafkaAway_BoundedWhateverWaits(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1002}, func(s *system) {
		const memory = 256 << 10
		const response = 160 << 10 // 100 events of these, with their headers
		cfg := s.config(accountChannel, contactChannel)
		cfg.Memory = memory
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		s.insert("Account", nil)
		s.insert("Contact", nil)
		s.completeWithin(time.Minute)
		s.net.Refuse(s.sb.KafkaAddr)
		s.net.Cut(s.sb.KafkaAddr)
		for i := range 50 {
			s.transact(func(tx *orgsim.Tx) error {
				for j := range 500 {
					if _, err := tx.Insert("Account", name(fmt.Sprint("Waiting ", i, " ", j))); err != nil {
						return err
					}
					fields := map[string]orgsim.Value{"LastName": orgsim.String(fmt.Sprint("Waiting ", i, " ", j))}
					if _, err := tx.Insert("Contact", fields); err != nil {
						return err
					}
				}
				return nil
			})
		}
		most := 0.0
		look := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				most = max(most, r.metric("sfbridge_capture_buffered_bytes"))
			}
		}
		look(time.Minute)
		for range 10 { // lanes that fail must not keep what they held
			s.net.Heal(s.sb.KafkaAddr)
			look(time.Duration(500) * time.Millisecond)
			s.net.Refuse(s.sb.KafkaAddr)
			s.net.Cut(s.sb.KafkaAddr)
			look(5 * time.Second)
		}
		s.net.Heal(s.sb.KafkaAddr)
		s.until(time.Hour, "all is committed", func() bool {
			return r.metric(channelMetric("sfbridge_capture_events_total", accountChannel))+
				r.metric(channelMetric("sfbridge_capture_events_total", contactChannel)) >= 50_002
		})
		look(10 * time.Second)
		if limit := float64(memory + 2*response); most > limit || most < memory/2 {
			t.Errorf("at most %v bytes were buffered, want up to %v and no more", most, limit)
		}
		if left := r.metric("sfbridge_capture_buffered_bytes"); left != 0 {
			t.Errorf("%v bytes are buffered at the end, want 0", left)
		}
		v := s.completeWithin(time.Minute)
		if v.ChangesMade != 50_002 {
			t.Errorf("%d changes, want 50,002", v.ChangesMade)
		}
		r.stop()
	})
}

// TestAtLeastOnce_NothingLost_RepeatedOnlyAfterFaults runs without
// transactions, in peace and then with broken connections and kills.
func TestAtLeastOnce_NothingLost_RepeatedOnlyAfterFaults(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1003, VaryBatches: true}, func(s *system) {
		cfg := s.config()
		cfg.AtLeastOnce = true
		for range 5 { // restarts in order are no faults
			r := s.start(cfg)
			r.readyWithin(time.Minute)
			stop := s.work(50, 1003)
			time.Sleep(5 * time.Second)
			stop()
			r.stop()
		}
		r := s.start(cfg)
		s.completeWithin(time.Minute) // with no duplicates
		r.stop()

		h := s.host()
		defer h.close()
		flaky := &kafkatest.Flaky{CloseAfterProduce: 7}
		stop := s.work(50, 1004)
		for range 10 {
			cfg := h.on(s.config())
			cfg.AtLeastOnce = true
			cfg.Kafka.Dial = flaky.Dial(cfg.Kafka.Dial)
			r := s.start(cfg)
			time.Sleep(3 * time.Second)
			r.kill(h)
		}
		stop()
		r = s.start(cfg)
		var v sandbox.Verdict
		s.until(10*time.Minute, "nothing is missing", func() bool { // the dead hold their lanes for a session
			v = s.audit()
			return v.Lost == 0
		})
		if v.Unknown != 0 || v.SetAside != 0 {
			t.Errorf("%+v: %v", v, v.Examples)
		}
		if v.Duplicates == 0 || flaky.Closed() < 10 {
			t.Errorf("%d duplicates after %d broken connections: this tested little", v.Duplicates, flaky.Closed())
		}
		t.Logf("%d changes, %d duplicates after %d broken connections and 10 kills", v.ChangesMade, v.Duplicates, flaky.Closed())
		r.stop()
	})
}
