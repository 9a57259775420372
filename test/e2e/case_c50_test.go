package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
)

// TestC50_EventForFiveRecords_KilledInBetween kills the process at a given
// request to Kafka while it writes an event that names five records; after the
// restart each of the five is there once.
func TestC50_EventForFiveRecords_KilledInBetween(t *testing.T) {
	for _, api := range []int16{0, apiAddPartitions, apiEndTxn} {
		for nth := 1; nth <= 3; nth++ {
			t.Run(fmt.Sprintf("request %d of kind %d", nth, api), func(t *testing.T) { killedAt(t, api, nth) })
		}
	}
}

func killedAt(t *testing.T, api int16, nth int) {
	bubble(t, orgsim.Config{Seed: 5001}, func(s *system) {
		h := s.host()
		defer h.close()
		cfg := h.on(s.config(accountChannel))
		flaky := &kafkatest.Flaky{CloseAfter: map[int16]int{api: nth}}
		if api == 0 {
			flaky = &kafkatest.Flaky{CloseAfterProduce: nth}
		}
		cfg.Kafka.Dial = flaky.Dial(cfg.Kafka.Dial)
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		var ids []string
		s.transact(func(tx *orgsim.Tx) error { // one event, since the five are alike
			for range 5 {
				id, err := tx.Insert("Account", name("Five"))
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		phone := map[string]orgsim.Value{"Phone": orgsim.String("5")}
		for range nth { // until the request comes that is the last
			s.transact(func(tx *orgsim.Tx) error {
				for _, id := range ids {
					if err := tx.Update(id, phone); err != nil {
						return err
					}
				}
				return nil
			})
			phone["Phone"] = orgsim.String(phone["Phone"].Text() + "5")
			for range 1000 {
				if flaky.Closed() > 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
		r.kill(h)
		if flaky.Closed() == 0 {
			t.Fatal("the request never came")
		}
		r = s.start(s.config(accountChannel))
		r.readyWithin(5 * time.Minute)
		v := s.completeWithin(5 * time.Minute)
		if v.RecordsCommitted != 5+5*nth {
			t.Errorf("%d records, want %d", v.RecordsCommitted, 5+5*nth)
		}
		counts := make(map[string]int)
		for _, rec := range s.topic("sf.cdc.Account") {
			counts[string(rec.Key)]++
		}
		slices.Sort(ids)
		for _, id := range ids {
			if counts[id] != 1+nth {
				t.Errorf("record %s is there %d times, want %d", id, counts[id], 1+nth)
			}
		}
		r.stop()
	})
}
