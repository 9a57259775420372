// Package memnet is a network inside the process: listeners and dialling over
// net.Pipe, without sockets, so that whole systems run inside a
// testing/synctest bubble. It knows nothing of what is spoken over it.
package memnet

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network joins dialling and listening by address. The zero Network is ready.
type Network struct {
	mu        sync.Mutex // guards all below
	listeners map[string]*Listener
}

// Listen opens an address, such as org.test:7443; the name means nothing.
func (n *Network) Listen(addr string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("listen %s: address in use", addr)
	}
	l := &Listener{network: n, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	if n.listeners == nil {
		n.listeners = map[string]*Listener{}
	}
	n.listeners[addr] = l
	return l, nil
}

// Dial connects to a listener. It has the form of net.Dialer.DialContext.
func (n *Network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: memAddr(addr), Err: errRefused}
	}
	return l.dial(ctx)
}

// DialAddr is Dial for users that name no network, such as gRPC.
func (n *Network) DialAddr(ctx context.Context, addr string) (net.Conn, error) {
	return n.Dial(ctx, "mem", addr)
}

// Listener hands in-memory connections to a server.
type Listener struct {
	network *Network
	addr    string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

var errRefused = fmt.Errorf("connection refused")

func (l *Listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- &conn{server, memAddr(l.addr), memAddr("client")}:
		return &conn{client, memAddr("client"), memAddr(l.addr)}, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: memAddr(l.addr), Err: errRefused}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; the address is free again.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.addr)
	})
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return memAddr(l.addr) }

// conn gives a pipe the addresses of its ends.
type conn struct {
	net.Conn
	local, remote memAddr
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// memAddr is an address on a Network.
type memAddr string

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return string(a) }
