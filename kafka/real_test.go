//go:build integration

package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

func TestReal_AllCodecs_ReadByFranzGo(t *testing.T) {
	cluster := kafkatest.Real(t)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			topic := cluster.Topic(t, 1, nil)
			c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = codec })
			p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
			recs := randomRecords(rand.New(rand.NewPCG(1, 1)), 500)
			for i := range recs {
				recs[i].Topic = topic
			}
			commit(t, p, recs...)
			theirs, ours := cluster.ReadCommitted(t, topic), readAll(t, c, topic, 0)
			if len(theirs) != len(recs) || len(ours) != len(recs) {
				t.Fatalf("franz-go read %d records, we %d, %d were written", len(theirs), len(ours), len(recs))
			}
			for i, w := range recs {
				if !bytes.Equal(theirs[i].Key, w.Key) || !bytes.Equal(theirs[i].Value, w.Value) || !bytes.Equal(ours[i].Value, w.Value) {
					t.Fatalf("record %d differs", i)
				}
			}
		})
	}
}

func TestReal_Fencing_OldOwnerOut_ItsOpenTransactionHidden(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 3, nil)
	c := newClient(t, cluster)
	old := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	for part := range int32(3) {
		commit(t, old, numbered(topic, part, 5)...)
	}
	owner := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	if err := old.Commit(t.Context(), numbered(topic, 0, 5)); !errors.Is(err, kafka.ErrFenced) {
		t.Fatalf("the old owner got %v", err)
	}
	commit(t, owner, numbered(topic, 1, 2)...)
	if n := len(cluster.ReadCommitted(t, topic)); n != 17 {
		t.Errorf("%d records, want 17", n)
	}
}

// Two owners that do not know of each other: whatever the interleaving, what is visible are whole commits, and the loser
// learns that it is fenced.
func TestReal_FencingRace_WholeCommitsOnly(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 4, nil)
	c := newClient(t, cluster)
	var mu sync.Mutex
	committed := map[string]bool{}
	var wg sync.WaitGroup
	for owner := range 3 {
		wg.Go(func() {
			for round := range 5 {
				p, err := c.NewProducer(t.Context(), kafka.ProducerConfig{TransactionalID: topic})
				if errors.Is(err, kafka.ErrFenced) {
					continue
				}
				if err != nil {
					t.Errorf("new producer: %v", err)
					return
				}
				for i := range 20 {
					id := fmt.Sprintf("%d-%d-%d", owner, round, i)
					var recs []kafka.Record
					for part := range int32(4) {
						recs = append(recs, kafka.Record{Topic: topic, Partition: part, Value: []byte(id)})
					}
					err := p.Commit(t.Context(), recs)
					if errors.Is(err, kafka.ErrFenced) {
						break
					}
					if err != nil {
						t.Logf("doubt: %v", err)
						break
					}
					mu.Lock()
					committed[id] = true
					mu.Unlock()
				}
				p.Close()
			}
		})
	}
	wg.Wait()
	newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic}) // settles what was in doubt
	seen := map[string]int{}
	for _, v := range values(cluster.ReadCommitted(t, topic)) {
		seen[v]++
	}
	for id, n := range seen {
		if n != 4 {
			t.Errorf("commit %s has %d records of 4", id, n)
		}
	}
	for id := range committed {
		if seen[id] != 4 {
			t.Errorf("commit %s succeeded and %d of its records are there", id, seen[id])
		}
	}
}

func TestReal_AbortedTransactions_AreHidden(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 1, nil)
	c := newClient(t, cluster)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	var want []string
	for i := range 5 {
		cluster.AbortedTransaction(t, topic+".other", &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "aborted %d", i)})
		commit(t, p, kafka.Record{Topic: topic, Value: fmt.Appendf(nil, "committed %d", i)})
		want = append(want, fmt.Sprintf("committed %d", i))
	}
	cluster.AbortedTransaction(t, topic+".other", &kgo.Record{Topic: topic, Value: []byte("aborted last")})
	if got := recordValues(readAll(t, c, topic, 0)); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

// C40: nine records of 1 kB and one of 1.2 MB, then a large one that packs.
func TestReal_TooLarge_NamedBeforeAnythingIsSent(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 1, map[string]string{"max.message.bytes": "1048588"})
	c := newClient(t, cluster)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	rng := rand.New(rand.NewPCG(1, 2))
	var recs []kafka.Record
	for i := range 10 {
		value := make([]byte, 1000)
		if i == 6 {
			value = make([]byte, 1_200_000)
		}
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		recs = append(recs, kafka.Record{Topic: topic, Key: fmt.Append(nil, i), Value: value})
	}
	large, ok := errors.AsType[*kafka.TooLargeError](p.Commit(t.Context(), recs))
	if !ok || large.Index != 6 || large.Limit != 1048588 {
		t.Fatalf("got %+v", large)
	}
	recs = slices.Delete(recs, 6, 7)
	commit(t, p, recs...)
	commit(t, p, kafka.Record{Topic: topic, Value: bytes.Repeat([]byte("long text "), 120_000)})
	if n := len(cluster.ReadCommitted(t, topic)); n != 10 {
		t.Errorf("%d records, want 10", n)
	}
}

// The measure is the broker's: a batch of exactly the limit passes, one byte more does not.
func TestReal_SizeLimit_IsExact(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 1, map[string]string{"max.message.bytes": "10000"})
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Compression = "none" })
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	rec := kafka.Record{Topic: topic, Value: make([]byte, 9000), Time: time.Now()}
	rec.Value = make([]byte, 9000+10000-kafka.PredictSize([]kafka.Record{rec}))
	commit(t, p, rec)
	rec.Value = append(rec.Value, 0)
	if _, ok := errors.AsType[*kafka.TooLargeError](p.Commit(t.Context(), []kafka.Record{rec})); !ok {
		t.Error("one byte more was not refused")
	}
}

// C43: the connection breaks after every 20th produce request.
func TestReal_ConnectionsBreak_EachRecordOnce(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 4, nil)
	flaky := &kafkatest.Flaky{CloseAfterProduce: 20, CloseAfter: map[int16]int{26: 17, 24: 13}}
	c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.Dial = flaky.Dial(nil) })
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	for i := range 250 {
		var recs []kafka.Record
		for j := range 4 {
			recs = append(recs, kafka.Record{Topic: topic, Partition: int32(j), Value: fmt.Append(nil, i)})
		}
		commit(t, p, recs...)
	}
	if flaky.Closed() < 20 {
		t.Fatalf("only %d connections were broken", flaky.Closed())
	}
	for part := range int32(4) {
		got := recordValues(readAll(t, c, topic, part))
		for i, v := range got {
			if v != fmt.Sprint(i) {
				t.Fatalf("partition %d record %d is %s", part, i, v)
			}
		}
		if len(got) != 250 {
			t.Errorf("partition %d: %d records, want 250", part, len(got))
		}
	}
	if n := len(cluster.ReadCommitted(t, topic)); n != 1000 {
		t.Errorf("franz-go reads %d records, want 1000", n)
	}
}

// rigBroker starts a broker that this test alone may hurt.
func rigBroker(t *testing.T) (cluster *kafkatest.Cluster, do func(action string)) {
	t.Helper()
	rig, dir, port := kafkatest.Env(t, "SFBRIDGE_RIG"), t.TempDir(), fmt.Sprint(20000+rand.IntN(10000))
	do = func(action string) {
		t.Helper()
		if out, err := exec.Command(rig, "broker", dir, port, action).CombinedOutput(); err != nil {
			t.Fatalf("%s broker: %v\n%s", action, err, out)
		}
	}
	do("start")
	t.Cleanup(func() {
		exec.Command(rig, "broker", dir, port, "cont").Run()
		exec.Command(rig, "broker", dir, port, "kill").Run()
	})
	return &kafkatest.Cluster{Brokers: []string{"127.0.0.1:" + port}}, do
}

// resume writes numbers in order, each commit going on from what is visible after a doubt.
type resume struct {
	t      *testing.T
	c      *kafka.Client
	topic  string
	cfg    kafka.ProducerConfig
	p      *kafka.Producer
	doubts int
}

func (r *resume) write(ctx context.Context, i int) {
	r.t.Helper()
	for ctx.Err() == nil {
		if r.p == nil {
			p, err := r.c.NewProducer(ctx, r.cfg)
			if err != nil {
				r.t.Fatalf("new producer: %v", err)
			}
			r.p = p
			if n := len(readAll(r.t, r.c, r.topic, 0)); n == i+1 {
				return // the commit in doubt had gone through
			}
		}
		err := r.p.Commit(ctx, []kafka.Record{{Topic: r.topic, Value: fmt.Append(nil, i)}})
		if err == nil {
			return
		}
		r.t.Logf("record %d: %v", i, err)
		r.doubts++
		r.p.Close()
		r.p = nil
	}
	r.t.Fatal("out of time")
}

func (r *resume) check(cluster *kafkatest.Cluster, n int) {
	r.t.Helper()
	got := values(cluster.ReadCommitted(r.t, r.topic))
	for i, v := range got {
		if v != fmt.Sprint(i) {
			r.t.Fatalf("record %d is %s", i, v)
		}
	}
	if len(got) != n {
		r.t.Errorf("%d records, want %d", len(got), n)
	}
}

// C44: the broker stands still for longer than a commit waits.
func TestReal_BrokerPaused_NothingTwice(t *testing.T) {
	cluster, do := rigBroker(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := &resume{t: t, c: c, topic: "t", cfg: kafka.ProducerConfig{TransactionalID: "x", RetryFor: 2 * time.Second}}
	for i := range 200 {
		if i == 50 {
			do("pause")
			time.AfterFunc(8*time.Second, func() { do("cont") })
		}
		r.write(ctx, i)
	}
	if r.doubts == 0 {
		t.Error("the pause was not noticed")
	}
	r.check(cluster, 200)
}

// A broker that is killed and comes back within RetryFor is waited for; the caller does not notice.
func TestReal_BrokerKilledAndBack_CommitWaits(t *testing.T) {
	cluster, do := rigBroker(t)
	c := newClient(t, cluster)
	ensureTopic(t, c, "t", 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := &resume{t: t, c: c, topic: "t", cfg: kafka.ProducerConfig{TransactionalID: "x", RetryFor: 45 * time.Second, TransactionTimeout: time.Minute}}
	for i := range 60 {
		if i == 20 {
			do("kill")
			go do("start")
		}
		r.write(ctx, i)
	}
	r.check(cluster, 60)
	if r.doubts != 0 {
		t.Logf("%d commits were in doubt", r.doubts)
	}
}

func TestReal_Compaction_GapsAreCrossed(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 1, map[string]string{"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "100"})
	c := newClient(t, cluster)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: topic})
	for i := range 50 {
		commit(t, p, kafka.Record{Topic: topic, Key: []byte("a"), Value: fmt.Append(nil, i)}, kafka.Record{Topic: topic, Key: fmt.Append(nil, i%5), Value: fmt.Append(nil, i)})
		time.Sleep(10 * time.Millisecond)
	}
	deadline := time.Now().Add(40 * time.Second)
	for len(readAll(t, c, topic, 0)) > 60 && time.Now().Before(deadline) { // until the cleaner has been here
		time.Sleep(500 * time.Millisecond)
		commit(t, p, kafka.Record{Topic: topic, Key: []byte("roll"), Value: nil})
	}
	if n := len(readAll(t, c, topic, 0)); n > 60 {
		t.Fatalf("%d records: nothing was compacted", n)
	}
	table, err := kafka.LoadTable(t.Context(), c, topic, 0)
	if err != nil || string(table["a"]) != "49" || string(table["3"]) != "48" {
		t.Errorf("table %q, %v", table, err)
	}
}

func TestReal_Topics(t *testing.T) {
	cluster := kafkatest.Real(t)
	c := newClient(t, cluster)
	name := kafkatest.Name(t)
	spec := kafka.TopicSpec{Name: name, Partitions: 3, Configs: map[string]string{"cleanup.policy": "compact"}}
	for i, want := range []bool{true, false} {
		if created, err := c.EnsureTopic(t.Context(), spec); err != nil || created != want {
			t.Fatalf("call %d: created %v, %v", i, created, err)
		}
	}
	for _, other := range []kafka.TopicSpec{{Name: name, Partitions: 4}, {Name: name, Configs: map[string]string{"cleanup.policy": "delete"}}} {
		if _, err := c.EnsureTopic(t.Context(), other); err == nil {
			t.Errorf("%+v was taken for the same", other)
		} else {
			t.Log(err)
		}
	}
	if n, err := c.Partitions(t.Context(), name); n != 3 || err != nil {
		t.Errorf("%d partitions, %v", n, err)
	}
	if _, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: name + ".r", Partitions: 1, Replication: 5}); err == nil {
		t.Error("five replicas on one broker were accepted")
	} else {
		t.Log(err)
	}
}

func TestReal_Group_SharesMoveWhenMembersComeAndGo(t *testing.T) {
	cluster := kafkatest.Real(t)
	topic := cluster.Topic(t, 8, nil)
	admin := newClient(t, cluster)
	groups := make([]*kafka.Group, 2)
	shares := make(chan string, 100)
	for i := range groups {
		c := newClient(t, cluster, func(cfg *kafka.Config) { cfg.ClientID = fmt.Sprint("member", i) })
		var err error
		if groups[i], err = c.JoinGroup(t.Context(), kafka.GroupConfig{Group: topic, Topic: topic, UserData: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, g := range groups {
		defer g.Close()
		wg.Go(func() {
			for {
				gen, err := g.Next(context.Background())
				if err != nil {
					return
				}
				shares <- fmt.Sprintf("%d has %d", i, len(gen.Partitions))
				<-gen.Done
			}
		})
	}
	await := func(want ...string) {
		t.Helper()
		seen := map[string]bool{}
		timeout := time.After(30 * time.Second)
		for _, w := range want {
			for !seen[w] {
				select {
				case s := <-shares:
					seen[s] = true
				case <-timeout:
					t.Fatalf("waiting for %q", w)
				}
			}
		}
	}
	await("0 has 4", "1 has 4")
	members, err := admin.GroupMembers(t.Context(), topic)
	if err != nil || len(members) != 2 || len(members[0].Partitions) != 4 || len(members[0].UserData) != 1 {
		t.Errorf("members %+v, %v", members, err)
	}
	groups[0].Close()
	await("1 has 8")
}
