package e2e

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/internal/embedded"
	"sfbridge/internal/pipenet"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// clusterBubble runs fn with a system whose Kafka has three brokers.
func clusterBubble(t *testing.T, org orgsim.Config, fn func(*system, *kfake.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &system{t: t, net: pipenet.New(), log: slog.New(slog.DiscardHandler)}
		k, err := embedded.StartKafka(embedded.KafkaConfig{
			ListenFn: s.net.Listen, Brokers: 3,
			BrokerConfigs: map[string]string{"default.replication.factor": "3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		org.KeepLedger, org.Logger = -1, s.log
		s.sb, err = sandbox.Start(sandbox.Config{Org: org, KafkaAddr: k.Addr(), Listen: s.net.Listen, Dial: s.net.Dial, Logger: s.log})
		if err != nil {
			t.Fatal(err)
		}
		defer s.sb.Close()
		fn(s, k.Cluster())
	})
}

// TestCluster_LeadersAndCoordinatorsMove_EveryChangeOnce lets leadership and
// coordination wander among three brokers, and brokers lose their connections.
func TestCluster_LeadersAndCoordinatorsMove_EveryChangeOnce(t *testing.T) {
	for seed := range uint64(3) {
		clusterBubble(t, orgsim.Config{Seed: 1600 + seed, VaryBatches: true}, func(s *system, c *kfake.Cluster) {
			rng := rand.New(rand.NewPCG(seed, 16))
			cfg := s.config()
			cfg.SessionTimeout = 10 * time.Second
			r := s.start(cfg)
			r.readyWithin(30 * time.Second)
			stop := s.work(60, seed)
			addrs := c.ListenAddrs()
			for range 60 {
				time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
				switch addr := addrs[rng.IntN(len(addrs))]; rng.IntN(5) {
				case 0, 1:
					c.ShufflePartitionLeaders()
				case 2:
					c.RehashCoordinators()
				case 3:
					s.net.Cut(addr)
				case 4: // one broker of three restarts
					s.net.Refuse(addr)
					s.net.Cut(addr)
					c.ShufflePartitionLeaders()
					time.AfterFunc(2*time.Second, func() { s.net.Heal(addr) })
				}
			}
			stop()
			time.Sleep(3 * time.Second)
			v := s.completeWithin(5 * time.Minute)
			if v.ChangesMade < 1000 {
				t.Errorf("only %d changes: this tested little", v.ChangesMade)
			}
			r.readyWithin(time.Minute)
			r.stop()
		})
	}
}

// TestCluster_ErrorsOfBrokers_EveryChangeOnce answers the requests of a
// transaction with the errors that brokers have for them, some of them after
// the work is done.
func TestCluster_ErrorsOfBrokers_EveryChangeOnce(t *testing.T) {
	for _, f := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.Produce, kerr.NotLeaderForPartition},
		{kmsg.Produce, kerr.RequestTimedOut},
		{kmsg.Produce, kerr.NotEnoughReplicas},
		{kmsg.Produce, kerr.NotEnoughReplicasAfterAppend},
		{kmsg.Produce, kerr.KafkaStorageError},
		{kmsg.Produce, kerr.UnknownTopicOrPartition},
		{kmsg.Produce, kerr.OutOfOrderSequenceNumber},
		{kmsg.Produce, kerr.InvalidProducerEpoch},
		{kmsg.Produce, kerr.UnknownServerError},
		{kmsg.Produce, kerr.CorruptMessage},
		{kmsg.Produce, kerr.InvalidTxnState},
		{kmsg.AddPartitionsToTxn, kerr.ConcurrentTransactions},
		{kmsg.AddPartitionsToTxn, kerr.CoordinatorLoadInProgress},
		{kmsg.AddPartitionsToTxn, kerr.NotCoordinator},
		{kmsg.AddPartitionsToTxn, kerr.InvalidTxnState},
		{kmsg.AddPartitionsToTxn, kerr.UnknownServerError},
		{kmsg.EndTxn, kerr.ConcurrentTransactions},
		{kmsg.EndTxn, kerr.CoordinatorNotAvailable},
		{kmsg.EndTxn, kerr.NotCoordinator},
		{kmsg.EndTxn, kerr.RequestTimedOut},
		{kmsg.EndTxn, kerr.InvalidTxnState},
		{kmsg.EndTxn, kerr.ProducerFenced},
		{kmsg.EndTxn, kerr.UnknownServerError},
		{kmsg.InitProducerID, kerr.CoordinatorLoadInProgress},
		{kmsg.InitProducerID, kerr.ConcurrentTransactions},
		{kmsg.InitProducerID, kerr.UnknownServerError},
		{kmsg.Metadata, kerr.LeaderNotAvailable},
		{kmsg.ListOffsets, kerr.NotLeaderForPartition},
		{kmsg.Fetch, kerr.NotLeaderForPartition},
		{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable},
		{kmsg.JoinGroup, kerr.NotCoordinator},
		{kmsg.SyncGroup, kerr.RebalanceInProgress},
		{kmsg.Heartbeat, kerr.UnknownMemberID},
		{kmsg.Heartbeat, kerr.CoordinatorNotAvailable},
	} {
		t.Run(f.key.Name()+" "+f.err.Message, func(t *testing.T) {
			bubble(t, orgsim.Config{Seed: 1700}, func(s *system) {
				cfg := s.config(accountChannel, contactChannel)
				cfg.SessionTimeout = 10 * time.Second
				c := s.sb.Kafka.Cluster()
				r := s.start(cfg)
				r.readyWithin(10 * time.Second)
				hits := 0
				for i := range 6 {
					h := c.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Err: f.err, Count: 1 + i%3})
					for j := range 10 {
						s.insert([]string{"Account", "Contact"}[j%2], map[string]orgsim.Value{"Phone": orgsim.String(strconv.Itoa(j))})
						time.Sleep(300 * time.Millisecond)
					}
					if i == 2 { // those of a start strike at a start
						r.stop()
						r = s.start(cfg)
					}
					time.Sleep(time.Minute)
					hits += h.Hits()
					h.Remove()
				}
				if v := s.completeWithin(5 * time.Minute); v.RecordsCommitted != 60 || v.SetAside != 0 {
					t.Errorf("%d records and %d set aside, want 60 and 0", v.RecordsCommitted, v.SetAside)
				}
				if hits < 3 {
					t.Errorf("%d errors: this tested little", hits)
				}
				r.readyWithin(time.Minute)
				r.stop()
			})
		})
	}
}
