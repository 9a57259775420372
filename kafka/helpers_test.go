package kafka_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// newClient returns a client of the cluster that ends with the test.
func newClient(t testing.TB, c *kafkatest.Cluster, change ...func(*kafka.Config)) *kafka.Client {
	t.Helper()
	cfg := kafka.Config{Brokers: c.Brokers, Dial: c.Dial}
	for _, f := range change {
		f(&cfg)
	}
	client, err := kafka.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// newProducer returns a producer that ends with the test.
func newProducer(t testing.TB, c *kafka.Client, cfg kafka.ProducerConfig) *kafka.Producer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := c.NewProducer(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func ensureTopic(t testing.TB, c *kafka.Client, name string, partitions int32, configs map[string]string) {
	t.Helper()
	if _, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: name, Partitions: partitions, Configs: configs}); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, p *kafka.Producer, recs ...kafka.Record) {
	t.Helper()
	if err := p.Commit(t.Context(), recs); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// numbered makes n records v0, v1, ... for one partition.
func numbered(topic string, partition int32, n int) []kafka.Record {
	recs := make([]kafka.Record, n)
	for i := range recs {
		recs[i] = kafka.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", i)}
	}
	return recs
}

// values lists the values of what franz-go has read.
func values(recs []*kgo.Record) []string {
	var vs []string
	for _, r := range recs {
		vs = append(vs, string(r.Value))
	}
	return vs
}

// readAll lists the records that ReadAll gives.
func readAll(t testing.TB, c *kafka.Client, topic string, partition int32) []kafka.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var recs []kafka.Record
	err := c.ReadAll(ctx, topic, partition, func(r kafka.Record) error {
		recs = append(recs, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

func recordValues(recs []kafka.Record) []string {
	var vs []string
	for _, r := range recs {
		vs = append(vs, string(r.Value))
	}
	return vs
}

func kgoRecord(topic string, keyAndValue []byte) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: keyAndValue, Value: keyAndValue}
}

// random returns bytes that do not pack.
func random(n int) []byte {
	rng := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// deleteRecords moves the start of partition 0.
func deleteRecords(t testing.TB, cluster *kafkatest.Cluster, topic string, before int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, At: before})
	if _, err := kadm.NewClient(cluster.Kgo(t)).DeleteRecords(context.Background(), offsets); err != nil {
		t.Fatal(err)
	}
}
