package pipenet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"sfbridge/internal/pipenet"
)

// pair opens one connection over a fresh network.
func pair(t *testing.T, n *pipenet.Network) (near, far net.Conn) {
	t.Helper()
	l, err := n.Listen("tcp", "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	near, err = n.Dial(t.Context(), "tcp", "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close(); l.Close() })
	return near, far
}

// The Go project's own conformance suite for net.Conn.
func TestConn_BehavesAsNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := pipenet.New()
		l, err := n.Listen("tcp", "localhost:0")
		if err != nil {
			return nil, nil, nil, err
		}
		if c1, err = n.Dial(context.Background(), "tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
	})
}

func TestDial_BothEndsWriteFirst_NoDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, pipenet.New())
		msg := make([]byte, 64<<10)
		for _, c := range []net.Conn{near, far} {
			if _, err := c.Write(msg); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []net.Conn{near, far} {
			if _, err := io.ReadFull(c, msg); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestClose_PeerReadsTheRestThenEOF(t *testing.T) {
	near, far := pair(t, pipenet.New())
	if _, err := near.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	near.Close()
	got, err := io.ReadAll(far)
	if err != nil || string(got) != "last words" {
		t.Fatalf("ReadAll = %q, %v; want the last words and no error", got, err)
	}
	if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("write to a closed peer: %v, want EPIPE", err)
	}
}

func TestDial_NobodyListens_Refused(t *testing.T) {
	n := pipenet.New()
	if _, err := n.Dial(t.Context(), "tcp", "nowhere:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial: %v, want ECONNREFUSED", err)
	}
	l, err := n.Listen("tcp", "here:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("tcp", "here:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("second listen: %v, want EADDRINUSE", err)
	}
	l.Close()
	if _, err := n.Listen("tcp", "here:1"); err != nil {
		t.Fatalf("listen after close: %v", err)
	}
}

func TestListener_Close_EndsAcceptAndResetsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		l, err := n.Listen("tcp", "a:1")
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.Dial(t.Context(), "tcp", "a:1")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read on a connection nobody accepted: %v, want ECONNRESET", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v, want net.ErrClosed", err)
		}
		if got := n.Conns("a:1"); got != 0 {
			t.Errorf("Conns = %d after the reset, want 0", got)
		}
	})
}

func TestWrite_FullBuffer_WaitsForReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, pipenet.New())
		done := make(chan error, 1)
		go func() {
			_, err := near.Write(make([]byte, 1<<20))
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("1 MiB was written without a reader: %v", err)
		default:
		}
		if _, err := io.CopyN(io.Discard, far, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestCut_ResetsBothEnds_DialWorksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		near, far := pair(t, n)
		n.Cut("broker:9092")
		for _, c := range []net.Conn{near, far} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v, want ECONNRESET", err)
			}
		}
		c, err := n.Dial(t.Context(), "tcp", "broker:9092")
		if err != nil {
			t.Fatalf("dial after cut: %v", err)
		}
		c.Close()
	})
}

func TestBlackhole_SilenceUntilHeal_ThenAllArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		near, far := pair(t, n)
		n.Blackhole("broker:9092")
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatalf("a write into a blackhole fills the buffer: %v", err)
		}
		near.Close()
		far.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := far.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v, want the deadline", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := n.Dial(ctx, "tcp", "broker:9092")
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Fatalf("dial into a blackhole: %v, want a time-out", err)
		}
		n.Heal("broker:9092")
		far.SetReadDeadline(time.Time{})
		got, err := io.ReadAll(far)
		if err != nil || string(got) != "hello" {
			t.Fatalf("after Heal: %q, %v; want hello", got, err)
		}
	})
}

func TestRefuse_NewDialsFail_OpenOnesLive(t *testing.T) {
	n := pipenet.New()
	near, far := pair(t, n)
	n.Refuse("broker:9092")
	if _, err := n.Dial(t.Context(), "tcp", "broker:9092"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial: %v, want ECONNREFUSED", err)
	}
	if _, err := near.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestLatency_DelaysEachWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		near, far := pair(t, n)
		n.Latency("broker:9092", 25*time.Millisecond)
		start := time.Now()
		go func() {
			b := make([]byte, 4)
			if _, err := io.ReadFull(far, b); err == nil {
				far.Write(b)
			}
		}()
		near.Write([]byte("ping"))
		if _, err := io.ReadFull(near, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 50*time.Millisecond {
			t.Fatalf("round trip took %v, want 50ms", got)
		}
	})
}
