package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

func TestCommit_AllCodecs_ReadBackByteForByte(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			cluster := kafkatest.Fake(t)
			c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = codec })
			ensureTopic(t, c, "t", 1, nil)
			p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
			at := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
			want := []kafka.Record{
				{
					Topic: "t", Key: []byte("k"), Value: bytes.Repeat([]byte("abc"), 500), Time: at,
					Headers: []kafka.Header{{Key: "h", Value: []byte("v")}, {Key: "", Value: nil}, {Key: "e", Value: []byte{}}},
				},
				{Topic: "t", Key: nil, Value: nil, Time: at.Add(-time.Hour)},
				{Topic: "t", Key: []byte{}, Value: []byte{}, Time: at.Add(time.Hour)},
			}
			commit(t, p, want...)
			got := readAll(t, c, "t", 0)
			theirs := cluster.ReadCommitted(t, "t")
			if len(got) != len(want) || len(theirs) != len(want) {
				t.Fatalf("we read %d records, franz-go %d, want %d", len(got), len(theirs), len(want))
			}
			for i, w := range want {
				g, f := got[i], theirs[i]
				if !sameBytes(g.Key, w.Key) || !sameBytes(g.Value, w.Value) || !g.Time.Equal(w.Time) || g.Offset != int64(i) {
					t.Errorf("record %d: got %+v, want %+v", i, g, w)
				}
				if !sameBytes(f.Key, w.Key) || !sameBytes(f.Value, w.Value) || !f.Timestamp.Equal(w.Time) || len(f.Headers) != len(w.Headers) {
					t.Errorf("record %d: franz-go read %+v, want %+v", i, f, w)
				}
				if !slices.EqualFunc(g.Headers, w.Headers, func(a, b kafka.Header) bool { return a.Key == b.Key && sameBytes(a.Value, b.Value) }) {
					t.Errorf("record %d: headers %+v, want %+v", i, g.Headers, w.Headers)
				}
			}
		})
	}
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestCommit_AnyPartition_GoesWhereFranzGoPutsTheKey(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "ours", 7, nil)
	ensureTopic(t, c, "theirs", 7, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	kcl := cluster.Kgo(t)
	var recs []kafka.Record
	for i := range 200 {
		key := fmt.Appendf(nil, "%0*d", i%19, i)
		recs = append(recs, kafka.Record{Topic: "ours", Partition: kafka.AnyPartition, Key: key, Value: key})
		if err := kcl.ProduceSync(t.Context(), kgoRecord("theirs", key)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, p, recs...)
	for partition := range int32(7) {
		ours, theirs := recordValues(readAll(t, c, "ours", partition)), recordValues(readAll(t, c, "theirs", partition))
		if !slices.Equal(ours, theirs) {
			t.Errorf("partition %d: ours %v, franz-go's %v", partition, ours, theirs)
		}
	}
}

func TestCommit_ManyBatchesAndLeaders_KeepOrder(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = "none" })
	ensureTopic(t, c, "t", 8, map[string]string{"max.message.bytes": "20000"})
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[int32][]string{}
	for range 3 {
		var recs []kafka.Record
		for i := range 2000 {
			part := rng.Int32N(8)
			v := fmt.Sprintf("%06d%s", i, bytes.Repeat([]byte{'x'}, rng.IntN(300)))
			recs = append(recs, kafka.Record{Topic: "t", Partition: part, Value: []byte(v)})
			want[part] = append(want[part], v)
		}
		commit(t, p, recs...)
	}
	for part := range int32(8) {
		if got := recordValues(readAll(t, c, "t", part)); !slices.Equal(got, want[part]) {
			t.Errorf("partition %d: %d records read, %d written, or their order differs", part, len(got), len(want[part]))
		}
	}
}

func TestCommit_OneRequestPerLeader(t *testing.T) {
	cluster := kafkatest.Fake(t, kfake.NumBrokers(1))
	c := newClient(t, cluster)
	ensureTopic(t, c, "a", 4, nil)
	ensureTopic(t, c, "b", 4, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	seen := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	var recs []kafka.Record
	for part := range int32(4) {
		recs = append(recs, numbered("a", part, 3)...)
		recs = append(recs, numbered("b", part, 3)...)
	}
	commit(t, p, recs...)
	if n := seen.Hits(); n != 1 {
		t.Errorf("%d produce requests for eight partitions of one leader, want 1", n)
	}
}

func TestCommit_TooLarge_NamesTheRecordAndSendsNothing(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	sent := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce, kmsg.AddPartitionsToTxn}, Observe: true, Count: -1})

	big := make([]byte, 1_200_000) // does not pack
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	recs := numbered("t", 0, 9)
	for i := range recs {
		recs[i].Value = bytes.Repeat([]byte{byte('a' + i)}, 1000)
	}
	recs = slices.Insert(recs, 4, kafka.Record{Topic: "t", Key: []byte("big"), Value: big})
	err := p.Commit(t.Context(), recs)
	large, ok := errors.AsType[*kafka.TooLargeError](err)
	if !ok || large.Index != 4 || large.Topic != "t" || large.Limit != 1048588 || large.Size < len(big) {
		t.Fatalf("got %v (%+v), want record 4 too large", err, large)
	}
	if n := sent.Hits(); n != 0 {
		t.Errorf("%d requests were sent before the error", n)
	}
	if fits, err := c.Fits(t.Context(), recs[4]); fits || err != nil {
		t.Errorf("Fits of the large record: %v, %v", fits, err)
	}
	recs = slices.Delete(recs, 4, 5)
	commit(t, p, recs...)

	squeezable := kafka.Record{Topic: "t", Key: []byte("big"), Value: bytes.Repeat([]byte("long text field "), 75_000)}
	if fits, err := c.Fits(t.Context(), squeezable); !fits || err != nil {
		t.Errorf("Fits of 1.2 MB that packs well: %v, %v", fits, err)
	}
	commit(t, p, recs[0], squeezable, recs[1])
	if got := cluster.ReadCommitted(t, "t"); len(got) != 12 || len(got[10].Value) != 1_200_000 {
		t.Errorf("read %d records, want 12 with the large one at place 10", len(got))
	}
}

func TestCommit_TooLargeWithoutPacking_CountsThePlainSize(t *testing.T) {
	cluster := kafkatest.Fake(t)
	text := bytes.Repeat([]byte("long text field "), 75_000)
	for name, setup := range map[string]struct{ codec, topic string }{
		"client packs nothing": {"none", "producer"}, "broker unpacks": {"lz4", "uncompressed"},
	} {
		c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = setup.codec })
		topic := "t-" + setup.topic
		ensureTopic(t, c, topic, 1, map[string]string{"compression.type": setup.topic})
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
		_, ok := errors.AsType[*kafka.TooLargeError](p.Commit(t.Context(), []kafka.Record{{Topic: topic, Value: text}}))
		if !ok {
			t.Errorf("%s: the record was not refused", name)
		}
	}
}

func TestCommit_LimitLowered_LearnsItFromTheRefusal(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = "none" })
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	commit(t, p, numbered("t", 0, 1)...) // the limit is known now
	cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: 1})
	big := []kafka.Record{{Topic: "t", Value: make([]byte, 5000)}}
	if err := p.Commit(t.Context(), big); err == nil {
		t.Fatal("the broker's refusal was taken for success")
	} else if again := p.Commit(t.Context(), big); again != err {
		t.Errorf("a producer in doubt answered %v, then %v", err, again)
	}
	p = newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	if _, ok := errors.AsType[*kafka.TooLargeError](p.Commit(t.Context(), big)); !ok {
		t.Error("the same record was sent again although the broker had refused it")
	}
	commit(t, p, numbered("t", 0, 1)...)
}

func TestProducer_NewOwner_FencesTheOldOne(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	old := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	commit(t, old, numbered("t", 0, 2)...)
	owner := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	err := old.Commit(t.Context(), numbered("t", 0, 5))
	if !errors.Is(err, kafka.ErrFenced) {
		t.Fatalf("the old producer got %v, want ErrFenced", err)
	}
	if again := old.Commit(t.Context(), numbered("t", 0, 1)); !errors.Is(again, kafka.ErrFenced) {
		t.Errorf("and then %v", again)
	}
	commit(t, owner, numbered("t", 0, 1)...)
	if got, want := values(cluster.ReadCommitted(t, "t")), []string{"v0", "v1", "v0"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

// Every failure that passes: the commit goes through, and each record is there once.
func TestCommit_PassingFailures_EachRecordOnce(t *testing.T) {
	for _, tc := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.Produce, kerr.NotLeaderForPartition},
		{kmsg.Produce, kerr.NotEnoughReplicas},
		{kmsg.Produce, kerr.NotEnoughReplicasAfterAppend},
		{kmsg.Produce, kerr.RequestTimedOut},
		{kmsg.Produce, kerr.UnknownTopicOrPartition},
		{kmsg.Produce, kerr.KafkaStorageError},
		{kmsg.AddPartitionsToTxn, kerr.ConcurrentTransactions},
		{kmsg.AddPartitionsToTxn, kerr.NotCoordinator},
		{kmsg.AddPartitionsToTxn, kerr.CoordinatorLoadInProgress},
		{kmsg.AddPartitionsToTxn, kerr.UnknownTopicOrPartition},
		{kmsg.EndTxn, kerr.NotCoordinator},
		{kmsg.EndTxn, kerr.CoordinatorNotAvailable},
		{kmsg.EndTxn, kerr.ConcurrentTransactions},
		{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable},
		{kmsg.InitProducerID, kerr.CoordinatorLoadInProgress},
		{kmsg.InitProducerID, kerr.ConcurrentTransactions},
		{kmsg.InitProducerID, kerr.NotCoordinator},
	} {
		t.Run(tc.key.Name()+"/"+tc.err.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := kafkatest.Fake(t)
				c := newClient(t, cluster)
				ensureTopic(t, c, "t", 2, nil)
				fault := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: 3})
				p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
				commit(t, p, append(numbered("t", 0, 5), numbered("t", 1, 5)...)...)
				commit(t, p, numbered("t", 1, 5)...)
				if fault.Hits() == 0 {
					t.Error("the fault never struck")
				}
				if n := len(cluster.ReadCommitted(t, "t")); n != 15 {
					t.Errorf("%d records, want 15", n)
				}
			})
		})
	}
}

// Answers that leave the outcome open: the commit fails, the producer is of no use, and its successor finds either all
// of the records or none.
func TestCommit_Doubt_AllOrNothingAndUnusable(t *testing.T) {
	for _, tc := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.Produce, kerr.OutOfOrderSequenceNumber},
		{kmsg.Produce, kerr.UnknownProducerID},
		{kmsg.Produce, kerr.InvalidTxnState},
		{kmsg.AddPartitionsToTxn, kerr.InvalidTxnState},
		{kmsg.AddPartitionsToTxn, kerr.UnknownServerError},
		{kmsg.EndTxn, kerr.InvalidTxnState},
		{kmsg.EndTxn, kerr.UnknownServerError},
		{kmsg.Produce, kerr.NotEnoughReplicas},
		{kmsg.EndTxn, kerr.NotCoordinator}, // for longer than it retries
	} {
		t.Run(tc.key.Name()+"/"+tc.err.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := kafkatest.Fake(t)
				c := newClient(t, cluster)
				ensureTopic(t, c, "t", 2, nil)
				p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
				fault := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: -1})
				err := p.Commit(t.Context(), append(numbered("t", 0, 5), numbered("t", 1, 5)...))
				if err == nil || errors.Is(err, kafka.ErrFenced) {
					t.Fatalf("commit: %v, want a doubt", err)
				}
				fault.Remove()
				if again := p.Commit(t.Context(), numbered("t", 0, 1)); again != err {
					t.Errorf("the producer went on: %v", again)
				}
				next := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
				n := len(readAll(t, c, "t", 0)) + len(readAll(t, c, "t", 1))
				if n != 0 && n != 10 {
					t.Errorf("%d records of 10 are visible", n)
				}
				commit(t, next, numbered("t", 1, 1)...)
				time.Sleep(time.Hour) // nothing comes later
				if m := len(cluster.ReadCommitted(t, "t")); m != n+1 {
					t.Errorf("%d records an hour later, want %d", m, n+1)
				}
			})
		})
	}
}

func TestCommit_FencedWhileInTransaction_IsErrFenced(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.EndTxn} {
		for _, kafkaErr := range []*kerr.Error{kerr.InvalidProducerEpoch, kerr.ProducerFenced} {
			cluster := kafkatest.Fake(t)
			c := newClient(t, cluster)
			ensureTopic(t, c, "t", 1, nil)
			p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
			cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kafkaErr, Count: 1})
			if err := p.Commit(t.Context(), numbered("t", 0, 1)); !errors.Is(err, kafka.ErrFenced) {
				t.Errorf("%s answers %s: got %v, want ErrFenced", key.Name(), kafkaErr.Message, err)
			}
		}
	}
}

func TestCommit_InvalidTransactionStateAfterFencing_IsErrFenced(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.InvalidTxnState, Count: 1})
	if err := p.Commit(t.Context(), numbered("t", 0, 1)); !errors.Is(err, kafka.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
}

func TestCommit_ContextEnds_LeavesDoubtAndSuccessorClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		cluster.Fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true }) // no answer
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Commit(ctx, numbered("t", 0, 3)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("commit: %v", err)
		}
		next := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		commit(t, next, numbered("t", 0, 1)...)
		if got := values(cluster.ReadCommitted(t, "t")); !slices.Equal(got, []string{"v0"}) {
			t.Errorf("read %v, want v0 alone", got)
		}
	})
}

func TestAbort_AfterDoubt_ReleasesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x", TransactionTimeout: 15 * time.Minute, RetryFor: time.Second})
		cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: -1})
		if err := p.Commit(t.Context(), numbered("t", 0, 3)); err == nil {
			t.Fatal("commit succeeded")
		}
		if err := p.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if recs := readAll(t, c, "t", 0); len(recs) != 0 || time.Since(start) > time.Minute {
			t.Errorf("read %d records after %s", len(recs), time.Since(start))
		}
	})
}

func TestCommit_AtLeastOnce_PositionOnlyAfterTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		ensureTopic(t, c, "positions", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{RetryFor: 2 * time.Second})
		recs := append(numbered("t", 0, 5), kafka.Record{Topic: "positions", Value: []byte("p")})
		fault := cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotEnoughReplicas, Count: -1})
		if err := p.Commit(t.Context(), recs); err == nil {
			t.Fatal("commit succeeded")
		}
		if n := len(readAll(t, c, "positions", 0)); n != 0 {
			t.Fatalf("the position was written before the records")
		}
		fault.Remove()
		p = newProducer(t, c, kafka.ProducerConfig{})
		commit(t, p, recs...)
		if n, m := len(readAll(t, c, "t", 0)), len(readAll(t, c, "positions", 0)); n != 5 || m != 1 {
			t.Errorf("%d records and %d positions, want 5 and 1", n, m)
		}
	})
}

func TestCommit_AtLeastOnce_TooLargePosition_SendsNothing(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = "none" })
	ensureTopic(t, c, "t", 1, nil)
	p := newProducer(t, c, kafka.ProducerConfig{})
	recs := append(numbered("t", 0, 5), kafka.Record{Topic: "t", Value: make([]byte, 2<<20)})
	large, ok := errors.AsType[*kafka.TooLargeError](p.Commit(t.Context(), recs))
	if !ok || large.Index != 5 {
		t.Fatalf("got %+v", large)
	}
	if n := len(readAll(t, c, "t", 0)); n != 0 {
		t.Errorf("%d records were sent", n)
	}
}

func TestCommit_BadPartitionOrTopic_KeepsTheProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "t", 1, nil)
		p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
		for _, bad := range []kafka.Record{{Topic: "none"}, {Topic: "t", Partition: 1}, {Topic: "t", Partition: -7}} {
			if err := p.Commit(t.Context(), []kafka.Record{{Topic: "t", Value: []byte("a")}, bad}); err == nil {
				t.Errorf("%+v was accepted", bad)
			}
		}
		commit(t, p, numbered("t", 0, 1)...)
		if n := len(readAll(t, c, "t", 0)); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

func TestCommit_NoKey_OnePartitionACommitAndAnotherNextTime(t *testing.T) {
	cluster := kafkatest.Fake(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 3, nil)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "x"})
	for range 3 {
		recs := numbered("t", kafka.AnyPartition, 4)
		for i := range recs {
			recs[i].Key = nil
		}
		commit(t, p, recs...)
	}
	for part := range int32(3) {
		if n := len(readAll(t, c, "t", part)); n != 4 {
			t.Errorf("partition %d has %d records of three commits of 4", part, n)
		}
	}
}

func TestNewProducer_WhatCannotWork_SaysSo(t *testing.T) {
	old := newClient(t, kafkatest.Fake(t, kfake.MaxVersions(kversion.V2_4_0())))
	_, err := old.NewProducer(t.Context(), kafka.ProducerConfig{TransactionalID: "x"})
	if err == nil || !strings.Contains(err.Error(), "Kafka 2.5") || !strings.Contains(err.Error(), "at-least-once") {
		t.Errorf("broker without KIP-360: %v", err)
	}
	c := newClient(t, kafkatest.Fake(t))
	_, err = c.NewProducer(t.Context(), kafka.ProducerConfig{TransactionalID: "x", RetryFor: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "less than the transaction timeout") {
		t.Errorf("retrying for longer than the transaction lasts: %v", err)
	}
	_, err = c.NewProducer(t.Context(), kafka.ProducerConfig{TransactionalID: "x", TransactionTimeout: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "transaction.max.timeout.ms") {
		t.Errorf("timeout beyond the broker's maximum: %v", err)
	}
}

func TestNewProducer_NobodyAnswers_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		cluster.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := c.NewProducer(ctx, kafka.ProducerConfig{TransactionalID: "x"}); err == nil || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
