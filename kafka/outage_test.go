package kafka_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// C43: the connection breaks after a request was read, now and then.
func TestCommit_ConnectionBreaksAfterProduce_EachRecordOnce(t *testing.T) {
	flaky := &kafkatest.Flaky{CloseAfterProduce: 20, CloseAfter: map[int16]int{int16(kmsg.EndTxn): 7, int16(kmsg.AddPartitionsToTxn): 11}}
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Dial = flaky.Dial(cluster.Dial) })
	ensureTopic(t, c, "t", 3, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	for i := range 1000 / 8 {
		var recs []kafka.Record
		for j := range 8 {
			recs = append(recs, kafka.Record{Topic: "t", Partition: int32(j % 3), Value: fmt.Appendf(nil, "%d", i*8+j)})
		}
		commit(t, p, recs...)
	}
	if flaky.Closed() < 10 {
		t.Fatalf("only %d connections were broken", flaky.Closed())
	}
	seen := map[string]int{}
	for _, v := range values(cluster.ReadCommitted(t, "t")) {
		seen[v]++
	}
	for v, n := range seen {
		if n != 1 {
			t.Errorf("record %s is there %d times", v, n)
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d different records, want 1000", len(seen))
	}
}

// C44: the broker is away for longer than a commit waits; nothing of the failed commit shows up later.
func TestCommit_BrokerPausedBeyondRetry_NothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t, kfake.NumBrokers(1))
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x", RetryFor: 2 * time.Second})
		addr := cluster.Brokers[0]
		for i := range 200 {
			if i == 50 {
				cluster.Net.Blackhole(addr)
				time.AfterFunc(20*time.Second, func() { cluster.Net.Heal(addr) })
			}
			recs := []kafka.Record{{Topic: "t", Value: fmt.Appendf(nil, "%d", i)}}
			for p.Commit(t.Context(), recs) != nil {
				p.Close()
				p = newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x", RetryFor: 2 * time.Second})
				if done := readAll(t, c, "t", 0); len(done) == i+1 {
					break // it had been committed after all
				}
			}
		}
		time.Sleep(time.Hour)
		got := values(cluster.ReadCommitted(t, "t"))
		for i, v := range got {
			if v != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, v)
			}
		}
		if len(got) != 200 {
			t.Errorf("%d records, want 200", len(got))
		}
	})
}
