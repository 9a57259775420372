package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

const expiredTotal = "sfbridge_capture_replay_expired_total"

var (
	accountChannel     = bridge.ChangeChannel("Account")
	contactChannel     = bridge.ChangeChannel("Contact")
	opportunityChannel = bridge.ChangeChannel("Opportunity")
	orderChannel       = bridge.ChangeChannel("Order__c")
)

// TestC01_ReplayIDExpired_EachPolicy lets a bridge be away for longer than the
// org keeps events: one channel stops, one takes what is left, one goes on
// from now, and one that had no position is not concerned.
func TestC01_ReplayIDExpired_EachPolicy(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 101, Retention: time.Hour}, func(s *system) {
		objects := []string{"Account", "Contact", "Opportunity"}
		round := func() (ids []string) {
			for _, o := range objects {
				ids = append(ids, s.insert(o, nil))
			}
			return ids
		}
		cfg := s.config(accountChannel, contactChannel, opportunityChannel)
		cfg.Retention = time.Hour
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		before := round()
		s.completeWithin(time.Minute)
		r.stop()
		time.Sleep(time.Minute)
		round() // out of reach when the bridge comes back
		time.Sleep(90 * time.Minute)
		kept := round()

		log := new(logbook)
		cfg = s.config(accountChannel, contactChannel, opportunityChannel, orderChannel)
		cfg.Retention, cfg.Logger = time.Hour, log.logger()
		policy(&cfg, accountChannel, "") // nothing said: stop
		policy(&cfg, contactChannel, bridge.Earliest)
		policy(&cfg, opportunityChannel, bridge.Latest)
		r = s.start(cfg)
		time.Sleep(time.Minute)
		after := round()
		order := s.insert("Order__c", nil)
		time.Sleep(time.Hour / 2)

		for topic, want := range map[string][]string{
			"sf.cdc.Account":     {before[0]},
			"sf.cdc.Contact":     {before[1], kept[1], after[1]},
			"sf.cdc.Opportunity": {before[2], after[2]},
			"sf.cdc.Order__c":    {order},
		} {
			got := keys(s.topic(topic))
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("%s has %v, want %v", topic, got, want)
			}
		}
		for _, channel := range []string{accountChannel, contactChannel, opportunityChannel} {
			if got := r.metric(channelMetric(expiredTotal, channel)); got != 1 {
				t.Errorf("%s of %s is %v, want 1", expiredTotal, channel, got)
			}
		}
		if got := r.metric(channelMetric(expiredTotal, orderChannel)); got != 0 {
			t.Errorf("%s of %s is %v, want 0", expiredTotal, orderChannel, got)
		}
		hasAll(t, r.problem(part(accountChannel)), "stopped", "replay id", "on_replay_expired", "earliest", "latest", "restart")
		for _, channel := range []string{contactChannel, opportunityChannel, orderChannel} {
			if p := r.problem(part(channel)); p != "" {
				t.Errorf("%s is not ready: %s", channel, p)
			}
		}
		if code, body := r.page("/readyz"); code != 503 {
			t.Errorf("/readyz says %d: %s", code, body)
		}
		if code, _ := r.page("/healthz"); code != 200 {
			t.Errorf("/healthz says %d", code)
		}
		for _, channel := range []string{contactChannel, opportunityChannel} {
			if n := log.lines("position lost", channel); n != 1 {
				t.Errorf("%d log lines tell that %s lost its position, want 1", n, channel)
			}
		}
		if n := log.lines("channel stopped", accountChannel); n != 1 {
			t.Errorf("%d log lines tell that %s stopped, want 1", n, accountChannel)
		}
		r.stop()

		// A person follows the message.
		cfg = s.config(accountChannel, contactChannel, opportunityChannel, orderChannel)
		cfg.Retention = time.Hour
		policy(&cfg, accountChannel, bridge.Earliest)
		r = s.start(cfg)
		r.readyWithin(time.Minute)
		time.Sleep(time.Minute)
		got, want := keys(s.topic("sf.cdc.Account")), []string{before[0], kept[0], after[0]}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("after the remedy sf.cdc.Account has %v, want %v", got, want)
		}
		r.stop()
	})
}

// TestC01_ReplayIDThatTheOrgNeverGave_Stops puts a position into the
// checkpoint that is not the org's.
func TestC01_ReplayIDThatTheOrgNeverGave_Stops(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 102}, func(s *system) {
		r := s.start(s.config(accountChannel, contactChannel))
		r.readyWithin(10 * time.Second)
		first := s.insert("Account", nil)
		s.completeWithin(time.Minute)
		r.stop()
		s.overwriteReplayID(sandbox.OrgName+accountChannel, "0000000000000001")
		s.insert("Account", nil)

		r = s.start(s.config(accountChannel, contactChannel))
		s.until(time.Minute, "the channel stops", func() bool { return r.problem(part(accountChannel)) != "" })
		contact := s.insert("Contact", nil)
		time.Sleep(10 * time.Minute)
		hasAll(t, r.problem(part(accountChannel)), "stopped", "0000000000000001")
		if got := keys(s.topic("sf.cdc.Account")); !slices.Equal(got, []string{first}) {
			t.Errorf("sf.cdc.Account has %v, want %s alone", got, first)
		}
		if got := keys(s.topic("sf.cdc.Contact")); !slices.Equal(got, []string{contact}) {
			t.Errorf("sf.cdc.Contact has %v, want %s", got, contact)
		}
		if got := r.metric(channelMetric(expiredTotal, accountChannel)); got != 1 {
			t.Errorf("%s is %v, want 1", expiredTotal, got)
		}
		r.stop()
	})
}

// overwriteReplayID changes a stored position, as nobody should.
func (s *system) overwriteReplayID(key, replayID string) {
	s.t.Helper()
	ctx := context.Background()
	const topic = "_sfbridge.e2e.checkpoints"
	records, err := sandbox.ReadBack(ctx, s.sb.KafkaAddr, topic, s.net.Dial)
	if err != nil {
		s.t.Fatal(err)
	}
	var last *kgo.Record
	for _, r := range records {
		if string(r.Key) == key {
			last = r
		}
	}
	var pos map[string]any
	if last == nil || json.Unmarshal(last.Value, &pos) != nil {
		s.t.Fatalf("no checkpoint %s", key)
	}
	pos["replay_id"] = replayID
	value, _ := json.Marshal(pos)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.Dialer(s.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	rec := &kgo.Record{Topic: topic, Partition: last.Partition, Key: last.Key, Value: value}
	if err := client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// TestC01_FourDaysWithoutAStream_AreSeenAllAlong leaves a process running
// whose connection is half-open: readiness and metrics say so from the first
// hour on, and the end of it is a stop and not a silent jump.
func TestC01_FourDaysWithoutAStream_AreSeenAllAlong(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 103}, func(s *system) {
		cfg := s.config(accountChannel)
		cfg.SessionTimeout = 5 * time.Minute
		r := s.start(cfg)
		r.readyWithin(10 * time.Second)
		first := s.insert("Account", nil)
		s.completeWithin(time.Minute)
		s.net.Blackhole(s.sb.PubSubAddr)
		lag, window := channelMetric("sfbridge_capture_lag_seconds", accountChannel), channelMetric("sfbridge_replay_window_remaining_seconds", accountChannel)
		lastLag, lastWindow := 0.0, 72*3600.0
		for day := range 4 {
			s.insert("Account", nil)
			time.Sleep(24 * time.Hour)
			if r.problem(part(accountChannel)) == "" {
				t.Errorf("day %d: readiness is green", day+1)
			}
			l, w := r.metric(lag), r.metric(window)
			if l < lastLag+80000 || w > lastWindow-80000 {
				t.Errorf("day %d: lag %v after %v, window %v after %v", day+1, l, lastLag, w, lastWindow)
			}
			lastLag, lastWindow = l, w
		}
		s.net.Heal(s.sb.PubSubAddr)
		s.until(time.Hour, "the channel stops", func() bool { return r.metric(channelMetric(expiredTotal, accountChannel)) == 1 })
		hasAll(t, r.problem(part(accountChannel)), "stopped", "on_replay_expired")
		if got := keys(s.topic("sf.cdc.Account")); !slices.Equal(got, []string{first}) {
			t.Errorf("sf.cdc.Account has %v, want %s alone", got, first)
		}
		r.stop()
	})
}

// TestC01_SixteenDaysAway_LosesWhatTheOrgForgot_AndSaysSo leaves the bridge
// down for sixteen days of work in the org. What is lost is what the org no
// longer had, no change more, and it is counted once for each channel.
func TestC01_SixteenDaysAway_LosesWhatTheOrgForgot_AndSaysSo(t *testing.T) {
	bubble(t, orgsim.Config{Seed: 104}, func(s *system) {
		r := s.start(s.config(accountChannel, contactChannel))
		r.readyWithin(10 * time.Second)
		for range 10 {
			s.insert("Account", nil)
			s.insert("Contact", nil)
			time.Sleep(time.Hour)
		}
		s.completeWithin(time.Minute)
		there := s.uuids()
		r.stop()
		for range 16 * 4 {
			time.Sleep(6 * time.Hour)
			s.insert("Account", nil)
			s.insert("Contact", nil)
		}
		time.Sleep(time.Minute)
		reach := make(map[string]bool) // what is or was within reach of the bridge
		for uuid := range there {
			reach[uuid] = true
		}
		for _, channel := range []string{accountChannel, contactChannel} {
			for _, ev := range s.sent(channel) {
				reach[ev.UUID] = true
			}
		}
		cfg := s.config(accountChannel, contactChannel)
		policy(&cfg, accountChannel, bridge.Earliest)
		policy(&cfg, contactChannel, bridge.Earliest)
		r = s.start(cfg)
		r.readyWithin(time.Minute)
		time.Sleep(5 * time.Minute)
		got := s.uuids()
		for uuid := range there {
			got[uuid]++ // the broker's own retention may have taken them
		}
		lost := 0
		for _, e := range s.sb.Org.Ledger().Since(0) {
			if !capturedObject(e.Object) {
				continue
			}
			if (got[e.UUID] > 0) != reach[e.UUID] {
				t.Errorf("event of %s: in the topic %v, within reach %v", e.At, got[e.UUID] > 0, reach[e.UUID])
			}
			if got[e.UUID] == 0 {
				lost++
			}
		}
		if want := 2 * (16*4 - 12); lost != want {
			t.Errorf("%d changes lost, want the %d older than three days", lost, want)
		}
		for _, channel := range []string{accountChannel, contactChannel} {
			if n := r.metric(channelMetric(expiredTotal, channel)); n != 1 {
				t.Errorf("%s of %s is %v, want 1", expiredTotal, channel, n)
			}
		}
		r.stop()
	})
}

// uuids counts the records of each event.
func (s *system) uuids() map[string]int {
	s.t.Helper()
	out := make(map[string]int)
	for _, r := range s.records() {
		if id := header(r, "ce_id"); id != "" {
			out[id]++
		}
	}
	return out
}
