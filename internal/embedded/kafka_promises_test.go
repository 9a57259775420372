package embedded_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/embedded"
	"sfbridge/internal/pipenet"
)

// bubble runs body with a broker that has topic in with four partitions and
// topic out, and 20 records in the first.
func bubble(t *testing.T, body func(ctx context.Context, t *testing.T, n *pipenet.Network, k *embedded.Kafka)) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		k := bubbleKafka(t, n, embedded.KafkaConfig{})
		for _, topic := range []string{"in", "out"} {
			if err := k.Cluster().CreateTopic(topic, 4, nil); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		p := kgoClient(t, n, k, kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		for range 20 {
			if err := p.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		body(ctx, t, n, k)
	})
}

func TestKafka_ConsumerGroup_MembersShareAndTakeOver(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, n *pipenet.Network, k *embedded.Kafka) {
		member := func() *kgo.Client {
			return kgoClient(t, n, k, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		}
		first, second := member(), member()
		go first.PollFetches(ctx)
		go second.PollFetches(ctx)
		info, err := k.Cluster().WaitGroupStable(ctx, "g", 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range info.Members {
			parts := 0
			for _, list := range m.Assignment {
				parts += len(list)
			}
			if parts != 2 {
				t.Errorf("a member of two has %d of 4 partitions", parts)
			}
		}
		first.Close()
		if _, err := k.Cluster().WaitGroupStable(ctx, "g", 1); err != nil {
			t.Errorf("after one has left: %v", err)
		}
	})
}

func TestKafka_ExactlyOnce_AbortLeavesTheOffsets(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, n *pipenet.Network, k *embedded.Kafka) {
		s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(k.Addr()), kgo.Dialer(n.Dial), kgo.TransactionalID("tx"),
			kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for try, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			carried := 0
			if err := s.Begin(); err != nil {
				t.Fatal(err)
			}
			for carried < 20 {
				fs := s.PollFetches(ctx)
				if err := fs.Err(); err != nil {
					t.Fatal(err)
				}
				for _, r := range fs.Records() {
					s.Produce(ctx, &kgo.Record{Topic: "out", Value: r.Value}, nil)
					carried++
				}
			}
			if carried != 20 {
				t.Errorf("try %d carried %d records, want all 20 again", try, carried)
			}
			if committed, err := s.End(ctx, end); err != nil || committed != (end == kgo.TryCommit) {
				t.Fatalf("try %d: committed %v, %v", try, committed, err)
			}
		}
		adm := kadm.NewClient(kgoClient(t, n, k))
		offsets, err := adm.FetchOffsets(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
		if sum != 20 {
			t.Errorf("the group stands at %d records, want 20", sum)
		}
	})
}

func TestKafka_SecondProducerOfOneTransactionalID_FencesTheFirst(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, n *pipenet.Network, k *embedded.Kafka) {
		write := func(cl *kgo.Client) error {
			if err := cl.BeginTransaction(); err != nil {
				return err
			}
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "out", Value: []byte("x")}).FirstErr(); err != nil {
				return err
			}
			return cl.EndTransaction(ctx, kgo.TryCommit)
		}
		first, second := kgoClient(t, n, k, kgo.TransactionalID("tx")), kgoClient(t, n, k, kgo.TransactionalID("tx"))
		for _, cl := range []*kgo.Client{first, second} {
			if err := write(cl); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(first); !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
			t.Errorf("the fenced producer: %v", err)
		}
	})
}

// A broker that was killed and not closed leaves what it had acknowledged.
func TestKafka_Killed_AcknowledgedRecordsAreThere(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	k, err := embedded.StartKafka(embedded.KafkaConfig{DataDir: dir, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Cluster().CreateTopic("kept", 1, nil); err != nil { // one that was auto-created is lost: see DESIGN.md
		t.Fatal(err)
	}
	p, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.TransactionalID("tx"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 3 {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: "kept", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := p.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after, err := embedded.StartKafka(embedded.KafkaConfig{DataDir: copied})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(after.Addr()), kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for got := 0; got < 3; {
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of 3 records: %v", got, err)
		}
		got += fs.NumRecords()
	}
}

func TestKafka_ListenOnWildcard_AdvertisesLoopback(t *testing.T) {
	k, err := embedded.StartKafka(embedded.KafkaConfig{Listen: "0.0.0.0:0", Brokers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	meta, err := kadm.NewClient(cl).BrokerMetadata(t.Context())
	if err != nil || len(meta.Brokers) != 2 {
		t.Fatalf("%d brokers, %v; want 2", len(meta.Brokers), err)
	}
	for _, b := range meta.Brokers {
		if b.Host != "127.0.0.1" {
			t.Errorf("broker %d is advertised at %s", b.NodeID, b.Host)
		}
	}
}

func TestKafka_Retention_DeletesByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		k := bubbleKafka(t, n, embedded.KafkaConfig{BrokerConfigs: map[string]string{"log.retention.ms": "3600000"}, Partitions: 1})
		p := kgoClient(t, n, k, kgo.DefaultProduceTopic("a"), kgo.AllowAutoTopicCreation())
		if err := p.ProduceSync(t.Context(), kgo.StringRecord("old")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if info := k.Cluster().PartitionInfo("a", 0); info.LogStartOffset != 1 {
			t.Errorf("the log starts at %d after two hours of one hour's retention, want 1", info.LogStartOffset)
		}
	})
}
