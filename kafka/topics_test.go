package kafka_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

func TestEnsureTopic_MakesItOnceAndChecksItAfterwards(t *testing.T) {
	c := newClient(t, kafkatest.Fake(t))
	spec := kafka.TopicSpec{Name: "t", Partitions: 3, Replication: -1, Configs: map[string]string{"cleanup.policy": "compact"}}
	for i, want := range []bool{true, false} {
		created, err := c.EnsureTopic(t.Context(), spec)
		if err != nil || created != want {
			t.Errorf("call %d: created %v, %v, want %v", i, created, err, want)
		}
	}
	if n, err := c.Partitions(t.Context(), "t"); n != 3 || err != nil {
		t.Errorf("%d partitions, %v, want 3", n, err)
	}
	spec.Partitions = 2
	if _, err := c.EnsureTopic(t.Context(), spec); err != nil {
		t.Errorf("more partitions than wanted: %v", err)
	}
	topics, err := c.Topics(t.Context())
	if err != nil || topics["t"] != 3 || len(topics) != 1 {
		t.Errorf("topics %v, %v", topics, err)
	}
}

func TestEnsureTopic_Differences_TellTheRemedy(t *testing.T) {
	c := newClient(t, kafkatest.Fake(t))
	ensureTopic(t, c, "t", 2, nil)
	for _, tc := range []struct {
		spec             kafka.TopicSpec
		what, have, want string
	}{
		{kafka.TopicSpec{Name: "t", Partitions: 4}, "partitions", "2", "4"},
		{kafka.TopicSpec{Name: "t", Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact"}}, "cleanup.policy", "delete", "compact"},
	} {
		_, err := c.EnsureTopic(t.Context(), tc.spec)
		e, ok := errors.AsType[*kafka.TopicError](err)
		if !ok || e.Topic != "t" || e.What != tc.what || e.Have != tc.have || e.Want != tc.want || e.Remedy == "" {
			t.Errorf("got %v (%+v), want %s %s instead of %s", err, e, tc.what, tc.have, tc.want)
		}
	}
}

func TestEnsureTopic_RefusedByTheBroker_SaysWhy(t *testing.T) {
	c := newClient(t, kafkatest.Fake(t))
	_, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: "t", Partitions: 1, Replication: 9})
	if err == nil || !strings.Contains(err.Error(), "make topic t") || !strings.Contains(err.Error(), "fewer brokers") {
		t.Errorf("got %v", err)
	}
}

func TestEnsureTopic_ManyAtOnce_OneCreates(t *testing.T) {
	c := newClient(t, kafkatest.Fake(t))
	var wg sync.WaitGroup
	var mu sync.Mutex
	created := 0
	for range 10 {
		wg.Go(func() {
			ok, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: "t", Partitions: 3})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				created++
			}
		})
	}
	wg.Wait()
	if created != 1 {
		t.Errorf("%d calls say that they created the topic", created)
	}
}
