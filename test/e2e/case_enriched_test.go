package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/orgsim"
)

const salesChannel = "/data/Sales__chn"

// enrichedOrg has a channel whose merged events the org splits: one event for
// each record, all under one replay id.
func enrichedOrg(seed uint64) orgsim.Config {
	return orgsim.Config{Seed: seed, MaxBatch: 3, VaryBatches: true, Channels: []orgsim.ChannelDef{{Name: salesChannel, Members: []orgsim.ChannelMember{
		{Object: "Account", Enriched: []string{"AccountNumber", "Industry"}}, {Object: "Contact"},
	}}}}
}

// group changes ten accounts alike: ten events with one replay id.
func (s *system) group(ids []string, phone string) {
	s.t.Helper()
	s.transact(func(tx *orgsim.Tx) error {
		for _, id := range ids {
			if err := tx.Update(id, map[string]orgsim.Value{"Phone": orgsim.String(phone)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *system) numbered(n int) []string {
	s.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, s.insert("Account", map[string]orgsim.Value{"AccountNumber": orgsim.String(fmt.Sprint(i))}))
	}
	return ids
}

// TestEnriched_StreamCutInsideAGroup_NothingLostOrDoubled cuts the stream
// after each number of events into a group.
func TestEnriched_StreamCutInsideAGroup_NothingLostOrDoubled(t *testing.T) {
	for _, kind := range []orgsim.FaultKind{orgsim.FaultDisconnect, orgsim.FaultEnd} {
		bubble(t, enrichedOrg(601), func(s *system) {
			r := s.start(s.config(salesChannel))
			r.readyWithin(10 * time.Second)
			ids := s.numbered(10)
			s.completeWithin(time.Minute)
			for cut := 1; cut <= 10; cut++ {
				s.inject(orgsim.Fault{Kind: kind, Channel: salesChannel, After: cut})
				s.group(ids, fmt.Sprint(cut))
				if cut%3 == 0 {
					s.insert("Contact", nil)
				}
				time.Sleep(time.Minute)
				if left := s.sb.Org.Faults(); len(left) > 0 {
					s.insert("Contact", nil) // a fault after the tenth event waits for an eleventh
					time.Sleep(time.Minute)
				}
			}
			s.completeWithin(5 * time.Minute)
			s.enrichedValues(ids)
			r.stop()
		})
	}
}

// enrichedValues checks that updates carry the enriched field, which did not
// change, and name in changedFields what did.
func (s *system) enrichedValues(ids []string) {
	s.t.Helper()
	n := 0
	for _, rec := range s.topic("sf.cdc.Account") {
		if !strings.HasSuffix(header(rec, "ce_type"), ".UPDATE") {
			continue
		}
		v := s.decode(rec)
		want := fmt.Sprint(slices.Index(ids, string(rec.Key)))
		if got := at(v, "AccountNumber"); got != want {
			s.t.Errorf("AccountNumber of %s is %v, want %s", rec.Key, got, want)
		}
		h, _ := v["ChangeEventHeader"].(map[string]any)
		if got := texts(h["changedFields"]); !slices.Equal(got, []string{"LastModifiedDate", "Phone"}) {
			s.t.Errorf("changedFields of %s are %v, want Phone", rec.Key, got)
		}
		n++
	}
	if n == 0 {
		s.t.Error("no updates")
	}
}

// TestEnriched_RestartInsideAGroup_NothingLostOrDoubled kills or stops the
// process while a group is half written, again and again.
func TestEnriched_RestartInsideAGroup_NothingLostOrDoubled(t *testing.T) {
	for _, way := range []string{"stop", "kill"} {
		t.Run(way, func(t *testing.T) {
			bubble(t, enrichedOrg(602), func(s *system) {
				h := s.host()
				defer h.close()
				// A group takes several responses, with a pause before each.
				s.inject(orgsim.Fault{Kind: orgsim.FaultSlow, Channel: salesChannel, Every: 3, Count: -1, Delay: 50 * time.Millisecond})
				ids := s.numbered(10)
				inside := 0
				for round := range 12 {
					r := s.start(h.on(s.config(salesChannel)))
					r.readyWithin(5 * time.Minute)
					if round == 0 {
						s.completeWithin(time.Minute)
					}
					s.group(ids, fmt.Sprint(round))
					time.Sleep(time.Duration(20+round*25) * time.Millisecond)
					if way == "kill" {
						r.kill(h)
					} else {
						r.stop()
					}
					if n := (len(s.records()) - 10) % 10; n != 0 {
						inside++
					}
				}
				if inside < 3 {
					t.Errorf("only %d of 12 ends came inside a group: this tested little", inside)
				}
				r := s.start(s.config(salesChannel))
				s.completeWithin(5 * time.Minute)
				r.stop()
			})
		})
	}
}
