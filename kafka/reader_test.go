package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

func TestReadAll_AbortedTransactions_AreHidden(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "ours"})
	var want []string
	for i := range 10 {
		cluster.AbortedTransaction(t, "other", &kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "aborted %d", i)})
		cluster.Produce(t, &kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "plain %d", i)})
		commit(t, p, kafka.Record{Topic: "t", Value: fmt.Appendf(nil, "committed %d", i)})
		want = append(want, fmt.Sprintf("plain %d", i), fmt.Sprintf("committed %d", i))
	}
	if got := recordValues(readAll(t, c, "t", 0)); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestReadAll_SameProducerAbortsThenCommits_ShowsTheLatter(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	kcl := cluster.Kgo(t, kgo.TransactionalID("x"))
	for i := range 20 {
		if err := kcl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := kcl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := kcl.EndTransaction(t.Context(), kgo.TransactionEndTry(i%3 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := recordValues(readAll(t, c, "t", 0)), []string{"0", "3", "6", "9", "12", "15", "18"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestReadAll_OpenTransaction_WaitsUntilItIsDecided(t *testing.T) {
	for _, commits := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cluster := kafkatest.Fake(t)
			c := newClient(t, cluster)
			ensureTopic(t, c, "t", 1, nil)
			kcl := cluster.Kgo(t, kgo.TransactionalID("x"))
			kcl.BeginTransaction()
			if err := kcl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("a")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(10*time.Second, func() { kcl.EndTransaction(context.Background(), kgo.TransactionEndTry(commits)) })
			start := time.Now()
			recs := readAll(t, c, "t", 0)
			if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
				t.Errorf("took %s, the transaction was decided after 10s", took)
			}
			if (len(recs) == 1) != commits {
				t.Errorf("%d records, committed %v", len(recs), commits)
			}
		})
	}
}

func TestReadAll_EmptyAndUnknownTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "empty", 1, nil)
		if recs := readAll(t, c, "empty", 0); len(recs) != 0 {
			t.Errorf("%d records in an empty topic", len(recs))
		}
		if err := c.ReadAll(t.Context(), "none", 0, nil); err == nil {
			t.Error("an unknown topic reads like an empty one")
		}
		if err := c.ReadAll(t.Context(), "empty", 3, nil); err == nil {
			t.Error("an unknown partition reads like an empty one")
		}
	})
}

func TestReadAll_FrontDeleted_StartsAtWhatIsLeft(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{})
	for i := range 10 {
		commit(t, p, numbered("t", 0, 10)[i])
	}
	if err := cluster.Fake.DeleteRecords("t", 0, 6); err != nil {
		t.Fatal(err)
	}
	if got, want := recordValues(readAll(t, c, "t", 0)), []string{"v6", "v7", "v8", "v9"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestReadAll_CompactedGaps_EndsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, map[string]string{"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0"})
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		for i := range 20 {
			commit(t, p, kafka.Record{Topic: "t", Key: fmt.Append(nil, i%3), Value: fmt.Append(nil, i)},
				kafka.Record{Topic: "t", Key: []byte("same"), Value: fmt.Append(nil, i)})
			time.Sleep(time.Second)
		}
		cluster.Fake.Compact()
		table, err := kafka.LoadTable(t.Context(), c, "t", 0)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"0": "18", "1": "19", "2": "17", "same": "19"} {
			if string(table[k]) != v {
				t.Errorf("table[%s] = %s, want %s", k, table[k], v)
			}
		}
	})
}

func TestLoadTable_Tombstones_RemoveTheirKeys(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, map[string]string{"cleanup.policy": "compact"})
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	commit(t, p, kafka.Record{Topic: "t", Key: []byte("a"), Value: []byte("1")}, kafka.Record{Topic: "t", Key: []byte("b"), Value: []byte("1")},
		kafka.Record{Topic: "t", Value: []byte("no key")}, kafka.Record{Topic: "t", Key: []byte("a")},
		kafka.Record{Topic: "t", Key: []byte("c"), Value: []byte{}})
	table, err := kafka.LoadTable(t.Context(), c, "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(table) != 2 || string(table["b"]) != "1" || table["c"] == nil {
		t.Errorf("table is %q", table)
	}
}

func TestReader_FollowsAcrossLeaderChangesAndBrokenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for i := range 100 {
				if err := p.Commit(context.Background(), []kafka.Record{{Topic: "t", Value: fmt.Append(nil, i)}}); err != nil {
					t.Errorf("commit: %v", err)
				}
				switch i % 10 {
				case 3:
					cluster.Fake.ShufflePartitionLeaders()
				case 6:
					cluster.Fake.RehashCoordinators()
				case 9:
					for _, addr := range cluster.Brokers {
						cluster.Net.Cut(addr)
					}
				}
				time.Sleep(time.Second)
			}
		})
		r, err := c.NewReader(t.Context(), kafka.ReaderConfig{Topic: "t", Offset: kafka.EarliestOffset})
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for next < 100 {
			recs, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				if string(rec.Value) != fmt.Sprint(next) {
					t.Fatalf("got %s, want %d", rec.Value, next)
				}
				next++
			}
		}
		if r.HighWatermark() < 199 || r.LastStableOffset() < 199 {
			t.Errorf("high watermark %d, last stable offset %d, 200 offsets are used", r.HighWatermark(), r.LastStableOffset())
		}
	})
}

func TestReader_Positions(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{})
	commit(t, p, numbered("t", 0, 11)...) // one batch of ten and one of one
	for _, tc := range []struct {
		offset int64
		first  string
	}{{kafka.EarliestOffset, "v0"}, {0, "v0"}, {7, "v7"}, {kafka.LatestOffset, "later"}} {
		r, err := c.NewReader(t.Context(), kafka.ReaderConfig{Topic: "t", Offset: tc.offset})
		if err != nil {
			t.Fatal(err)
		}
		if tc.first == "later" {
			commit(t, p, kafka.Record{Topic: "t", Value: []byte("later")})
		}
		recs, err := r.Next(t.Context())
		if err != nil || string(recs[0].Value) != tc.first {
			t.Errorf("from offset %d: got %q, %v, want %s", tc.offset, recordValues(recs), err, tc.first)
		}
	}
	r, err := c.NewReader(t.Context(), kafka.ReaderConfig{Topic: "t", Offset: 500})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Next(t.Context())
	if e, ok := errors.AsType[*kafka.OffsetError](err); !ok || e.Offset != 500 || e.End != 12 {
		t.Errorf("beyond the end: %v (%+v)", err, e)
	}
}

func TestReader_ContextEnds_ReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		r, err := c.NewReader(t.Context(), kafka.ReaderConfig{Topic: "t", MaxWait: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestClient_Close_EndsWaitingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		r, err := c.NewReader(t.Context(), kafka.ReaderConfig{Topic: "t", MaxWait: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { c.Close() })
		if _, err := r.Next(t.Context()); !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("reader: %v", err)
		}
		if err := c.Ping(t.Context()); !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("ping: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestReader_FetchErrors_AreWaitedOut(t *testing.T) {
	for _, kafkaErr := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.OffsetNotAvailable, kerr.ReplicaNotAvailable, kerr.UnknownLeaderEpoch} {
		synctest.Test(t, func(t *testing.T) {
			cluster := kafkatest.Fake(t)
			c := newClient(t, cluster)
			ensureTopic(t, c, "t", 1, nil)
			commit(t, newProducer(t, c, kafka.ProducerConfig{}), numbered("t", 0, 1)...)
			cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Err: kafkaErr, Count: 3})
			if n := len(readAll(t, c, "t", 0)); n != 1 {
				t.Errorf("%s: %d records", kafkaErr.Message, n)
			}
		})
	}
}
