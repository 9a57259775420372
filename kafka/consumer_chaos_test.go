package kafka_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// Members come, close, and are cut off without a word, while brokers fail in every way. Whatever the seed: each committed
// record has its outcome once, in the order of its partition, and the group's offsets are at the end.
func TestConsumer_AnyTrouble_EachOutcomeOnceInOrder(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { consumeInTrouble(t, seed, true) })
		})
	}
}

// Without transactions outcomes may come again, and none is missing.
func TestConsumer_AnyTroubleAtLeastOnce_NoOutcomeMissing(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { consumeInTrouble(t, seed, false) })
		})
	}
}

const (
	troublePartitions = 3
	troubleInputs     = 120 // a partition
)

// troubleTopics are the topic of the group and one that goes along, with fewer partitions.
var troubleTopics = map[string]int32{"in": troublePartitions, "more": troublePartitions - 1}

func consumeInTrouble(t *testing.T, seed uint64, exactly bool) {
	rng := rand.New(rand.NewPCG(seed, 21))
	cluster, quiet := world(t, troublePartitions)
	ensureTopic(t, quiet, "more", troubleTopics["more"], nil)
	ensureTopic(t, quiet, "marks", troublePartitions, nil)
	writeInputs(t, rng, cluster)

	ctx, stop := context.WithCancel(t.Context())
	disturbed := make(chan struct{})
	go func() {
		defer close(disturbed)
		disturb(ctx, rand.New(rand.NewPCG(seed, 22)), cluster, kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.Fetch,
			kmsg.FindCoordinator, kmsg.InitProducerID, kmsg.OffsetFetch, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn, kmsg.OffsetCommit, kmsg.Heartbeat,
			kmsg.JoinGroup, kmsg.SyncGroup)
	}()
	members := []*troubledMember{newMember(t, cluster, seed, 0, exactly), newMember(t, cluster, seed, 1, exactly)}
	alive := slices.Clone(members)
	for round := range uint64(8) {
		time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
		i := rng.IntN(len(alive))
		if rng.IntN(3) == 0 {
			alive[i].end()
		} else {
			alive[i].off.Store(true) // cut off: it goes on for itself, and nobody hears of it
		}
		alive[i] = newMember(t, cluster, seed, 2+round, exactly)
		members = append(members, alive[i])
	}
	stop()
	<-disturbed
	for _, addr := range cluster.Brokers {
		cluster.Net.Heal(addr)
	}
	for i := 0; outcomesMissing(t, quiet); i++ {
		if i > 100 {
			for topic, n := range troubleTopics {
				for p := range n {
					t.Errorf("topic %s partition %d: offset %d", topic, p, groupOffset(t, quiet, topic, p))
				}
			}
			for i, m := range members {
				if s := m.share.Load(); s != nil && !m.off.Load() {
					t.Logf("member %d: %+v, ended by %v, trouble %v", i, s.Positions(), s.Err(), s.Trouble())
				}
				if err := m.trouble.Load(); err != nil {
					t.Logf("member %d once had %v", i, *err)
				}
			}
			t.Error("the group does not come to the end")
			break
		}
		time.Sleep(10 * time.Second)
		removeGhosts(t, cluster, quiet, members)
	}
	for _, m := range members {
		m.end()
	}
	checkOutcomes(t, quiet, exactly)
}

// writeInputs fills the topics: committed transactions and aborted ones.
func writeInputs(t *testing.T, rng *rand.Rand, cluster *kafkatest.Cluster) {
	c := newClient(t, cluster)
	p := newProducer(t, c, kafka.ProducerConfig{TransactionalID: "inputs"})
	for _, topic := range slices.Sorted(maps.Keys(troubleTopics)) {
		for part := range troubleTopics[topic] {
			for i := 0; i < troubleInputs; {
				n := min(1+rng.IntN(20), troubleInputs-i)
				var recs []kafka.Record
				for j := range n {
					recs = append(recs, kafka.Record{Topic: topic, Partition: part, Value: fmt.Appendf(nil, "%s %d", topic, i+j)})
				}
				if rng.IntN(3) == 0 {
					cluster.AbortedTransaction(t, "others", &kgo.Record{Topic: topic, Partition: part, Value: []byte("aborted")})
				}
				commit(t, p, recs...)
				i += n
			}
		}
	}
}

// troubledMember works off what it is given until it is ended.
type troubledMember struct {
	t       *testing.T
	name    string
	client  *kafka.Client
	off     atomic.Bool
	trouble atomic.Pointer[error] // of Next, the last
	share   atomic.Pointer[kafka.Share]
	exactly bool
	stop    context.CancelFunc
	done    chan struct{}
}

func newMember(t *testing.T, cluster *kafkatest.Cluster, seed, n uint64, exactly bool) *troubledMember {
	m := &troubledMember{t: t, name: fmt.Sprint("member", n), exactly: exactly, done: make(chan struct{})}
	flaky := &kafkatest.Flaky{Deaf: seed%2 == 0, CloseAfterProduce: 5 + int(seed)%20, CloseAfter: map[int16]int{
		int16(kmsg.EndTxn): 5 + int(seed)%13, int16(kmsg.TxnOffsetCommit): 4 + int(seed)%11, int16(kmsg.AddOffsetsToTxn): 6 + int(seed)%17,
	}}
	dial := flaky.Dial(cluster.Dial)
	m.client = newClient(t, cluster, func(cfg *kafka.Config) {
		cfg.ClientID = m.name
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if m.off.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			c, err := dial(ctx, network, addr)
			return &switchedConn{c, &m.off}, err
		}
	})
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go m.run(ctx, rand.New(rand.NewPCG(seed, 1000+n)))
	return m
}

// gone tells whether the member is cut off or has ended, perhaps without being heard.
func (m *troubledMember) gone() bool {
	select {
	case <-m.done:
		return true
	default:
		return m.off.Load()
	}
}

func (m *troubledMember) end() {
	m.stop()
	<-m.done
}

func (m *troubledMember) run(ctx context.Context, rng *rand.Rand) {
	defer close(m.done)
	defer m.client.Close()
	for ctx.Err() == nil {
		k, err := m.client.NewConsumer(ctx, consumerConfig(func(cfg *kafka.ConsumerConfig) {
			cfg.With = []string{"more"}
			cfg.Window, cfg.TransactionTimeout, cfg.RebalanceTimeout = 20_000, 4*time.Second, 5*time.Second
			if !m.exactly {
				cfg.TransactionalID = nil
			}
		}))
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		for ctx.Err() == nil {
			s, err := k.Next(ctx)
			if err != nil {
				m.trouble.Store(&err)
				time.Sleep(time.Second)
				continue
			}
			m.share.Store(s)
			m.work(ctx, rng, s)
		}
		k.Close()
	}
}

// work settles deliveries out of order, some time after they came.
func (m *troubledMember) work(ctx context.Context, rng *rand.Rand, s *kafka.Share) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(4000))*time.Millisecond)
		defer cancel()
		s.Close(ctx)
	}()
	last := map[kafka.TopicPartition]int64{}
	for {
		ds, err := s.Poll(ctx)
		if err != nil {
			return
		}
		for _, d := range ds {
			tp := kafka.TopicPartition{Topic: d.Topic, Partition: d.Partition}
			if at, ok := last[tp]; ok && d.Offset <= at {
				m.t.Errorf("%v: offset %d after %d in one share", tp, d.Offset, at)
			}
			last[tp] = d.Offset
		}
		rng.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		for _, d := range ds {
			if rng.IntN(4) == 0 {
				time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
			}
			if rng.IntN(20) == 0 && s.Held() {
				go s.Note(ctx, kafka.TopicPartition{Topic: d.Topic, Partition: d.Partition}, fmt.Sprint(d.Offset))
			}
			d.Settle(kafka.Record{Topic: "marks", Partition: d.Partition, Value: d.Value})
		}
	}
}

// removeGhosts does what the embedded cluster leaves undone: a member that vanished while it waited for a rebalance has no
// session there and would stay for ever.
func removeGhosts(t *testing.T, cluster *kafkatest.Cluster, c *kafka.Client, members []*troubledMember) {
	listed, err := c.GroupMembers(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = "g"
	for _, l := range listed {
		if slices.ContainsFunc(members, func(m *troubledMember) bool { return m.gone() && m.name == l.ClientID }) {
			member := kmsg.NewLeaveGroupRequestMember()
			member.MemberID = l.ID
			req.Members = append(req.Members, member)
		}
	}
	if len(req.Members) == 0 {
		return
	}
	client := cluster.Kgo(t)
	defer client.Close()
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

// outcomesMissing looks at the group's offsets alone.
func outcomesMissing(t *testing.T, c *kafka.Client) bool {
	for topic, n := range troubleTopics {
		for p := range n {
			o, err := c.Offsets(t.Context(), topic, p)
			if err != nil {
				t.Fatal(err)
			}
			if groupOffset(t, c, topic, p) < o.Stable {
				return true
			}
		}
	}
	return false
}

func checkOutcomes(t *testing.T, c *kafka.Client, exactly bool) {
	for p := range int32(troublePartitions) {
		all := recordValues(readAll(t, c, "marks", p))
		for topic, n := range troubleTopics {
			var want, got []string
			for i := range troubleInputs {
				if p < n {
					want = append(want, fmt.Sprintf("%s %d", topic, i))
				}
			}
			for _, v := range all {
				if strings.HasPrefix(v, topic+" ") {
					got = append(got, v)
				}
			}
			if !exactly {
				got, want = distinct(got), distinct(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("topic %s partition %d: outcomes %v", topic, p, got)
			}
		}
	}
}
