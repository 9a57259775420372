package kafka_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// benchCluster is the embedded cluster over memory, or the real one that SFBRIDGE_TEST_KAFKA names.
func benchCluster(b *testing.B) *kafkatest.Cluster {
	if addr := os.Getenv("SFBRIDGE_TEST_KAFKA"); addr != "" {
		return &kafkatest.Cluster{Brokers: []string{addr}}
	}
	return kafkatest.Fake(b, kfake.NumBrokers(1))
}

// benchValues are payloads that pack about as well as change events do: names repeat, values do not.
func benchValues(n, size int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 1))
	vs := make([][]byte, n)
	for i := range vs {
		v := make([]byte, 0, size)
		for len(v) < size {
			v = fmt.Appendf(v, "Account.BillingAddress.City=%08x;", rng.Uint32())
		}
		vs[i] = v[:size]
	}
	return vs
}

// BenchmarkCommit measures transactions of n records of 500 bytes over four partitions, ours beside franz-go's, in one run.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{100, 1000, 4000} {
		values := benchValues(n, 500)
		b.Run(fmt.Sprintf("records=%d/client=ours", n), func(b *testing.B) { benchOurs(b, values) })
		b.Run(fmt.Sprintf("records=%d/client=franz-go", n), func(b *testing.B) { benchFranz(b, values) })
	}
}

func benchTopic(b *testing.B, c *kafka.Client) string {
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	ensureTopic(b, c, name, 4, nil)
	return name
}

func benchOurs(b *testing.B, values [][]byte) {
	cluster := benchCluster(b)
	c := newClient(b, cluster)
	topic := benchTopic(b, c)
	p := newProducer(b, c, kafka.ProducerConfig{TransactionalID: topic})
	recs := make([]kafka.Record, len(values))
	for i, v := range values {
		recs[i] = kafka.Record{Topic: topic, Partition: int32(i % 4), Key: v[:18], Value: v}
	}
	commit(b, p, recs...)
	b.SetBytes(int64(len(values) * 500))
	b.ReportAllocs()
	for b.Loop() {
		commit(b, p, recs...)
	}
	b.ReportMetric(float64(len(values)*b.N)/b.Elapsed().Seconds(), "records/s")
}

func benchFranz(b *testing.B, values [][]byte) {
	cluster := benchCluster(b)
	topic := benchTopic(b, newClient(b, cluster))
	kcl := cluster.Kgo(b, kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(100_000))
	one := func() {
		if err := kcl.BeginTransaction(); err != nil {
			b.Fatal(err)
		}
		for i, v := range values {
			kcl.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 4), Key: v[:18], Value: v}, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
		if err := kcl.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := kcl.EndTransaction(b.Context(), kgo.TryCommit); err != nil {
			b.Fatal(err)
		}
	}
	one()
	b.SetBytes(int64(len(values) * 500))
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
	b.ReportMetric(float64(len(values)*b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkEncode measures records to signed batches, without I/O.
func BenchmarkEncode(b *testing.B) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		b.Run(codec, func(b *testing.B) {
			c := newClient(b, kafkatest.Fake(b, kfake.NumBrokers(1)), func(cfg *kafka.Config) { cfg.Compression = codec })
			ensureTopic(b, c, "t", 4, nil)
			p := newProducer(b, c, kafka.ProducerConfig{TransactionalID: "x"})
			var recs []kafka.Record
			for i, v := range benchValues(1000, 500) {
				recs = append(recs, kafka.Record{Topic: "t", Partition: int32(i % 4), Key: v[:18], Value: v})
			}
			b.SetBytes(1000 * 500)
			b.ReportAllocs()
			for b.Loop() {
				if err := kafka.EncodeOnly(b.Context(), p, recs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(1000*b.N), "ns/record")
		})
	}
}

// BenchmarkDecode measures a batch of 1,000 records to records.
func BenchmarkDecode(b *testing.B) {
	for codec, name := range map[int8]string{0: "none", 3: "lz4"} {
		b.Run(name, func(b *testing.B) {
			var recs []kafka.Record
			for _, v := range benchValues(1000, 500) {
				recs = append(recs, kafka.Record{Key: v[:18], Value: v, Headers: []kafka.Header{{Key: "ce_id", Value: v[:16]}, {Key: "ce_type", Value: v[:30]}}})
			}
			data := mustEncode(b, recs, codec)
			b.SetBytes(1000 * 500)
			b.ReportAllocs()
			for b.Loop() {
				if got, _, err := kafka.DecodeBatches(data, 0); err != nil || len(got) != 1000 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
