package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// consumerConfig reads topic "in" exactly once.
func consumerConfig(change ...func(*kafka.ConsumerConfig)) kafka.ConsumerConfig {
	cfg := kafka.ConsumerConfig{Group: "g", Topic: "in", TransactionalID: func(p int32) string { return fmt.Sprintf("g-%d", p) }}
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

func newConsumer(t testing.TB, c *kafka.Client, cfg kafka.ConsumerConfig) *kafka.Consumer {
	t.Helper()
	k, err := c.NewConsumer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func nextShare(t testing.TB, k *kafka.Consumer) *kafka.Share {
	t.Helper()
	s, err := k.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// poll returns the next n deliveries.
func poll(t testing.TB, s *kafka.Share, n int) (ds []*kafka.Delivery) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(ds) < n {
		more, err := s.Poll(ctx)
		if err != nil {
			t.Fatalf("poll: %v after %d records", err, len(ds))
		}
		ds = append(ds, more...)
	}
	return ds
}

// outcome is the record that tells what became of d.
func outcome(d *kafka.Delivery) kafka.Record {
	return kafka.Record{Topic: "out", Partition: kafka.AnyPartition, Key: d.Key, Value: fmt.Appendf(nil, "%s/%d/%d", d.Topic, d.Partition, d.Offset)}
}

func settle(ds ...*kafka.Delivery) {
	for _, d := range ds {
		d.Settle(outcome(d))
	}
}

func closeShare(t testing.TB, s *kafka.Share) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close share: %v", err)
	}
}

// produce writes n records to partition p of topic, without a transaction.
func produce(t testing.TB, cluster *kafkatest.Cluster, topic string, p int32, from, n int) {
	t.Helper()
	var recs []*kgo.Record
	for i := range n {
		recs = append(recs, &kgo.Record{Topic: topic, Partition: p, Key: fmt.Appendf(nil, "k%d", from+i), Value: fmt.Appendf(nil, "v%d", from+i)})
	}
	cluster.Produce(t, recs...)
}

func groupOffset(t testing.TB, c *kafka.Client, topic string, p int32) int64 {
	t.Helper()
	offsets, err := c.GroupOffsets(t.Context(), "g", topic)
	if err != nil {
		t.Fatal(err)
	}
	return offsets[p]
}

// world is a fake cluster with topics "in" and "out".
func world(t testing.TB, partitions int32) (*kafkatest.Cluster, *kafka.Client) {
	t.Helper()
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "in", partitions, nil)
	ensureTopic(t, c, "out", 2, nil)
	return cluster, c
}

func TestConsumer_Settled_OutcomesAndOffsetTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 10)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 10)
		settle(ds[1:]...)
		time.Sleep(time.Second)
		if n := len(cluster.ReadCommitted(t, "out")); n != 0 || groupOffset(t, c, "in", 0) != 0 {
			t.Errorf("%d outcomes although the first record is open, offset %d", n, groupOffset(t, c, "in", 0))
		}
		settle(ds[0])
		time.Sleep(time.Second)
		if n := len(cluster.ReadCommitted(t, "out")); n != 10 || groupOffset(t, c, "in", 0) != 10 {
			t.Errorf("%d outcomes, offset %d", n, groupOffset(t, c, "in", 0))
		}
		if n := s.Delivered(); n != 10 {
			t.Errorf("%d records count as delivered", n)
		}
		if p := s.Positions()[0]; p.Committed != 10 || p.Next != 10 || p.Stable != 10 || p.Lag() != 0 || !p.Oldest.IsZero() {
			t.Errorf("position %+v", p)
		}
		closeShare(t, s)
	})
}

func TestConsumer_AbortedTransactions_NeverDeliveredAndPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		cluster.AbortedTransaction(t, "x", &kgo.Record{Topic: "in", Value: []byte("never")})
		produce(t, cluster, "in", 0, 0, 1)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 1)
		if string(ds[0].Value) != "v0" || len(ds) != 1 {
			t.Fatalf("delivered %q", ds[0].Value)
		}
		cluster.AbortedTransaction(t, "x", &kgo.Record{Topic: "in", Value: []byte("never")})
		settle(ds...)
		time.Sleep(5 * time.Second)
		if p := s.Positions()[0]; p.Lag() != 0 || groupOffset(t, c, "in", 0) != p.Stable || p.Stable < 4 {
			t.Errorf("position %+v, committed %d: the end is hidden records, and a lag is left", p, groupOffset(t, c, "in", 0))
		}
		closeShare(t, s)
	})
}

// A process that dies between Settle and commit: its successor gets the records again, and their outcomes are there once.
func TestConsumer_KilledBeforeCommit_RedeliveredAndOutcomesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 5)
		victim := newClient(t, cluster)
		k := newConsumer(t, victim, consumerConfig())
		ds := poll(t, nextShare(t, k), 5)
		settle(ds[:2]...)
		time.Sleep(time.Second)
		settle(ds[3:]...) // held back by the one before
		victim.Close()    // leaves the group as well, which only makes it quicker
		settle(ds[2])
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		again := poll(t, s, 3)
		if again[0].Offset != 2 {
			t.Fatalf("redelivered from offset %d, want 2", again[0].Offset)
		}
		settle(again...)
		closeShare(t, s)
		if got := values(cluster.ReadCommitted(t, "out")); len(got) != 5 || len(distinct(got)) != 5 {
			t.Errorf("outcomes %v", got)
		}
	})
}

func distinct(vs []string) []string {
	vs = slices.Clone(vs)
	slices.Sort(vs)
	return slices.Compact(vs)
}

func TestConsumer_Notes_Survive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 2)
		produce(t, cluster, "in", 1, 0, 3)
		tp := kafka.TopicPartition{Topic: "in", Partition: 1}
		k := newConsumer(t, c, consumerConfig())
		s := nextShare(t, k)
		if len(s.Notes()) != 0 {
			t.Errorf("notes %v before any was made", s.Notes())
		}
		ds := poll(t, s, 3)
		if err := s.Note(t.Context(), tp, "inserting 0-2"); err != nil {
			t.Fatal(err)
		}
		settle(ds[0])
		closeShare(t, s)
		s = nextShare(t, k)
		if got := s.Notes(); len(got) != 1 || got[tp] != "inserting 0-2" {
			t.Errorf("notes %v", got)
		}
		if err := s.Note(t.Context(), tp, ""); err != nil {
			t.Fatal(err)
		}
		if err := s.Note(t.Context(), tp, string(make([]byte, kafka.MaxNoteBytes+1))); err == nil {
			t.Error("a note that is too long was taken")
		}
		if err := s.Note(t.Context(), kafka.TopicPartition{Topic: "in", Partition: 7}, "x"); err == nil {
			t.Error("a note for a partition of others was taken")
		}
		ds = poll(t, s, 2)
		settle(ds...)
		closeShare(t, s)
		s = nextShare(t, k)
		if len(s.Notes()) != 0 {
			t.Errorf("notes %v after they were removed", s.Notes())
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Note(t.Context(), tp, "x"); !errors.Is(err, kafka.ErrShareOver) {
			t.Errorf("note after close: %v", err)
		}
	})
}

func TestConsumer_AtLeastOnce_OutcomesThenOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 10)
		k := newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.TransactionalID = nil }))
		s := nextShare(t, k)
		settle(poll(t, s, 10)...)
		closeShare(t, s)
		if n := len(cluster.ReadCommitted(t, "out")); n != 10 || groupOffset(t, c, "in", 0) != 10 {
			t.Errorf("%d outcomes, offset %d", n, groupOffset(t, c, "in", 0))
		}
	})
}

func TestConsumer_WithTopics_GoAlongAndCommitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 3)
		ensureTopic(t, c, "retry", 2, nil)
		for p := range int32(3) {
			produce(t, cluster, "in", p, 0, 4)
		}
		for p := range int32(2) {
			produce(t, cluster, "retry", p, 100, 2)
		}
		s := nextShare(t, newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.With = []string{"retry"} })))
		settle(poll(t, s, 16)...)
		members, err := c.GroupMembers(t.Context(), "g")
		if err != nil || len(members) != 1 || len(members[0].Partitions) != 5 {
			t.Errorf("members %+v, %v: want five partitions shown", members, err)
		}
		closeShare(t, s)
		if got := distinct(values(cluster.ReadCommitted(t, "out"))); len(got) != 16 {
			t.Errorf("%d outcomes, want 16", len(got))
		}
		if o := groupOffset(t, c, "retry", 1); o != 2 {
			t.Errorf("offset of the topic that goes along: %d", o)
		}
		if o := groupOffset(t, c, "in", 2); o != 4 {
			t.Errorf("offset %d", o)
		}
	})
}

func TestConsumer_Window_BoundsWhatIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 2)
		for p := range int32(2) {
			for i := range 30 {
				cluster.Produce(t, &kgo.Record{Topic: "in", Partition: p, Key: fmt.Append(nil, i), Value: make([]byte, 100_000)})
			}
		}
		s := nextShare(t, newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.Window = 1 << 20 })))
		var open, all []*kafka.Delivery
		for len(all) < 60 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			ds, err := s.Poll(ctx)
			cancel()
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				if len(open) != 10 {
					t.Fatalf("%d records of 100 kB open, the window is 1 MiB", len(open))
				}
				settle(open...)
				open = nil
			case err != nil:
				t.Fatal(err)
			}
			open, all = append(open, ds...), append(all, ds...)
			if len(open) > 10 {
				t.Fatalf("%d records of 100 kB open, the window is 1 MiB", len(open))
			}
		}
		settle(open...)
		closeShare(t, s)
		if n := len(distinct(values(cluster.ReadCommitted(t, "out")))); n != 60 {
			t.Errorf("%d outcomes, want 60", n)
		}
	})
}

func TestConsumer_RecordLargerThanWindow_IsDeliveredAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		for i := range 3 {
			cluster.Produce(t, &kgo.Record{Topic: "in", Key: fmt.Append(nil, i), Value: make([]byte, 50_000)})
		}
		s := nextShare(t, newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.Window = 10_000 })))
		for range 3 {
			ds := poll(t, s, 1)
			if len(ds) != 1 {
				t.Fatalf("%d records at once", len(ds))
			}
			settle(ds...)
		}
		closeShare(t, s)
	})
}

func TestConsumer_RetentionAteTheOffset_StopsAndSaysHow(t *testing.T) {
	for _, policy := range []kafka.OnLost{kafka.LostStop, kafka.LostEarliest} {
		synctest.Test(t, func(t *testing.T) {
			cluster, c := world(t, 1)
			produce(t, cluster, "in", 0, 0, 10)
			k := newConsumer(t, c, consumerConfig(func(cfg *kafka.ConsumerConfig) { cfg.OnLost = policy }))
			s := nextShare(t, k)
			settle(poll(t, s, 10)[:3]...)
			closeShare(t, s)
			deleteRecords(t, cluster, "in", 7)
			s = nextShare(t, k)
			if policy == kafka.LostEarliest {
				ds := poll(t, s, 3)
				if ds[0].Offset != 7 {
					t.Errorf("went on from offset %d", ds[0].Offset)
				}
				settle(ds...)
				closeShare(t, s)
				return
			}
			_, err := s.Poll(t.Context())
			gone, ok := errors.AsType[*kafka.OffsetError](err)
			hint, hinted := errors.AsType[*kafka.Error](err)
			if !ok || gone.Offset != 3 || gone.Start != 7 || !hinted || hint.Hint == "" || s.Trouble() == nil {
				t.Errorf("poll: %v, trouble %v", err, s.Trouble())
			}
			closeShare(t, s)
			if o := groupOffset(t, c, "in", 0); o != 3 {
				t.Errorf("offset moved to %d", o)
			}
		})
	}
}

func TestConsumer_OutcomeTooLarge_EndsTheShareAndNamesTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := world(t, 1)
		produce(t, cluster, "in", 0, 0, 3)
		s := nextShare(t, newConsumer(t, c, consumerConfig()))
		ds := poll(t, s, 3)
		settle(ds[0])
		time.Sleep(time.Second)
		large := outcome(ds[1])
		large.Value = random(2 << 20)
		if fits, err := c.Fits(t.Context(), large); fits || err != nil {
			t.Errorf("fits %v, %v", fits, err)
		}
		ds[1].Settle(outcome(ds[1]), large)
		<-s.Done()
		if _, ok := errors.AsType[*kafka.TooLargeError](s.Err()); !ok {
			t.Errorf("ended by %v", s.Err())
		}
		t.Log(s.Err())
		if err := s.Close(t.Context()); err == nil {
			t.Error("Close says nothing of what is left")
		}
		if n := len(cluster.ReadCommitted(t, "out")); n != 1 || groupOffset(t, c, "in", 0) != 1 {
			t.Errorf("%d outcomes, offset %d", n, groupOffset(t, c, "in", 0))
		}
	})
}
