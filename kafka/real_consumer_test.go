//go:build integration

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// realConsumer is a configuration for topics of this test alone.
func realConsumer(in, out string, change ...func(*kafka.ConsumerConfig)) kafka.ConsumerConfig {
	return consumerConfig(append([]func(*kafka.ConsumerConfig){func(cfg *kafka.ConsumerConfig) {
		cfg.Topic, cfg.Group = in, in
		cfg.TransactionalID = func(p int32) string { return fmt.Sprintf("%s-%d", in, p) }
	}}, change...)...)
}

func realOutcome(out string, d *kafka.Delivery) kafka.Record {
	return kafka.Record{Topic: out, Partition: d.Partition, Key: d.Key, Value: fmt.Appendf(nil, "%s/%d/%d", d.Topic, d.Partition, d.Offset)}
}

func TestReal_Consumer_OutcomesOffsetsAndNotes_SeenByOthers(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, with, out := cluster.Topic(t, 2, nil), cluster.Topic(t, 1, nil), cluster.Topic(t, 2, nil)
	for p := range int32(2) {
		produce(t, cluster, in, p, 0, 20)
		cluster.AbortedTransaction(t, in+".other", &kgo.Record{Topic: in, Partition: p, Value: []byte("never")})
		produce(t, cluster, in, p, 20, 20)
		cluster.AbortedTransaction(t, in+".other", &kgo.Record{Topic: in, Partition: p, Value: []byte("never")})
	}
	produce(t, cluster, with, 0, 0, 5)
	k := newConsumer(t, newClient(t, cluster), realConsumer(in, out, func(cfg *kafka.ConsumerConfig) { cfg.With = []string{with} }))
	s := nextShare(t, k)
	ds := poll(t, s, 85)
	tp := kafka.TopicPartition{Topic: in, Partition: 1}
	if err := s.Note(t.Context(), tp, "nothing yet"); err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		if string(d.Value) == "never" {
			t.Fatal("a record of an aborted transaction was delivered")
		}
		d.Settle(realOutcome(out, d))
	}
	admin := kadm.NewClient(cluster.Kgo(t))
	deadline := time.Now().Add(20 * time.Second)
	for {
		lags, err := admin.Lag(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		total := lags[in].Lag.Total()
		if total == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("lag is %d: %+v", total, lags[in].Lag)
		}
		time.Sleep(100 * time.Millisecond)
	}
	described, err := admin.DescribeGroups(t.Context(), in)
	group := described[in]
	if assigned := group.AssignedPartitions(); err != nil || group.State != "Stable" || len(assigned[in]) != 2 || len(assigned[with]) != 1 {
		t.Errorf("group %+v, %v", described, err)
	}
	closeShare(t, s)
	if got := values(cluster.ReadCommitted(t, out)); len(got) != 85 || len(distinct(got)) != 85 {
		t.Errorf("%d outcomes, %d different", len(got), len(distinct(got)))
	}
	if s = nextShare(t, k); s.Notes()[tp] != "nothing yet" {
		t.Errorf("notes %v", s.Notes())
	}
	closeShare(t, s)
}

// C41, the part of Kafka: what a member commits that is no longer one is refused, records and offsets.
func TestC41_Real_StaleMember_CommitsNothing(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, out := cluster.Topic(t, 1, nil), cluster.Topic(t, 1, nil)
	produce(t, cluster, in, 0, 0, 10)
	c := newClient(t, cluster)
	g, err := c.JoinGroup(t.Context(), kafka.GroupConfig{Group: in, Topic: in})
	if err != nil {
		t.Fatal(err)
	}
	gen, err := g.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{in + ".a", ""} {
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: id})
		for _, stale := range []kafka.GroupCommit{
			{Generation: gen.ID - 1, Member: gen.MemberID}, {Generation: gen.ID, Member: "sfbridge-of-yesterday"},
		} {
			stale.Group, stale.Offsets = in, []kafka.GroupOffset{{TopicPartition: kafka.TopicPartition{Topic: in}, Offset: 7}}
			err := p.CommitOffsets(t.Context(), []kafka.Record{{Topic: out, Value: []byte("stale")}}, stale)
			if !errors.Is(err, kafka.ErrLost) {
				t.Errorf("stale commit: %v", err)
			}
			p.Close()
			p = newProducer(t, c, kafka.ProducerConfig{TransactionalID: id})
		}
	}
	if n := len(readAll(t, c, out, 0)); n != 2 { // those of the producer without transactions
		t.Errorf("%d records are visible, want the two that were not in a transaction", n)
	}
	if o, err := c.GroupOffsets(t.Context(), in, in); err != nil || o[0] != -1 {
		t.Errorf("offsets %v, %v", o, err)
	}
}

// Members come and go while the topic is worked off: each record has one outcome.
func TestReal_Consumer_Rebalances_EachOutcomeOnce(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, out := cluster.Topic(t, 4, nil), cluster.Topic(t, 4, nil)
	const each = 1000
	for p := range int32(4) {
		produce(t, cluster, in, p, 0, each)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	work := func(ctx context.Context, crash bool) {
		c := newClient(t, cluster)
		k, err := c.NewConsumer(ctx, realConsumer(in, out, func(cfg *kafka.ConsumerConfig) {
			cfg.Window, cfg.SessionTimeout = 100_000, 6*time.Second
		}))
		if err != nil {
			return
		}
		for ctx.Err() == nil {
			s, err := k.Next(ctx)
			if err != nil {
				return
			}
			for {
				ds, err := s.Poll(ctx)
				if err != nil {
					break
				}
				rand.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
				for _, d := range ds {
					d.Settle(realOutcome(out, d))
				}
				time.Sleep(20 * time.Millisecond)
			}
			if !crash || ctx.Err() == nil {
				end, stop := context.WithTimeout(context.Background(), 10*time.Second)
				s.Close(end)
				stop()
			}
		}
		c.Close()
	}
	wg.Go(func() { work(ctx, false) })
	for i := range 4 {
		mctx, stop := context.WithTimeout(ctx, time.Duration(2+i)*time.Second)
		defer stop()
		wg.Go(func() { work(mctx, i%2 == 0) })
		time.Sleep(time.Second)
	}
	admin := newClient(t, cluster)
	for {
		left := int64(0)
		o, err := admin.GroupOffsets(ctx, in, in)
		if err != nil {
			t.Fatal(err)
		}
		for p := range int32(4) {
			left += each - max(0, o[p])
		}
		if left == 0 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	for p := range int32(4) {
		var want []string
		for i := range each {
			want = append(want, fmt.Sprintf("%s/%d/%d", in, p, i))
		}
		if got := recordValues(readAll(t, admin, out, p)); !slices.Equal(got, want) {
			t.Errorf("partition %d: %d outcomes, want %d in order", p, len(got), each)
		}
	}
}

// The broker stands still, is killed, and comes back, while outcomes are committed.
func TestReal_Consumer_BrokerPausedAndKilled_EachOutcomeOnce(t *testing.T) {
	cluster, do := rigBroker(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "in", 1, nil)
	ensureTopic(t, c, "out", 1, nil)
	const n = 3000
	produce(t, cluster, "in", 0, 0, n)
	go func() {
		for _, action := range []string{"pause", "cont", "kill", "start", "pause", "cont"} {
			time.Sleep(3 * time.Second)
			if action == "cont" {
				time.Sleep(5 * time.Second)
			}
			do(action)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	k := newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) {
		cfg.Window, cfg.TransactionTimeout, cfg.SessionTimeout = 20_000, 4*time.Second, 6*time.Second
	}))
	for done := false; !done; {
		s, err := k.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for {
			ds, err := s.Poll(ctx)
			if err != nil {
				t.Log(err)
				break
			}
			for _, d := range ds {
				d.Settle(kafka.Record{Topic: "out", Value: d.Value})
				if d.Offset == n-1 {
					done = true
				}
			}
			if done {
				break
			}
			time.Sleep(300 * time.Millisecond)
		}
		end, stop := context.WithTimeout(ctx, 30*time.Second)
		if err := s.Close(end); err != nil {
			t.Log(err)
			done = false
		}
		stop()
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("v%d", i))
	}
	if got := values(cluster.ReadCommitted(t, "out")); !slices.Equal(got, want) {
		t.Errorf("%d outcomes, want %d in order", len(got), n)
	}
}

func TestReal_Consumer_RetentionAteTheOffset_Stops(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, out := cluster.Topic(t, 1, nil), cluster.Topic(t, 1, nil)
	produce(t, cluster, in, 0, 0, 10)
	k := newConsumer(t, newClient(t, cluster), realConsumer(in, out))
	s := nextShare(t, k)
	ds := poll(t, s, 10)
	ds[0].Settle()
	closeShare(t, s)
	deleteRecords(t, cluster, in, 6)
	s = nextShare(t, k)
	_, err := s.Poll(t.Context())
	if gone, ok := errors.AsType[*kafka.OffsetError](err); !ok || gone.Offset != 1 || gone.Start != 6 {
		t.Errorf("poll: %v", err)
	}
	t.Log(err)
	closeShare(t, s)
}

func TestReal_GrowTopic(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 2, nil)
	c := newClient(t, cluster)
	for _, n := range []int32{5, 5, 3} {
		if err := c.GrowTopic(t.Context(), topic, n); err != nil {
			t.Fatal(err)
		}
		if have, err := c.Partitions(t.Context(), topic); have != 5 || err != nil {
			t.Errorf("%d partitions, %v", have, err)
		}
	}
	if err := c.GrowTopic(t.Context(), topic+".none", 3); !kafka.IsUnknownTopic(err) {
		t.Errorf("unknown topic: %v", err)
	}
}

// The tools of Apache Kafka itself show the group as they show any.
func TestReal_Consumer_SeenByKcat(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, out := cluster.Topic(t, 1, nil), cluster.Topic(t, 1, nil)
	produce(t, cluster, in, 0, 0, 3)
	s := nextShare(t, newConsumer(t, newClient(t, cluster), realConsumer(in, out)))
	for _, d := range poll(t, s, 3) {
		d.Settle(realOutcome(out, d))
	}
	closeShare(t, s)
	got, err := exec.Command("kcat", "-b", cluster.Brokers[0], "-t", out, "-C", "-e", "-q", "-X", "isolation.level=read_committed", "-f", "%s\n").Output()
	if err != nil || len(strings.Fields(string(got))) != 3 {
		t.Errorf("kcat reads %q, %v", got, err)
	}
}
