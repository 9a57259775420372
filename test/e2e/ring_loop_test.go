package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

// The changes of an org are written back into the same org, Fax becoming Phone:
// each change by people makes one write, whose echo makes none.
func TestRing_OrgToTopicToTheSameOrg_RestsInTwoRounds(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		const accounts, changes = 20, 5
		cfg := s.config(bridge.ChangeChannel("Account"))
		cfg.Writebacks = []bridge.Writeback{{
			Topic: "sf.cdc.Account", Org: "main",
			Rows: rows.Config{Object: "Account", Operation: rows.Update, Fields: map[string]string{"Phone": "Fax"}},
		}}
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		ids := s.accounts(accounts, "Ring")
		for i := range changes {
			for n, id := range ids {
				s.update(id, map[string]orgsim.Value{"Fax": orgsim.String(fmt.Sprint(i, n%3))})
			}
			time.Sleep(5 * time.Second)
		}
		time.Sleep(5 * time.Minute)
		before := s.topic("sf.cdc.Account")
		time.Sleep(time.Hour)
		after := s.topic("sf.cdc.Account")
		if len(before) != len(after) {
			t.Errorf("%d changes more within an hour of rest", len(after)-len(before))
		}
		people, echoes := 0, 0
		for _, rec := range after {
			if header(rec, "sf_echo") == "true" {
				echoes++
			} else {
				people++
			}
		}
		// A creation makes a write too: one that changes nothing.
		if want := accounts * (1 + changes); people != want || echoes > want || echoes < accounts {
			t.Errorf("%d changes by people and %d echoes, want %d and no more", people, echoes, want)
		}
		for key, want := range map[string]float64{flow.Updated: float64(people), flow.Skipped: float64(echoes)} {
			sample := fmt.Sprintf(`sfbridge_writeback_records_total{flow="sf.cdc.Account/main/Account",outcome=%q}`, key)
			if got := r.metric(sample); got != want {
				t.Errorf("%v records %s, want %v", got, key, want)
			}
		}
		s.eachAccount(func(rec *orgsim.Record) {
			if rec.Get("Phone") != rec.Get("Fax") {
				t.Errorf("account %s: phone %s, fax %s", rec.ID, rec.Get("Phone"), rec.Get("Fax"))
			}
		})
		r.stop()
	})
}

func (s *system) eachAccount(fn func(*orgsim.Record)) {
	s.t.Helper()
	_, err := s.sb.Org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		tx.Scan("Account", false, func(r *orgsim.Record) bool { fn(r); return true })
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Echoes stay echoes while processes that write and capture die and come back: what
// was announced stands in Kafka.
func TestRing_ProcessesThatDie_EveryEchoIsMarked(t *testing.T) {
	bubble(t, orgsim.Config{}, func(s *system) {
		produce := s.producer("erp.customers", 3)
		defer produce.Close()
		hosts := [2]*host{s.host(), s.host()}
		var procs [2]*running
		start := func(i int) {
			cfg := hosts[i].on(s.config(bridge.ChangeChannel("Account")))
			cfg.SessionTimeout = 10 * time.Second
			cfg.Writebacks = []bridge.Writeback{customers()}
			procs[i] = s.start(cfg)
		}
		for i := range procs {
			defer hosts[i].close()
			start(i)
		}
		for i := range 60 {
			for n := range 10 {
				s.put(produce, fmt.Sprintf("E-%d", n), fmt.Sprintf(`,"phone":"%d %d"`, i, n%4))
			}
			time.Sleep(time.Duration(1+i%5) * 500 * time.Millisecond)
			if i%10 == 9 {
				which := i / 10 % 2
				procs[which].kill(hosts[which])
				time.Sleep(time.Second)
				start(which)
			}
		}
		time.Sleep(5 * time.Minute)
		echoes := 0
		for _, rec := range s.topic("sf.cdc.Account") {
			if header(rec, "sf_echo") != "true" {
				t.Errorf("%s of %s is not marked", header(rec, "ce_type"), header(rec, "ce_subject"))
			}
			echoes++
		}
		if echoes < 100 {
			t.Errorf("%d changes came back, want more", echoes)
		}
		n := 0
		s.eachAccount(func(rec *orgsim.Record) {
			n++
			var key int
			fmt.Sscanf(rec.Get("ERP_Id__c").Text(), "E-%d", &key)
			if want := fmt.Sprintf("59 %d", key%4); rec.Get("Phone").Text() != want {
				t.Errorf("account E-%d has phone %s, want %s", key, rec.Get("Phone"), want)
			}
		})
		if n != 10 {
			t.Errorf("%d accounts, want 10", n)
		}
		for _, p := range procs {
			p.stop()
		}
	})
}

// Answers that are lost, calls that are cut or refused, jobs that fail half-way: the
// rows that were written all the same come back before the next try, or as
// changes that show nothing at it.
func TestRing_BadDaysOfTheOrg_EveryEchoIsMarked(t *testing.T) {
	for _, bulkAbove := range []int{-1, 20} {
		bubble(t, orgsim.Config{}, func(s *system) {
			produce := s.producer("erp.customers", 3)
			defer produce.Close()
			cfg := s.config(bridge.ChangeChannel("Account"))
			w := customers()
			w.BulkAbove = bulkAbove
			cfg.Writebacks = []bridge.Writeback{w}
			r := s.start(cfg)
			r.readyWithin(time.Minute)
			want := make(map[string]string)
			for i := range 40 {
				switch path := []string{"/sobjects", "/composite", "/jobs/ingest"}[i%3]; i % 4 {
				case 0:
					s.sb.Org.InjectHTTP(orgsim.HTTPFault{Path: path, Count: 1, CutAfter: true})
				case 1:
					s.sb.Org.InjectHTTP(orgsim.HTTPFault{Path: path, Count: 2, Cut: true})
				case 2:
					s.sb.Org.InjectHTTP(orgsim.HTTPFault{Path: path, Count: 2, Status: 503, Code: "SERVER_UNAVAILABLE"})
				case 3:
					kind := []string{"fail", "abort"}[i/4%2]
					if err := s.sb.Org.InjectBulk(orgsim.BulkFault{Kind: kind, Count: 1, Text: "InternalServerError : try again"}); err != nil {
						t.Fatal(err)
					}
				}
				for n := range 1 + i*7%60 {
					key, phone := fmt.Sprintf("E-%d", n), fmt.Sprintf("%d %d", i, n)
					s.put(produce, key, fmt.Sprintf(`,"phone":%q`, phone))
					want[key] = phone
				}
				time.Sleep(time.Duration(1+i%7) * 700 * time.Millisecond)
			}
			s.sb.Org.ClearHTTP()
			s.sb.Org.ClearBulk()
			time.Sleep(20 * time.Minute)
			changes := s.topic("sf.cdc.Account")
			for _, rec := range changes {
				if header(rec, "sf_echo") != "true" {
					t.Errorf("bulk above %d: %s of %s is not marked", bulkAbove, header(rec, "ce_type"), header(rec, "ce_subject"))
				}
			}
			if letters := s.lettersIn("sf.dlq"); len(changes) < len(want) || len(letters) > 0 {
				t.Errorf("bulk above %d: %d changes of %d rows came back, letters %v", bulkAbove, len(changes), len(want), letters)
			}
			s.eachAccount(func(rec *orgsim.Record) {
				if key, phone := rec.Get("ERP_Id__c").Text(), rec.Get("Phone").Text(); phone != want[key] {
					t.Errorf("bulk above %d: account %s has phone %s, want %s", bulkAbove, key, phone, want[key])
				}
			})
			r.stop()
		})
	}
}
