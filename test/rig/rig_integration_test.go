//go:build integration

package rig_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/test/rig"
)

func TestBroker_KilledAndStarted_KeepsItsRecords(t *testing.T) {
	broker := rig.StartBroker(t, t.TempDir(), "message.max.bytes=200000")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	produce := func(value string) error {
		return client.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr()
	}
	if err := produce("before"); err != nil {
		t.Fatal(err)
	}
	if err := produce(string(make([]byte, 250000))); err == nil {
		t.Error("a record beyond message.max.bytes was accepted; extra properties are not in force")
	}
	broker.Kill()
	broker.Start()
	if err := produce("between"); err != nil {
		t.Fatal(err)
	}
	broker.Pause()
	broker.Cont()
	broker.Stop()
	broker.Start()
	if err := produce("after"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < 3 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if len(got) != 3 || got[0] != "before" || got[1] != "between" || got[2] != "after" {
		t.Errorf("got %.200q, want before, between, after", got)
	}
}
