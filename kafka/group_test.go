package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// worker holds a membership and takes each generation as it comes.
type worker struct {
	client *kafka.Client
	group  *kafka.Group
	gens   chan *kafka.Generation
}

func newWorker(t *testing.T, cluster *kafkatest.Cluster, name string) *worker {
	t.Helper()
	w := &worker{client: newClient(t, cluster), gens: make(chan *kafka.Generation, 1)}
	var err error
	w.group, err = w.client.JoinGroup(t.Context(), kafka.GroupConfig{Group: "g", Topic: "work", UserData: []byte(name)})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			gen, err := w.group.Next(context.Background())
			if err != nil {
				if !errors.Is(err, kafka.ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
				return
			}
			select {
			case <-w.gens:
			default:
			}
			w.gens <- gen
			<-gen.Done
		}
	}()
	return w
}

// current is the generation that the worker is in, once everything has settled.
func (w *worker) current() *kafka.Generation {
	gen := <-w.gens
	w.gens <- gen
	return gen
}

// shares checks that the workers have all n partitions between them, evenly, and returns who has which.
func shares(t *testing.T, n int, workers ...*worker) [][]int32 {
	t.Helper()
	time.Sleep(30 * time.Second)
	synctest.Wait()
	var all []int32
	var each [][]int32
	for _, w := range workers {
		gen := w.current()
		select {
		case <-gen.Done:
			t.Errorf("generation %d has ended", gen.ID)
		default:
		}
		all = append(all, gen.Partitions...)
		each = append(each, gen.Partitions)
		if len(gen.Partitions) < n/len(workers) || len(gen.Partitions) > (n+len(workers)-1)/len(workers) {
			t.Errorf("%d of %d partitions for one of %d members", len(gen.Partitions), n, len(workers))
		}
	}
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		t.Errorf("partitions given out: %v, want each of %d once", all, n)
	}
	return each
}

func TestGroup_MembersComeAndGo_SharesStayEvenAndMostlyPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 12, nil)
		a := newWorker(t, cluster, "a")
		shares(t, 12, a)
		b := newWorker(t, cluster, "b")
		before := shares(t, 12, a, b)
		c := newWorker(t, cluster, "c")
		after := shares(t, 12, a, b, c)
		for i := range before {
			if kept := len(after[i]); kept != 4 || !containsAll(before[i], after[i]) {
				t.Errorf("member %d had %v and now has %v: it should keep four of its own", i, before[i], after[i])
			}
		}
		if err := b.group.Close(); err != nil {
			t.Error(err)
		}
		shares(t, 12, a, c)
	})
}

func containsAll(set, subset []int32) bool {
	for _, p := range subset {
		if !slices.Contains(set, p) {
			return false
		}
	}
	return true
}

func TestGroup_Close_HandsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 4, nil)
		a, b := newWorker(t, cluster, "a"), newWorker(t, cluster, "b")
		shares(t, 4, a, b)
		gen := a.current()
		start := time.Now()
		if err := gen.Close(); err != nil {
			t.Fatal(err)
		}
		if <-gen.Done; !errors.Is(gen.Err(), kafka.ErrClosed) {
			t.Errorf("generation ended by %v", gen.Err())
		}
		<-b.current().Done
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the other member heard of it after %s", took)
		}
		shares(t, 4, b)
		if _, err := a.group.Next(t.Context()); !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("Next after Close: %v", err)
		}
	})
}

func TestGroup_MemberCutOff_LosesItsGenerationBeforeOthersHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 4, nil)
		a, b := newWorker(t, cluster, "a"), newWorker(t, cluster, "b")
		shares(t, 4, a, b)
		gen := a.current()
		cluster.Fake.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "g", Err: kerr.CoordinatorNotAvailable, Count: -1,
			When: func(r kmsg.Request) bool { return r.(*kmsg.HeartbeatRequest).MemberID == gen.MemberID },
		})
		start := time.Now()
		<-gen.Done
		if took := time.Since(start); took < 6*time.Second || took > 9*time.Second {
			t.Errorf("given up after %s, the session lasts 10s", took)
		}
		if !errors.Is(gen.Err(), kafka.ErrLost) {
			t.Errorf("ended by %v", gen.Err())
		}
	})
}

// A member whose network is gone must have stopped by the time that another is given its partitions.
func TestGroup_MemberIsolated_StopsBeforeItsSuccessorStarts(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			cluster := kafkatest.Fake(t)
			ensureTopic(t, newClient(t, cluster), "work", 4, nil)
			var isolated atomic.Bool
			lonely := *cluster
			lonely.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if isolated.Load() {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				c, err := cluster.Dial(ctx, network, addr)
				return &switchedConn{c, &isolated}, err
			}
			a, b := newWorker(t, &lonely, "a"), newWorker(t, cluster, "b")
			shares(t, 4, a, b)
			gen, other := a.current(), b.current()
			time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
			isolated.Store(true)
			<-other.Done // the coordinator has noticed
			select {
			case <-gen.Done:
			default:
				t.Errorf("seed %d: the isolated member still holds %v", seed, gen.Partitions)
			}
			isolated.Store(false)
			shares(t, 4, a, b)
		})
	}
}

// switchedConn lets nothing out while off is set.
type switchedConn struct {
	net.Conn
	off *atomic.Bool
}

func (c *switchedConn) Write(b []byte) (int, error) {
	if c.off.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func TestGroup_CoordinatorMovesAndConnectionsBreak_GoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 6, nil)
		a, b := newWorker(t, cluster, "a"), newWorker(t, cluster, "b")
		shares(t, 6, a, b)
		for range 3 {
			cluster.Fake.RehashCoordinators()
			for _, addr := range cluster.Brokers {
				cluster.Net.Cut(addr)
			}
			shares(t, 6, a, b)
		}
	})
}

func TestGroup_MoreMembersThanPartitions_SomeHaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 2, nil)
		shares(t, 2, newWorker(t, cluster, "a"), newWorker(t, cluster, "b"), newWorker(t, cluster, "c"))
	})
}

func TestGroupMembers_ShowsWhoHasWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "work", 5, nil)
		workers := map[string]*worker{"a": newWorker(t, cluster, "a"), "b": newWorker(t, cluster, "b")}
		shares(t, 5, workers["a"], workers["b"])
		members, err := c.GroupMembers(t.Context(), "g")
		if err != nil || len(members) != 2 {
			t.Fatalf("members %+v, %v", members, err)
		}
		for _, m := range members {
			gen := workers[string(m.UserData)].current()
			if m.ID != gen.MemberID || !slices.Equal(m.Partitions, gen.Partitions) || m.ClientID != "sfbridge" || m.Host == "" {
				t.Errorf("member %+v, generation %+v", m, gen.Partitions)
			}
		}
		if members, err := c.GroupMembers(t.Context(), "nobody"); len(members) != 0 || err != nil {
			t.Errorf("unknown group: %v, %v", members, err)
		}
	})
}

func TestClient_Close_LeavesItsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		c := newClient(t, cluster)
		ensureTopic(t, c, "work", 2, nil)
		a := newWorker(t, cluster, "a")
		shares(t, 2, a)
		a.client.Close()
		if members, err := c.GroupMembers(t.Context(), "g"); len(members) != 0 || err != nil {
			t.Errorf("members left: %v, %v", members, err)
		}
		if _, err := a.client.JoinGroup(t.Context(), kafka.GroupConfig{Group: "g", Topic: "work"}); !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("join after close: %v", err)
		}
	})
}

func TestGroup_UnknownTopic_IsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, kafkatest.Fake(t))
		if _, err := c.JoinGroup(t.Context(), kafka.GroupConfig{Group: "g", Topic: "none"}); !kafka.IsUnknownTopic(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestGroup_WeekOfQuiet_StaysInOneGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Fake(t)
		ensureTopic(t, newClient(t, cluster), "work", 2, nil)
		a := newWorker(t, cluster, "a")
		shares(t, 2, a)
		id := a.current().ID
		time.Sleep(24 * time.Hour)
		shares(t, 2, a)
		if now := a.current().ID; now != id {
			t.Errorf("generation went from %d to %d", id, now)
		}
	})
}

func ExampleClient_JoinGroup() {
	share := func(ctx context.Context, client *kafka.Client) error {
		group, err := client.JoinGroup(ctx, kafka.GroupConfig{Group: "sfbridge-crm", Topic: "_sfbridge.crm.assignments"})
		if err != nil {
			return err
		}
		defer group.Close()
		for {
			gen, err := group.Next(ctx)
			if err != nil {
				return err
			}
			fmt.Println("working on", gen.Partitions)
			<-gen.Done // stop the work here, then ask again
		}
	}
	_ = share
}
