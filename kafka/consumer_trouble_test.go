package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// The brokers vanish right after one of the transaction's requests has reached them, for longer than a commit waits. What
// was decided is found out afterwards.
func TestConsumer_CommitInDoubt_OutcomesOnce(t *testing.T) {
	for _, api := range []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.AddPartitionsToTxn} {
		t.Run(api.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { commitInDoubt(t, api) })
		})
	}
}

func commitInDoubt(t *testing.T, api kmsg.Key) {
	cluster, quiet := world(t, 1)
	produce(t, cluster, "in", 0, 0, 10)
	var armed atomic.Bool
	flaky := &kafkatest.Flaky{CloseAfter: map[int16]int{int16(api): 1}, CloseAfterProduce: 1, Deaf: true}
	flaky.OnClose = func(int16) {
		for _, addr := range cluster.Brokers {
			cluster.Net.Refuse(addr)
		}
	}
	broken := flaky.Dial(cluster.Dial)
	c := newClient(t, cluster, func(cfg *kafka.Config) {
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if armed.Load() {
				return broken(ctx, network, addr)
			}
			return cluster.Dial(ctx, network, addr)
		}
	})
	if api != kmsg.Produce {
		flaky.CloseAfterProduce = 0
	}
	s := nextShare(t, newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) {
		cfg.TransactionTimeout, cfg.SessionTimeout = 2*time.Second, 5*time.Minute
	})))
	ds := poll(t, s, 10)
	time.Sleep(time.Second) // where the partition begins is committed by itself
	armed.Store(true)
	for _, addr := range cluster.Brokers {
		cluster.Net.Cut(addr) // so that the connections to come are those that break
	}
	time.Sleep(10 * time.Second)
	settle(ds...)
	time.Sleep(10 * time.Second)
	armed.Store(false)
	if flaky.Closed() == 0 {
		t.Fatal("nothing was broken")
	}
	if s.Trouble() == nil || !s.Held() {
		t.Errorf("trouble %v, held %v, while the brokers are away and the session lasts", s.Trouble(), s.Held())
	}
	for _, addr := range cluster.Brokers {
		cluster.Net.Heal(addr)
	}
	time.Sleep(time.Minute)
	if s.Trouble() != nil {
		t.Errorf("trouble is left: %v", s.Trouble())
	}
	if got := values(cluster.ReadCommitted(t, "out")); len(got) != 10 || len(distinct(got)) != 10 {
		t.Errorf("outcomes %v", got)
	}
	if o := groupOffset(t, quiet, "in", 0); o != 10 {
		t.Errorf("offset %d", o)
	}
	closeShare(t, s)
}

// C41: a member is stopped for longer than its session, in the middle of 100 updates, and comes back. It knows at once that
// it has lost its partitions, and what it settles then is not committed.
func TestC41_MemberStopped_KnowsAtOnceAndCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 100)
		var stopped atomic.Bool
		frozen := *cluster
		frozen.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if stopped.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			c, err := cluster.Dial(ctx, network, addr)
			return &switchedConn{c, &stopped}, err
		}
		small := func(cfg *kafka.ConsumerConfig) { cfg.Window = 1500 }
		s := nextShare(t, newConsumer(t, newClient(t, &frozen), consumerConfig(small)))
		next := newConsumer(t, c, consumerConfig(small))
		var open []*kafka.Delivery
		for done := 0; done < 50; done += len(open) {
			open = poll(t, s, 1)
			settle(open...)
			time.Sleep(50 * time.Millisecond)
		}
		open = poll(t, s, 1)
		if !s.Held() {
			t.Error("not held while all is well")
		}
		stopped.Store(true)
		time.Sleep(12 * time.Second)
		if s.Held() {
			t.Error("still held although the session is over")
		}
		took := nextShare(t, next)
		stopped.Store(false)
		settle(open...)
		for done := open[0].Offset; done < 100; {
			ds := poll(t, took, 1)
			if ds[0].Offset != done {
				t.Fatalf("the successor got offset %d, want %d", ds[0].Offset, done)
			}
			settle(ds...)
			done += int64(len(ds))
		}
		<-s.Done()
		if !errors.Is(s.Err(), kafka.ErrLost) {
			t.Errorf("ended by %v", s.Err())
		}
		if err := s.Close(t.Context()); err == nil {
			t.Error("Close says nothing of settled records that were not committed")
		}
		closeShare(t, took)
		if got := values(cluster.ReadCommitted(t, "out")); len(got) != 100 || len(distinct(got)) != 100 {
			t.Errorf("%d outcomes, %d different", len(got), len(distinct(got)))
		}
	})
}

// A second member comes in the middle: what the first has settled it still commits, the rest goes to whoever is next.
func TestConsumer_RebalanceInTheMiddle_NoneTwiceNoneMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 4)
		for p := range int32(4) {
			produce(t, cluster, "in", p, 0, 50)
		}
		a := newConsumer(t, c, consumerConfig())
		s := nextShare(t, a)
		ds := poll(t, s, 200)
		b := newConsumer(t, newClient(t, cluster), consumerConfig())
		shares := make(chan *kafka.Share, 1)
		go func() {
			s, err := b.Next(context.Background())
			if err != nil {
				t.Error(err)
			}
			shares <- s
		}()
		<-s.Done()
		if s.Err() != nil || !s.Held() {
			t.Errorf("ended by %v, held %v: the group still waits for this member", s.Err(), s.Held())
		}
		if _, err := s.Poll(t.Context()); !errors.Is(err, kafka.ErrShareOver) {
			t.Errorf("poll of a share that is over: %v", err)
		}
		for _, d := range ds {
			if d.Offset < 30 || d.Partition == 2 {
				settle(d)
			}
		}
		closeShare(t, s)
		s = nextShare(t, a)
		other := <-shares
		rest := poll(t, s, 20)
		rest = append(rest, poll(t, other, 20)...)
		left := 60 - len(rest)
		for left > 0 {
			for _, sh := range []*kafka.Share{s, other} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				more, _ := sh.Poll(ctx)
				cancel()
				rest = append(rest, more...)
				left -= len(more)
			}
		}
		settle(rest...)
		closeShare(t, s)
		closeShare(t, other)
		if got := values(cluster.ReadCommitted(t, "out")); len(got) != 200 || len(distinct(got)) != 200 {
			t.Errorf("%d outcomes, %d different", len(got), len(distinct(got)))
		}
	})
}

func TestConsumer_NewPartitions_ArePickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		k := newConsumer(t, c, consumerConfig())
		s := nextShare(t, k)
		if err := newClient(t, cluster).GrowTopic(t.Context(), "in", 3); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Done():
		case <-time.After(6 * time.Minute):
			t.Fatal("new partitions are not noticed")
		}
		if s.Err() != nil {
			t.Errorf("ended by %v", s.Err())
		}
		closeShare(t, s)
		s = nextShare(t, k)
		if !slices.Equal(s.Partitions, []int32{0, 1, 2}) {
			t.Errorf("partitions %v", s.Partitions)
		}
		produce(t, cluster, "in", 2, 0, 1)
		settle(poll(t, s, 1)...)
		closeShare(t, s)
	})
}

func TestConsumer_StartLatest_BeginsAtTheEndAndRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 5)
		k := newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.Start = kafka.LatestOffset }))
		s := nextShare(t, k)
		time.Sleep(time.Second)
		closeShare(t, s)
		produce(t, cluster, "in", 0, 5, 1) // while nobody is there
		s = nextShare(t, k)
		if ds := poll(t, s, 1); ds[0].Offset != 5 {
			t.Errorf("began at offset %d, want 5", ds[0].Offset)
		}
		closeShare(t, s)
	})
}

// Leaving takes what is settled along, and does not wait for what is not.
func TestShare_Close_CommitsTheSettledFrontOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 10)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 10)
		settle(ds[:4]...)
		settle(ds[6:]...)
		start := time.Now()
		closeShare(t, s)
		if took := time.Since(start); took > time.Second {
			t.Errorf("closed after %s", took)
		}
		if n := len(cluster.ReadCommitted(t, "out")); n != 4 || groupOffset(t, c, "in", 0) != 4 {
			t.Errorf("%d outcomes, offset %d", n, groupOffset(t, c, "in", 0))
		}
		if s.Held() {
			t.Error("held after Close")
		}
		settle(ds[4]) // too late, and harmless
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestShare_Close_BrokersAway_EndsWithItsContextAndSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 10)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 10)
		for _, addr := range cluster.Brokers {
			cluster.Net.Blackhole(addr)
		}
		settle(ds...)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := s.Close(ctx)
		if took := time.Since(start); err == nil || took > 6*time.Second {
			t.Errorf("closed after %s: %v", took, err)
		}
		for _, addr := range cluster.Brokers {
			cluster.Net.Heal(addr)
		}
	})
}

// A newer owner of a transactional id, of whatever group, ends the share.
func TestShare_Fenced_IsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 1)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 1)
		time.Sleep(time.Second)
		newProducer(t, c, kafka.ProducerConfig{TransactionalID: "g-0"})
		settle(ds...)
		<-s.Done()
		if !errors.Is(s.Err(), kafka.ErrFenced) || s.Held() {
			t.Errorf("ended by %v, held %v", s.Err(), s.Held())
		}
		if err := s.Close(t.Context()); !errors.Is(err, kafka.ErrFenced) {
			t.Errorf("close: %v", err)
		}
	})
}

// Outcomes whose topic is missing wait for it, in sight.
func TestConsumer_OutcomeTopicMissing_WaitsAndShowsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "in", 1, nil)
		produce(t, cluster, "in", 0, 0, 2)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		settle(poll(t, s, 2)...)
		time.Sleep(time.Minute)
		if !kafka.IsUnknownTopic(s.Trouble()) || !s.Held() {
			t.Errorf("trouble %v, held %v", s.Trouble(), s.Held())
		}
		ensureTopic(t, c, "out", 1, nil)
		time.Sleep(time.Minute)
		if s.Trouble() != nil {
			t.Errorf("trouble is left: %v", s.Trouble())
		}
		closeShare(t, s)
		if n := len(cluster.ReadCommitted(t, "out")); n != 2 {
			t.Errorf("%d outcomes", n)
		}
	})
}

// A transaction of somebody else that stays open holds back what is behind it; the rest of the day goes on.
func TestConsumer_OpenTransactionInTheTopic_IsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 2)
		open := cluster.Kgo(t, kgo.TransactionalID("slow"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionTimeout(10*time.Minute))
		if err := open.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := open.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Value: []byte("slow")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		produce(t, cluster, "in", 0, 0, 1)
		produce(t, cluster, "in", 1, 0, 3)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 3)
		for _, d := range ds {
			if d.Partition != 1 {
				t.Fatalf("delivered %q behind an open transaction", d.Value)
			}
		}
		if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		more := poll(t, s, 2)
		if string(more[0].Value) != "slow" {
			t.Errorf("then %q", more[0].Value)
		}
		settle(append(ds, more...)...)
		closeShare(t, s)
		open.Close()
	})
}

func TestNewConsumer_Configuration_IsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := world(t, 1)
		for name, change := range map[string]func(*kafka.ConsumerConfig){
			"no group":      func(cfg *kafka.ConsumerConfig) { cfg.Group = "" },
			"start":         func(cfg *kafka.ConsumerConfig) { cfg.Start = 17 },
			"on lost":       func(cfg *kafka.ConsumerConfig) { cfg.OnLost = "hope" },
			"with itself":   func(cfg *kafka.ConsumerConfig) { cfg.With = []string{"in"} },
			"unknown topic": func(cfg *kafka.ConsumerConfig) { cfg.Topic = "none" },
		} {
			if _, err := c.NewConsumer(t.Context(), consumerConfig(change)); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	})
}

// Coordinators that refuse for a while are asked again, and the share comes.
func TestConsumer_Next_WaitsForCoordinators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 2)
		for _, key := range []kmsg.Key{kmsg.OffsetFetch, kmsg.InitProducerID, kmsg.ListOffsets} {
			defer cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.CoordinatorLoadInProgress, Count: 3}).Remove()
		}
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		if len(s.Partitions) != 2 {
			t.Errorf("partitions %v", s.Partitions)
		}
		closeShare(t, s)
	})
}

// A leader that has just changed may answer that an offset is out of range although it is not: nothing is lost.
func TestConsumer_OffsetOutOfRangeByMistake_IsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 5)
		fault := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.OffsetOutOfRange, Count: 2})
		defer fault.Remove()
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		settle(poll(t, s, 5)...)
		if s.Trouble() != nil {
			t.Errorf("trouble %v", s.Trouble())
		}
		closeShare(t, s)
	})
}

func ExampleClient_NewConsumer() {
	consume := func(ctx context.Context, client *kafka.Client) error {
		consumer, err := client.NewConsumer(ctx, kafka.ConsumerConfig{
			Group: "sfbridge-crm", Topic: "erp.customers",
			TransactionalID: func(p int32) string { return fmt.Sprintf("sfbridge-crm-erp.customers-%d", p) },
		})
		if err != nil {
			return err
		}
		defer consumer.Close()
		for {
			share, err := consumer.Next(ctx)
			if err != nil {
				return err
			}
			for {
				deliveries, err := share.Poll(ctx)
				if err != nil {
					break // the share is over, or ctx is
				}
				for _, d := range deliveries {
					d.Settle(kafka.Record{Topic: "results", Partition: kafka.AnyPartition, Key: d.Key, Value: []byte("done")})
				}
			}
			if err := share.Close(ctx); err != nil {
				return err
			}
		}
	}
	_ = consume
}
