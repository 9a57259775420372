package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/internal/flow"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
	"sfbridge/writeback/rows"
)

const syncChannel = "/data/Sync__chn"

// ringOrg tells the external id with every change, so that another org can find
// the row.
func ringOrg(seed uint64, infix string) orgsim.Config {
	return orgsim.Config{Seed: seed, IDInfix: infix, KeepLedger: -1, Channels: []orgsim.ChannelDef{{
		Name: syncChannel, Members: []orgsim.ChannelMember{{Object: "Account", Enriched: []string{"ERP_Id__c"}}},
	}}}
}

// ring is two orgs, each with a bridge that captures it, and writes into it what
// the other one's bridge has captured.
type ring struct {
	*system
	orgs [2]*sandbox.Sandbox
	runs [2]*running
	rng  *rand.Rand

	edits int // changes that people made
}

var ringNames = [2]string{"a", "b"}

func changes(name string) string { return "sf." + name + ".cdc.Account" }

// inRing runs fn in a ring whose second org has an automation of its own.
func inRing(t *testing.T, seed uint64, rules orgsim.Rules, fn func(*ring)) {
	t.Helper()
	bubble(t, ringOrg(seed, "SB"), func(s *system) {
		g := &ring{system: s, rng: rand.New(rand.NewPCG(seed, 52))}
		second, err := sandbox.Start(sandbox.Config{
			Org: ringOrg(seed+1, "SC"), KafkaAddr: s.sb.KafkaAddr, RegistryURL: s.sb.RegistryURL,
			Listen: s.net.Listen, Dial: s.net.Dial, Logger: s.log,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		g.orgs = [2]*sandbox.Sandbox{s.sb, second}
		if err := second.Org.SetRules(rules); err != nil {
			t.Fatal(err)
		}
		for i := range g.runs {
			s.producer(changes(ringNames[i]), 2).Close() // a channel of many objects makes it with the first event
		}
		for i := range g.runs {
			g.runs[i] = s.start(g.config(i))
		}
		for _, r := range g.runs {
			r.readyWithin(time.Minute)
		}
		fn(g)
		for _, r := range g.runs {
			r.stop()
		}
	})
}

// config is the bridge of one org.
func (g *ring) config(i int) bridge.Config {
	cfg := g.orgs[i].Bridge(ringNames[i], syncChannel)
	cfg.Logger, cfg.Lanes, cfg.Topics.Prefix = g.log, 1, "sf."+ringNames[i]
	cfg.Topics.Partitions = 2
	cfg.Writebacks = []bridge.Writeback{{
		Topic: changes(ringNames[1-i]), Org: sandbox.OrgName,
		Rows: rows.Config{
			Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert,
			OperationFrom: "ChangeEventHeader.changeType",
			Operations:    map[string]rows.Operation{"CREATE": rows.Upsert, "UPDATE": rows.Upsert, "DELETE": rows.Delete},
			Fields: map[string]string{
				"ERP_Id__c": "ERP_Id__c", "Name": "Name", "Phone": "Phone", "Fax": "Fax", "Description": "Description",
				"BillingCity": "BillingAddress.City", "BillingStreet": "BillingAddress.Street",
				"AnnualRevenue": "AnnualRevenue", "Score__c": "Score__c", "Active__c": "Active__c", "Tags__c": "Tags__c",
			},
		},
	}}
	return cfg
}

// edit is a change that somebody makes in one org.
func (g *ring) edit(i int, fn func(*orgsim.Tx) error) {
	g.t.Helper()
	g.edits++
	by := orgsim.Caller{API: "rest", Client: "people"}
	if _, err := g.orgs[i].Org.Transact(context.Background(), by, fn); err != nil {
		g.t.Fatal(err)
	}
}

// accounts gives the live rows of an org by external id, without what each org
// has of its own.
func (g *ring) accounts(i int) map[string]string {
	out := make(map[string]string)
	_, err := g.orgs[i].Org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		tx.Scan("Account", false, func(r *orgsim.Record) bool {
			text := ""
			for _, f := range []string{
				"Name", "Phone", "Fax", "Description", "BillingCity", "BillingStreet", "AnnualRevenue", "Score__c", "Active__c", "Tags__c",
			} {
				text += fmt.Sprintf("%s=%q ", f, r.Get(f).String())
			}
			out[r.Get("ERP_Id__c").Text()] = text
			return true
		})
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// outcomes counts what became of the records that each side was sent.
func (g *ring) outcomes() (written, echoes int, others []string) {
	for _, rec := range g.records() {
		switch rec.Topic {
		case "sf.a.results", "sf.b.results":
			var res flow.Result
			if err := json.Unmarshal(rec.Value, &res); err != nil {
				g.t.Fatal(err)
			}
			switch {
			case res.Outcome != flow.Skipped:
				written++
			case res.Reason == flow.SkipEcho:
				echoes++
			default:
				others = append(others, res.Outcome+" "+res.Reason)
			}
		case "sf.a.dlq", "sf.b.dlq":
			others = append(others, "dead letter: "+string(rec.Value))
		}
	}
	return written, echoes, others
}

// rests waits until both orgs have the same rows and nothing goes on, and checks
// that what one org's people changed was written to the other once: round one
// writes, and its echo is marked, so that round two writes nothing.
func (g *ring) rests(more int) {
	g.t.Helper()
	time.Sleep(2 * time.Minute)
	before := len(g.records())
	a, b := g.accounts(0), g.accounts(1)
	if !maps.Equal(a, b) {
		g.t.Errorf("the orgs differ:\n%v\n%v", a, b)
	}
	time.Sleep(10 * time.Minute)
	if n := len(g.records()) - before; n != 0 {
		g.t.Errorf("the ring does not rest: %d records more after ten minutes", n)
	}
	written, echoes, others := g.outcomes()
	if len(others) > 0 {
		g.t.Errorf("records with other outcomes: %v", others)
	}
	if written > g.edits+more {
		g.t.Errorf("%d changes by people were written %d times, want %d at most", g.edits, written, g.edits+more)
	}
	if echoes == 0 {
		g.t.Error("nothing came back as an echo")
	}
	for i, r := range g.runs {
		if n := r.metric(`sfbridge_capture_echoes_total{channel="` + syncChannel + `",org="main",outcome="not_announced"}`); n != float64(more*i) {
			g.t.Errorf("bridge %s: %v changes with its own origin were not announced, want %d", ringNames[i], n, more*i)
		}
	}
}

func text(s string) orgsim.Value { return orgsim.String(s) }

// Random edits on both sides: of different rows at a time, and of the same rows
// but different fields.
func TestRing_TwoOrgsIntoEachOther_RestEqualInTwoRounds(t *testing.T) {
	inRing(t, 521, orgsim.Rules{}, func(g *ring) {
		ids := [2]map[string]string{{}, {}} // record ids by external id
		for n := range 40 {
			key := fmt.Sprintf("E-%d", n)
			i := n % 2
			g.edit(i, func(tx *orgsim.Tx) error {
				id, err := tx.Insert("Account", map[string]orgsim.Value{
					"ERP_Id__c": text(key), "Name": text("Account " + key), "Description": text("line one\nline two of " + key),
				})
				ids[i][key] = id
				return err
			})
		}
		time.Sleep(time.Minute)
		for i := range g.orgs {
			ids[i] = g.idsOf(i)
		}
		keys := slices.Sorted(maps.Keys(ids[0]))
		if len(keys) != 40 || len(ids[1]) != 40 {
			t.Fatalf("%d and %d rows, want 40 each", len(ids[0]), len(ids[1]))
		}
		own := [2][]string{{"Phone", "BillingCity", "Score__c", "Tags__c"}, {"Fax", "BillingStreet", "AnnualRevenue", "Active__c"}}
		for range 200 {
			i := g.rng.IntN(2)
			key, field := keys[g.rng.IntN(len(keys))], own[i][g.rng.IntN(4)]
			g.edit(i, func(tx *orgsim.Tx) error {
				return tx.Update(ids[i][key], map[string]orgsim.Value{field: g.value(field)})
			})
			time.Sleep(time.Duration(g.rng.IntN(400)) * time.Millisecond)
		}
		time.Sleep(time.Minute)
		g.edit(1, func(tx *orgsim.Tx) error { return tx.Delete(ids[1]["E-2"]) })
		g.edit(0, func(tx *orgsim.Tx) error { return tx.Delete(ids[0]["E-3"]) })
		g.rests(0)
		if n := len(g.accounts(0)); n != 38 {
			t.Errorf("%d rows are left, want 38", n)
		}
	})
}

func (g *ring) idsOf(i int) map[string]string {
	out := make(map[string]string)
	g.orgs[i].Org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		tx.Scan("Account", false, func(r *orgsim.Record) bool {
			out[r.Get("ERP_Id__c").Text()] = r.ID
			return true
		})
		return nil
	})
	return out
}

// value is a value for a field, now and then none, and often one that another
// row has too.
func (g *ring) value(field string) orgsim.Value {
	n := g.rng.IntN(6)
	switch {
	case field == "Active__c":
		return orgsim.Bool(n%2 == 0)
	case n == 0:
		return orgsim.Value{}
	case field == "Score__c":
		return orgsim.MustDecimal(fmt.Sprintf("%d.%04d", n, g.rng.IntN(10000)))
	case field == "AnnualRevenue":
		return orgsim.MustDecimal(fmt.Sprint(n * 1000))
	case field == "Tags__c":
		return text([]string{"a;b", "b;c", "c"}[n%3])
	}
	return text(fmt.Sprintf("%s %d", field, n))
}

// The second org's automation makes another number of each that is written: a
// change, which goes back to the first org once, and rests there.
func TestRing_WithAnAutomationInOneOrg_RestsWithItsValue(t *testing.T) {
	plus := orgsim.Trigger{
		Object: "Account", When: []orgsim.Condition{{Field: "Phone", Op: "=", Value: "1"}},
		Set: map[string]string{"Phone": "+1"}, Later: true, SameClient: true, Delay: time.Second,
	}
	inRing(t, 523, orgsim.Rules{Triggers: []orgsim.Trigger{plus}}, func(g *ring) {
		for n := range 5 {
			g.edit(0, func(tx *orgsim.Tx) error {
				_, err := tx.Insert("Account", map[string]orgsim.Value{
					"ERP_Id__c": text(fmt.Sprintf("E-%d", n)), "Name": text("Acme"), "Phone": text("1"),
				})
				return err
			})
			time.Sleep(10 * time.Second)
		}
		g.rests(5)
		for key, row := range g.accounts(0) {
			if want := `Phone="+1"`; !strings.Contains(row, want) {
				t.Errorf("row %s of the first org: %s, want %s", key, row, want)
			}
		}
	})
}

// Both orgs captured by one bridge, into one topic that it writes into both: each
// change goes to the other org, and back to its own, where it changes nothing.
func TestRing_TwoOrgsThroughOneTopic_RestEqual(t *testing.T) {
	bubble(t, ringOrg(524, "SB"), func(s *system) {
		other := ringOrg(525, "SC")
		other.OrgID = "00DSB0000000002"
		second, err := sandbox.Start(sandbox.Config{
			Org: other, KafkaAddr: s.sb.KafkaAddr, RegistryURL: s.sb.RegistryURL, Listen: s.net.Listen, Dial: s.net.Dial, Logger: s.log,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		g := &ring{system: s, orgs: [2]*sandbox.Sandbox{s.sb, second}}
		s.producer("sf.cdc.Account", 2).Close()
		cfg := g.config(0)
		cfg.Topics.Prefix = "sf"
		cfg.Writebacks[0].Topic = "sf.cdc.Account"
		into := cfg.Writebacks[0]
		into.Org = "second"
		cfg.Writebacks = append(cfg.Writebacks, into)
		cfg.Orgs["second"] = second.Bridge("", syncChannel).Orgs[sandbox.OrgName]
		from := cfg.Captures[0]
		from.Org = "second"
		cfg.Captures = append(cfg.Captures, from)
		r := s.start(cfg)
		r.readyWithin(time.Minute)
		for n := range 20 {
			g.edit(n%2, func(tx *orgsim.Tx) error {
				_, err := tx.Insert("Account", map[string]orgsim.Value{"ERP_Id__c": text(fmt.Sprint("E-", n)), "Name": text("Acme"), "Phone": text("1")})
				return err
			})
			time.Sleep(2 * time.Second)
		}
		for n := range 20 {
			i := (n + n/2) % 2
			g.edit(i, func(tx *orgsim.Tx) error {
				id := tx.Find("Account", "ERP_Id__c", text(fmt.Sprint("E-", n)))[0].ID
				return tx.Update(id, map[string]orgsim.Value{"Phone": text(fmt.Sprint(n % 3)), "Fax": text("2")})
			})
		}
		time.Sleep(5 * time.Minute)
		before := s.topic("sf.cdc.Account")
		if a, b := g.accounts(0), g.accounts(1); !maps.Equal(a, b) || len(a) != 20 {
			t.Errorf("the orgs differ:\n%v\n%v", a, b)
		}
		time.Sleep(time.Hour)
		people, echoes := 0, 0
		for _, rec := range s.topic("sf.cdc.Account") {
			if header(rec, "sf_echo") == "true" {
				echoes++
			} else {
				people++
			}
		}
		if people != g.edits || people+echoes != len(before) || echoes > 2*people {
			t.Errorf("%d changes by people and %d echoes an hour after %d in all, want %d by people", people, echoes, len(before), g.edits)
		}
		r.stop()
	})
}
