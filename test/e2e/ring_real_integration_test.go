//go:build integration

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
	"sfbridge/test/rig"
)

// TestReal_Ring_EveryEchoIsMarked writes to an org from Apache Kafka, one by one
// and many at once, and reads every change of it marked.
func TestReal_Ring_EveryEchoIsMarked(t *testing.T) {
	const one, many = 50, 2000
	s := newReal(t, rig.Kafka(t), rig.Registry(t), orgsim.Config{})
	w := customers()
	w.Topic, w.BulkAbove = s.prefix+".customers", 1000
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.DefaultProduceTopic(w.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 1, nil, w.Topic); err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	cfg.Writebacks = []bridge.Writeback{w}
	r := s.start(cfg)
	r.readyWithin(time.Minute)
	for i := range one {
		s.put(client, fmt.Sprint("E-", i), fmt.Sprintf(`,"phone":"%d"`, i))
		time.Sleep(20 * time.Millisecond)
	}
	for i := range many {
		s.put(client, fmt.Sprint("E-", i), fmt.Sprintf(`,"phone":"+%d"`, i%7))
	}
	marked, changes := 0, 0
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && changes < one+many; time.Sleep(time.Second) {
		marked, changes = 0, 0
		for _, rec := range s.readBack() {
			if rec.Topic == s.prefix+".cdc.Account" {
				changes++
				if header(rec, "sf_echo") == "true" {
					marked++
				}
			}
		}
	}
	if changes != one+many || marked != changes {
		t.Errorf("%d changes, %d of them marked, want %d", changes, marked, one+many)
	}
	sum, n := r.metric("sfbridge_echo_announce_seconds_sum"), r.metric("sfbridge_echo_announce_seconds_count")
	if n == 0 || sum/n > 1 {
		t.Errorf("%v announcements took %v s on average", n, sum/n)
	}
	t.Logf("%v announcements, %.1f ms each", n, 1000*sum/n)
	r.stop()
}
