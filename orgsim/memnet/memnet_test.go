package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"sfbridge/orgsim/memnet"
)

func TestNetwork_DialAndListen_CarryBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		l, err := n.Listen("a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("a:1"); err == nil {
			t.Error("an address was opened twice")
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
		c, err := n.DialAddr(t.Context(), "a:1")
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr().String() != "a:1" || c.RemoteAddr().Network() != "mem" {
			t.Errorf("remote address %v", c.RemoteAddr())
		}
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "ping" {
			t.Errorf("read %q, %v", buf, err)
		}
		c.Close()
	})
}

func TestNetwork_ClosedOrUnknown_RefusedAndFreeAgain(t *testing.T) {
	var n memnet.Network
	l, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.DialAddr(ctx, "a:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial with nobody accepting: %v, want canceled", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	var op *net.OpError
	if _, err := n.DialAddr(t.Context(), "a:1"); !errors.As(err, &op) {
		t.Errorf("dial after close: %v, want a refusal", err)
	}
	if _, err := n.Listen("a:1"); err != nil {
		t.Errorf("listen again: %v", err)
	}
}
