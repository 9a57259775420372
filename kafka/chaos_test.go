package kafka_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// A writer goes on through everything that can happen to a cluster and its network, resuming from its own position each
// time it is in doubt. Whatever the seed: each record once, in order, and the position agrees.
func TestCommit_AnyTrouble_ExactlyOnceInOrder(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { trouble(t, seed) })
		})
	}
}

const troubleRecords = 300

func trouble(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	cluster := kafkatest.Fake(t)
	flaky := &kafkatest.Flaky{CloseAfterProduce: 3 + rng.IntN(40), CloseAfter: map[int16]int{
		int16(kmsg.EndTxn): 3 + rng.IntN(40), int16(kmsg.AddPartitionsToTxn): 3 + rng.IntN(40), int16(kmsg.InitProducerID): 2 + rng.IntN(5),
	}}
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Dial = flaky.Dial(cluster.Dial) })
	quiet := newClient(t, cluster)
	ensureTopic(t, quiet, "t", 3, nil)
	ensureTopic(t, quiet, "positions", 1, map[string]string{"cleanup.policy": "compact"})

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		disturb(ctx, rng, cluster, kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.Fetch, kmsg.FindCoordinator, kmsg.InitProducerID)
	}()
	defer func() { stop(); <-done }()

	next, doubts := 0, 0
	var p *kafka.Producer
	for next < troubleRecords {
		if p == nil {
			var err error
			if p, err = c.NewProducer(ctx, kafka.ProducerConfig{TransactionalID: "x", RetryFor: 3 * time.Second}); err != nil {
				t.Logf("new producer: %v", err)
				continue
			}
			next = position(t, quiet)
		}
		n := min(1+int(seed+uint64(next))%9, troubleRecords-next)
		recs := make([]kafka.Record, 0, n+1)
		for i := next; i < next+n; i++ {
			recs = append(recs, kafka.Record{Topic: "t", Partition: int32(i % 3), Value: []byte(strconv.Itoa(i))})
		}
		recs = append(recs, kafka.Record{Topic: "positions", Key: []byte("p"), Value: []byte(strconv.Itoa(next + n))})
		if err := p.Commit(ctx, recs); err != nil {
			doubts++
			p.Close()
			p = nil
			continue
		}
		next += n
		time.Sleep(100 * time.Millisecond)
	}
	if p != nil {
		p.Close()
	}
	stop()
	<-done
	for _, addr := range cluster.Brokers {
		cluster.Net.Heal(addr)
	}
	for part := range int32(3) {
		got := recordValues(readAll(t, quiet, "t", part))
		for i, v := range got {
			if want := i*3 + int(part); v != strconv.Itoa(want) {
				t.Fatalf("partition %d record %d is %s, want %d (%d commits in doubt, %d connections broken)", part, i, v, want, doubts, flaky.Closed())
			}
		}
		if len(got) != troubleRecords/3 {
			t.Errorf("partition %d: %d records, want %d", part, len(got), troubleRecords/3)
		}
	}
	if n := position(t, quiet); n != troubleRecords {
		t.Errorf("position %d, want %d", n, troubleRecords)
	}
}

// position reads where to go on from, however long that takes.
func position(t *testing.T, c *kafka.Client) int {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		table, err := kafka.LoadTable(ctx, c, "positions", 0)
		cancel()
		if err != nil {
			t.Logf("read position: %v", err)
			continue
		}
		n, _ := strconv.Atoi(string(table["p"]))
		return n
	}
}

// disturb does one bad thing after another, and takes back at the end what has not struck yet.
func disturb(ctx context.Context, rng *rand.Rand, cluster *kafkatest.Cluster, keys ...kmsg.Key) {
	codes := []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.NotCoordinator,
		kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions, kerr.KafkaStorageError, kerr.OutOfOrderSequenceNumber, kerr.UnknownServerError,
	}
	for ctx.Err() == nil {
		addr := cluster.Brokers[rng.IntN(len(cluster.Brokers))]
		pause := time.Duration(rng.IntN(400)) * time.Millisecond
		switch rng.IntN(7) {
		case 0:
			cluster.Net.Cut(addr)
		case 1: // shorter or longer than a commit goes on trying
			cluster.Net.Blackhole(addr)
			time.Sleep(time.Duration(rng.IntN(6000)) * time.Millisecond)
			cluster.Net.Heal(addr)
		case 2:
			cluster.Net.Refuse(addr)
			cluster.Net.Cut(addr)
			time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
			cluster.Net.Heal(addr)
		case 3:
			cluster.Net.Latency(addr, time.Duration(rng.IntN(300))*time.Millisecond)
		case 4:
			cluster.Fake.ShufflePartitionLeaders()
		case 5:
			cluster.Fake.RehashCoordinators()
		case 6:
			defer cluster.Fake.Fault(kfake.Fault{Keys: keys[rng.IntN(len(keys)):][:1], Err: codes[rng.IntN(len(codes))], Count: 1 + rng.IntN(3)}).Remove()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
