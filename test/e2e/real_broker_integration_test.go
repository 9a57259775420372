//go:build integration

package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sfbridge/orgsim"
	"sfbridge/test/rig"
)

// busy lets people work in the org until stop is called.
func (s *realSystem) busy(rate float64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.sb.Org.Work(ctx, orgsim.WorkConfig{Rate: rate, Seed: 11}); err != nil {
			s.t.Errorf("work: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// TestReal_BrokerKilledPausedRestartedUnderLoad_EveryChangeOnce hurts a broker
// of its own in each way while changes flow.
func TestReal_BrokerKilledPausedRestartedUnderLoad_EveryChangeOnce(t *testing.T) {
	broker := rig.StartBroker(t, t.TempDir())
	s := newReal(t, broker.Addr, rig.Registry(t), orgsim.Config{Seed: 3101, VaryBatches: true})
	r := s.start(s.config())
	r.readyWithin(30 * time.Second)
	stop := s.busy(200)
	t.Cleanup(stop)
	for _, hurt := range []func(){
		func() { broker.Kill(); time.Sleep(2 * time.Second); broker.Start() },
		func() { broker.Pause(); time.Sleep(12 * time.Second); broker.Cont() },
		func() { broker.Stop(); time.Sleep(time.Second); broker.Start() },
		func() { broker.Kill(); broker.Start() },
	} {
		time.Sleep(2 * time.Second)
		hurt()
	}
	time.Sleep(2 * time.Second)
	stop()
	_, v := s.complete(2 * time.Minute)
	if v.ChangesMade < 2000 {
		t.Errorf("%d changes: this tested little", v.ChangesMade)
	}
	t.Logf("%d changes, %d records", v.ChangesMade, v.RecordsCommitted)
	r.readyWithin(30 * time.Second)
	r.stop()
}

// TestReal_BrokerDiskFull_TopicCompleteOnceThereIsRoom fills the disk under a
// broker's log, which ends the broker, and gives it room again.
func TestReal_BrokerDiskFull_TopicCompleteOnceThereIsRoom(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatalf("a small disk needs the right to mount (run as root, with CAP_SYS_ADMIN in a container): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	broker := rig.StartBroker(t, dir, "log.segment.bytes=1048576", "log.index.size.max.bytes=65536",
		"offsets.topic.num.partitions=2", "transaction.state.log.num.partitions=2",
		"offsets.topic.segment.bytes=1048576", "transaction.state.log.segment.bytes=1048576")
	s := newReal(t, broker.Addr, rig.Registry(t), orgsim.Config{Seed: 3201})
	r := s.start(s.config())
	r.readyWithin(30 * time.Second)
	stop := s.busy(300)
	t.Cleanup(stop)
	time.Sleep(2 * time.Second)
	filler := filepath.Join(data, "filler")
	for size := 1 << 20; size > 0; size /= 32 { // to the last byte
		if err := writeAll(filler+strconv.Itoa(size), make([]byte, size)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	s.until(time.Minute, "the bridge notices", func() bool {
		return r.problem("kafka") != "" || r.problem("group") != ""
	})
	t.Log(r.b.Problems())
	time.Sleep(2 * time.Second)
	full, err := filepath.Glob(filler + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range full {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	broker.Kill() // if it still runs
	broker.Start()
	time.Sleep(3 * time.Second)
	stop()
	_, v := s.complete(2 * time.Minute)
	if v.ChangesMade < 1000 {
		t.Errorf("%d changes: this tested little", v.ChangesMade)
	}
	t.Logf("%d changes, %d records", v.ChangesMade, v.RecordsCommitted)
	r.readyWithin(30 * time.Second)
	r.stop()
}
