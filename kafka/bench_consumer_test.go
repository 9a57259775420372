package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"sfbridge/kafka"
)

// BenchmarkConsumer measures records delivered, settled with one outcome each, and committed, over four partitions of
// 500-byte records. An operation is 10,000 records, which are written before the clock starts.
func BenchmarkConsumer(b *testing.B) {
	for _, mode := range []string{"exactly-once", "at-least-once"} {
		b.Run(mode, func(b *testing.B) { benchConsumer(b, mode == "exactly-once") })
	}
}

const benchConsumed = 10_000

func benchConsumer(b *testing.B, transactions bool) {
	c := newClient(b, benchCluster(b))
	in, out := benchTopic(b, c), benchTopic(b, c)
	inputs := make([]kafka.Record, benchConsumed)
	for i, v := range benchValues(benchConsumed, 500) {
		inputs[i] = kafka.Record{Topic: in, Partition: int32(i % 4), Key: v[:18], Value: v}
	}
	p := newProducer(b, c, kafka.ProducerConfig{})
	cfg := kafka.ConsumerConfig{Group: in, Topic: in}
	if transactions {
		cfg.TransactionalID = func(p int32) string { return fmt.Sprintf("%s-%d", in, p) }
	}
	s := nextShare(b, newConsumer(b, c, cfg))
	result := []byte(`{"outcome":"updated","id":"001000000000001AAA"}`)
	b.SetBytes(benchConsumed * 500)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		commit(b, p, inputs...)
		b.StartTimer()
		for n := 0; n < benchConsumed; {
			ds, err := s.Poll(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range ds {
				d.Settle(kafka.Record{Topic: out, Partition: d.Partition, Key: d.Key, Value: result})
			}
			n += len(ds)
		}
		for lag(s) > 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(benchConsumed*b.N)/b.Elapsed().Seconds(), "records/s")
	closeShare(b, s)
}

// lag is how many delivered records of the share are not committed.
func lag(s *kafka.Share) (n int64) {
	for _, p := range s.Positions() {
		n += p.Next - p.Committed
	}
	return n
}
