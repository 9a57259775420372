package e2e

import (
	"testing"
	"time"

	"sfbridge/orgsim"
)

// TestFaults_EachOfTheOrg_HealsByItself lets everything go wrong that the
// simulated org can do, one after the other, between, before and in place of
// responses. Each time the topics are complete in the end and nothing asks for
// a person.
func TestFaults_EachOfTheOrg_HealsByItself(t *testing.T) {
	status := func(on, code string) orgsim.Fault {
		return orgsim.Fault{Kind: orgsim.FaultStatus, On: on, Method: "Subscribe", ErrorCode: code, Count: 2}
	}
	faults := map[string][]orgsim.Fault{
		"stall":                {{Kind: orgsim.FaultStall}},
		"stall for a while":    {{Kind: orgsim.FaultStall, Delay: 3 * time.Minute}},
		"half-open connection": {{Kind: orgsim.FaultBlackhole}},
		"half-open on open":    {{Kind: orgsim.FaultDisconnect}, {Kind: orgsim.FaultBlackhole, On: orgsim.OnOpen, Method: "Subscribe"}},
		"connection cut":       {{Kind: orgsim.FaultDisconnect}},
		"connection cut thrice": {
			{Kind: orgsim.FaultDisconnect},
			{Kind: orgsim.FaultDisconnect, On: orgsim.OnFirst},
			{Kind: orgsim.FaultDisconnect, On: orgsim.OnOpen, Method: "Subscribe"},
		},
		"reset without trailers": {{Kind: orgsim.FaultReset, Count: 2, Every: 3}},
		"goaway":                 {{Kind: orgsim.FaultGoAway, Delay: time.Second}},
		"goaway, too many pings": {{Kind: orgsim.FaultGoAway, Message: "too_many_pings"}},
		"clean end":              {{Kind: orgsim.FaultEnd, Count: 3, Every: 2}},
		"slow":                   {{Kind: orgsim.FaultSlow, Delay: 20 * time.Second, Count: 3}},
		"redelivery":             {{Kind: orgsim.FaultDisconnect, After: 7}, {Kind: orgsim.FaultRedeliver, Events: 5}},
		"tokens revoked":         {{Kind: orgsim.FaultRevoke}},
		"tokens revoked on open": {{Kind: orgsim.FaultEnd}, {Kind: orgsim.FaultRevoke, On: orgsim.OnOpen, Method: "Subscribe"}},
		"unavailable, no code":   {{Kind: orgsim.FaultStatus, Status: "UNAVAILABLE"}},
		"unavailable":            {status(orgsim.OnEvent, "service.unavailable")},
		"unavailable on first":   {{Kind: orgsim.FaultEnd}, status(orgsim.OnFirst, "service.unavailable")},
		"unavailable on open":    {{Kind: orgsim.FaultEnd}, status(orgsim.OnOpen, "service.unavailable")},
		"internal error":         {status(orgsim.OnEvent, "subscription.internal.error")},
		"auth error":             {status(orgsim.OnEvent, "service.auth.error")},
		"auth error on open":     {{Kind: orgsim.FaultEnd}, status(orgsim.OnOpen, "service.auth.error")},
		"refresh invalid":        {status(orgsim.OnEvent, "service.auth.refresh.invalid")},
		"replay repeated":        {status(orgsim.OnEvent, "subscription.fetch.replay.repeated")},
		"overflow":               {status(orgsim.OnEvent, "subscription.fetch.overflow")},
		"protection":             {status(orgsim.OnEvent, "service.protection.triggered")},
		"deliveries used up":     {status(orgsim.OnEvent, "subscription.limit.exceeded")},
		"schema API away":        {{Kind: orgsim.FaultStatus, On: orgsim.OnOpen, Method: "GetSchema", ErrorCode: "schema.api.unavailable", Count: 5}},
		"schema API cut":         {{Kind: orgsim.FaultDisconnect, On: orgsim.OnOpen, Method: "GetSchema", Count: 3}},
	}
	for name, list := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 1401, VaryBatches: true}, func(s *system) {
				r := s.start(s.config(accountChannel, contactChannel))
				r.readyWithin(10 * time.Second)
				for _, f := range list {
					if f.Method != "GetSchema" {
						f.Channel = accountChannel
					}
					s.inject(f)
				}
				for range 20 {
					s.insert("Account", nil)
					s.insert("Contact", nil)
					time.Sleep(700 * time.Millisecond)
				}
				s.until(6*time.Hour, "the faults have struck", func() bool { return len(s.sb.Org.Faults()) == 0 })
				s.insert("Account", nil)
				v := s.completeWithin(2 * time.Hour)
				if v.RecordsCommitted != 41 || v.SetAside != 0 {
					t.Errorf("%d records, %d set aside; want 41 and 0", v.RecordsCommitted, v.SetAside)
				}
				r.readyWithin(10 * time.Minute)
				r.stop()
			})
		})
	}
}

// TestFaults_OrgMoved_IsALostPosition moves the org to another instance, where
// the old replay ids mean nothing.
func TestFaults_OrgMoved_IsALostPosition(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 1402}, func(s *system) {
		cfg := s.config(accountChannel, contactChannel)
		policy(&cfg, contactChannel, "earliest")
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		s.insert("Account", nil)
		s.insert("Contact", nil)
		s.completeWithin(time.Minute)
		s.sb.Org.MoveOrg()
		s.insert("Account", nil)
		s.insert("Contact", nil)
		s.until(time.Hour, "the position is lost", func() bool {
			return r.metric(channelMetric(expiredTotal, accountChannel)) == 1 && r.metric(channelMetric(recordsTotal, contactChannel)) == 2
		})
		hasAll(t, r.problem(part(accountChannel)), "stopped", "on_replay_expired")
		if n := len(s.topic("sf.cdc.Account")); n != 1 {
			t.Errorf("%d records of Account, want 1", n)
		}
		r.stop()
	})
}

// TestSwitches_OfTheOrg_EachIsUnderstood runs with each behaviour that the
// real service may have, since nobody outside knows which.
func TestSwitches_OfTheOrg_EachIsUnderstood(t *testing.T) {
	for name, set := range map[string]func(*orgsim.Config){
		"replay ids of 8 bytes":   func(c *orgsim.Config) { c.Switches.ReplayIDBytes = 8 },
		"replay ids of 16 bytes":  func(c *orgsim.Config) { c.Switches.ReplayIDBytes = 16 },
		"cancelled when idle":     func(c *orgsim.Config) { c.Switches.IdleCloseAs = orgsim.CloseCancelled },
		"closed when idle":        func(c *orgsim.Config) { c.Switches.IdleCloseAs = orgsim.CloseClean },
		"empty compounds":         func(c *orgsim.Config) { c.Switches.EmptyCompounds = true },
		"null mask first":         func(c *orgsim.Config) { c.Switches.NullMaskFirst = true },
		"binary trailers":         func(c *orgsim.Config) { c.Switches.BinaryTrailer = true },
		"no error codes":          func(c *orgsim.Config) { c.Switches.OmitErrorCode = true },
		"overflow is an error":    func(c *orgsim.Config) { c.Switches.OverflowError = true },
		"latest beyond events":    func(c *orgsim.Config) { c.Switches.LatestBeyondEvents = true },
		"one event in a response": func(c *orgsim.Config) { c.MaxBatch = 1 },
		"latest settles slowly":   func(c *orgsim.Config) { c.LatestSettle = 3 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			org := orgsim.Config{Seed: 1403, VaryBatches: true}
			set(&org)
			bubble(t, org, func(s *system) {
				for i := range 2 {
					r := s.start(s.config())
					r.readyWithin(10 * time.Second)
					stop := s.work(20, uint64(i))
					time.Sleep(10 * time.Second)
					s.net.Cut(s.sb.PubSubAddr)
					time.Sleep(10 * time.Second)
					s.sb.Org.RevokeAll(true)
					time.Sleep(10 * time.Second)
					stop()
					s.completeWithin(5 * time.Minute)
					r.stop()
				}
			})
		})
	}
}
