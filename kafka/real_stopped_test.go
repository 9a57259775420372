//go:build integration

package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
)

// childEnv makes the test binary a member of a group instead: brokers, topic, topic of outcomes.
const childEnv = "SFBRIDGE_TEST_MEMBER"

func TestMain(m *testing.M) {
	if v := os.Getenv(childEnv); v != "" {
		f := strings.Fields(v)
		fmt.Println(member(f[0], f[1], f[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// member works off a topic, and prints a line for each effect that nobody could undo.
func member(brokers, in, out string) error {
	ctx := context.Background()
	c, err := kafka.New(kafka.Config{Brokers: []string{brokers}})
	if err != nil {
		return err
	}
	k, err := c.NewConsumer(ctx, realConsumer(in, out, func(cfg *kafka.ConsumerConfig) { cfg.SessionTimeout = 6 * time.Second }))
	if err != nil {
		return err
	}
	for {
		s, err := k.Next(ctx)
		if err != nil {
			return err
		}
		fmt.Println("share", len(s.Partitions))
		work(ctx, s, out)
		end, stop := context.WithTimeout(ctx, 5*time.Second)
		s.Close(end)
		stop()
	}
}

func work(ctx context.Context, s *kafka.Share, out string) {
	for {
		ds, err := s.Poll(ctx)
		if err != nil {
			return
		}
		for _, d := range ds {
			select {
			case <-s.Done():
				return
			default:
			}
			if !s.Held() {
				return
			}
			fmt.Println("effect", d.Offset)
			time.Sleep(50 * time.Millisecond)
			d.Settle(realOutcome(out, d))
		}
	}
}

// child is such a process and what it has said.
type child struct {
	cmd  *exec.Cmd
	said chan string
}

func startMember(t *testing.T, cluster *kafkatest.Cluster, in, out string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ch := &child{cmd: exec.Command(exe), said: make(chan string, 1000)}
	ch.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", childEnv, cluster.Brokers[0], in, out))
	stdout, err := ch.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() {
		defer close(ch.said)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			ch.said <- lines.Text()
		}
	})
	t.Cleanup(func() {
		ch.cmd.Process.Kill()
		read.Wait()
		ch.cmd.Wait()
	})
	return ch
}

// until reads lines until one has the prefix.
func (ch *child) until(t *testing.T, prefix string) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case line, ok := <-ch.said:
			if !ok {
				t.Fatalf("the member has ended before it said %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		case <-deadline:
			t.Fatalf("no %q for a minute", prefix)
		}
	}
}

// C41 with the signals of the case: 100 updates of one key at 50 ms each, and kill -STOP for longer than the session in the
// middle. The member that was stopped does nothing more once it goes on, and each update has one outcome, in order.
func TestC41_Real_ProcessStopped_SuccessorGoesOnAndNothingIsDoneTwice(t *testing.T) {
	cluster := kafkatest.Real(t)
	in, out := cluster.Topic(t, 1, nil), cluster.Topic(t, 1, nil)
	const n = 100
	produce(t, cluster, in, 0, 0, n)
	first := startMember(t, cluster, in, out)
	first.until(t, "effect 20")
	second := startMember(t, cluster, in, out)
	first.until(t, "share") // the second has joined
	time.Sleep(300 * time.Millisecond)
	signal := func(ch *child, s syscall.Signal) {
		if err := ch.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	owner, other := first, second
	select { // whoever has the partition
	case line := <-second.said:
		if line == "share 1" {
			owner, other = second, first
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the second member has no share")
	}
	owner.until(t, "effect")
	signal(owner, syscall.SIGSTOP)
	other.until(t, "effect")
	for len(owner.said) > 0 { // what it had said before it was stopped
		<-owner.said
	}
	signal(owner, syscall.SIGCONT)
	if line := <-owner.said; !strings.HasPrefix(line, "share") {
		t.Errorf("after it was stopped, and has lost its partition, the member says %q", line)
	}
	c := newClient(t, cluster)
	deadline := time.Now().Add(60 * time.Second)
	for groupOffsetOf(t, c, in) < n && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%s/0/%d", in, i))
	}
	if got := recordValues(readAll(t, c, out, 0)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d outcomes, want %d in order: %v", len(got), n, got)
	}
}

func groupOffsetOf(t *testing.T, c *kafka.Client, in string) int64 {
	t.Helper()
	o, err := c.GroupOffsets(t.Context(), in, in)
	if err != nil {
		t.Fatal(err)
	}
	return o[0]
}
