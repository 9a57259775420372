package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// TestWeek_QuietAndBusyDaysWithFaults_NothingLost passes a virtual week: busy
// and quiet hours, keepalives, tokens that expire after two hours, streams cut
// in every way, broker outages, and processes that come and go.
func TestWeek_QuietAndBusyDaysWithFaults_NothingLost(t *testing.T) {
	seed := uint64(20)
	if text := os.Getenv("SFBRIDGE_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("seed %d: another one with SFBRIDGE_TEST_SEED", seed)
	bubble(t, orgsim.Config{Seed: seed, VaryBatches: true}, func(s *system) {
		w := &week{system: s, rng: rand.New(rand.NewPCG(seed, 1))}
		one := s.start(s.config())
		one.readyWithin(10 * time.Second)
		var two *running
		for hour := range 7 * 24 {
			w.hour()
			w.fault()
			switch hour % 24 { // a second process works through part of each day
			case 9:
				cfg := s.config()
				cfg.StartTimeout = time.Hour // it may come in the middle of a fault
				two = s.start(cfg)
			case 18:
				two.stop()
			}
		}
		s.net.Heal(s.sb.KafkaAddr)
		s.net.Heal(s.sb.PubSubAddr)
		v := s.completeWithin(time.Hour)
		one.readyWithin(10 * time.Minute)
		one.stop()
		t.Logf("%d changes, %d records, %d faults, %d open streams at the end", v.ChangesMade, v.RecordsCommitted, w.faults, s.sb.Org.OpenStreams())
		if v.ChangesMade < 1000 || w.faults < 50 {
			t.Errorf("%d changes and %d faults: this was no week", v.ChangesMade, w.faults)
		}
	})
}

// week makes changes and faults from one random source.
type week struct {
	*system
	rng    *rand.Rand
	ids    []string
	faults int
}

// hour passes one hour, in one of five quiet and in the others with changes.
func (w *week) hour() {
	left := time.Hour
	for n := w.rng.IntN(5) * w.rng.IntN(8); n > 0; n-- {
		pause := time.Duration(w.rng.Int64N(int64(left)/int64(n) + 1))
		time.Sleep(pause)
		left -= pause
		w.transact(w.changes)
	}
	time.Sleep(left)
}

// changes is one transaction: now and then a mass update, which the org merges
// into one event for many records.
func (w *week) changes(tx *orgsim.Tx) error {
	switch k := w.rng.IntN(10); {
	case k < 4 || len(w.ids) < 10:
		id, err := tx.Insert("Account", name(fmt.Sprintf("Account %d", len(w.ids))))
		w.ids = append(w.ids, id)
		return err
	case k < 8:
		return tx.Update(w.pick(), map[string]orgsim.Value{"Phone": orgsim.String(strconv.Itoa(w.rng.IntN(1e6)))})
	case k == 8:
		phone := orgsim.String(strconv.Itoa(w.rng.IntN(1e6)))
		for _, i := range w.rng.Perm(len(w.ids))[:5] {
			if err := tx.Update(w.ids[i], map[string]orgsim.Value{"Phone": phone}); err != nil {
				return err
			}
		}
		return nil
	}
	id := w.pick()
	w.ids = slices.DeleteFunc(w.ids, func(s string) bool { return s == id })
	return tx.Delete(id)
}

func (w *week) pick() string { return w.ids[w.rng.IntN(len(w.ids))] }

// fault breaks something, in two hours of three.
func (w *week) fault() {
	w.faults++
	kafka, pubsub := w.sb.KafkaAddr, w.sb.PubSubAddr
	switch w.rng.IntN(12) {
	case 0:
		w.net.Cut(pubsub)
	case 1: // a half-open connection: only a ping or the watchdog tells
		w.net.Blackhole(pubsub)
		time.AfterFunc(20*time.Minute, func() { w.net.Heal(pubsub) })
	case 2: // the broker is away for a while
		w.net.Refuse(kafka)
		w.net.Cut(kafka)
		time.AfterFunc(time.Duration(1+w.rng.IntN(10))*time.Minute, func() { w.net.Heal(kafka) })
	case 3:
		w.net.Cut(kafka)
	case 4:
		w.sb.Org.RevokeAll(w.rng.IntN(2) == 0)
	case 5:
		w.inject(orgsim.FaultReset, orgsim.FaultGoAway, orgsim.FaultEnd, orgsim.FaultDisconnect, orgsim.FaultStall)
	case 6:
		w.sb.Org.Inject(orgsim.Fault{Kind: orgsim.FaultStatus, ErrorCode: "service.unavailable", Count: 3})
	case 7:
		w.sb.Org.Inject(orgsim.Fault{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, ErrorCode: "service.auth.error", Count: 2})
	default:
		w.faults--
	}
}

func (w *week) inject(kinds ...orgsim.FaultKind) {
	if err := w.sb.Org.Inject(orgsim.Fault{Kind: kinds[w.rng.IntN(len(kinds))]}); err != nil {
		w.t.Fatal(err)
	}
}
