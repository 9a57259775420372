//go:build integration

package publish_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/publish"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/schemas"
)

// TestReal_Publish_MembersComeAndGo runs flows against a real Kafka: one is
// killed between publishing and commit, as far as clients that close can do
// that, another takes over, a third joins.
func TestReal_Publish_MembersComeAndGo(t *testing.T) {
	r := &rig{t: t, org: orgsimtest.Start(t, orgsim.Config{}), kafka: kafkatest.Real(t), reg: prometheus.NewRegistry(), aside: map[string]int{}}
	in, out, aside := r.kafka.Topic(t, 3, nil), r.kafka.Topic(t, 1, nil), r.kafka.Topic(t, 1, nil)
	group := kafkatest.Name(t)
	member := func() (publish.Config, func() error) {
		t.Helper()
		ps, err := pubsub.New(pubsub.Config{Endpoint: r.org.PubSubAddr, Plaintext: true, Session: session{r}})
		if err != nil {
			t.Fatal(err)
		}
		api, err := salesforce.New(salesforce.Config{Session: session{r}, APIVersion: "64.0"})
		if err != nil {
			t.Fatal(err)
		}
		cfg := publish.Config{
			Name: "real", Org: "main", Event: "Shipment__e", Format: schemas.JSON,
			Consumer: kafka.ConsumerConfig{
				Group: group, Topic: in, TransactionalID: func(p int32) string { return fmt.Sprint(group, "-", p) },
				SessionTimeout: 6 * time.Second, Window: 128 << 10,
			},
			ResultsTopic: out, DeadLetterTopic: aside,
			Kafka: r.kafkaClient(), Decoder: schemas.NewDecoder(nil), PubSub: ps, Schemas: schemas.NewCache(ps), API: api,
		}
		t.Cleanup(func() { _ = ps.Close() })
		f, err := publish.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return cfg, r.run(f)
	}
	const n = 30_000
	r.produce(in, numbered(n, 3000, "")...)
	cfg, stop := member()
	for r.org.Org.Published() < n/4 {
		time.Sleep(time.Millisecond)
	}
	_ = cfg.Kafka.Close()
	_ = cfg.PubSub.Close()
	_ = stop()
	_, second := member()
	for r.org.Org.Published() < n/2 {
		time.Sleep(time.Millisecond)
	}
	member()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var done map[string]int
	for len(done) < n && ctx.Err() == nil {
		time.Sleep(500 * time.Millisecond)
		done = map[string]int{}
		for _, rec := range r.kafka.ReadCommitted(t, out) {
			res := decode[flow.Result](t, rec.Value)
			done[fmt.Sprint(res.Source.Partition, "/", res.Source.Offset)]++
		}
	}
	for at, times := range done {
		if times != 1 {
			t.Errorf("%d results of %s", times, at)
		}
	}
	if len(done) != n || len(r.kafka.ReadCommitted(t, aside)) != 0 {
		t.Fatalf("%d records have a result, want %d", len(done), n)
	}
	if err := second(); err != nil {
		t.Errorf("end: %v", err)
	}
	ps, err := pubsub.New(pubsub.Config{Endpoint: r.org.PubSubAddr, Plaintext: true, Session: session{r}})
	if err != nil {
		t.Fatal(err)
	}
	defer ps.Close()
	events := r.eventsOf(ps)
	inOrder(t, events, n, true)
	t.Logf("%d events for %d records", len(events), n)
}
