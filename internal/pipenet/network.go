// Package pipenet is a network inside one process: listeners and connections by
// address, over memory. Nothing in it touches a socket, and it waits only in
// ways that testing/synctest understands, so whole systems of clients and
// servers run inside one bubble and days pass in seconds.
//
// Connections are buffered as TCP's are, because gRPC and Kafka peers may both
// write before either reads, which an unbuffered net.Pipe turns into a deadlock.
// A Network has to be made inside the bubble that uses it.
package pipenet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"syscall"
)

const (
	firstPort     = 20000 // for listeners that ask for port 0
	firstDialPort = 40000 // for the near end of dialled connections
	backlog       = 128   // connections that wait for Accept
)

// Network holds listeners by address. Its Listen and Dial have the shapes of
// net.Listen and of net.Dialer.DialContext.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener          // guarded by mu, as all below
	pairs     map[string]map[*pair]struct{} // live connections by dialled address
	faults    map[string]*fault
	nextPort  int
	nextDial  int
}

// New returns an empty network.
func New() *Network {
	return &Network{
		listeners: make(map[string]*listener),
		pairs:     make(map[string]map[*pair]struct{}),
		faults:    make(map[string]*fault),
		nextPort:  firstPort,
		nextDial:  firstDialPort,
	}
}

// Listen opens a listener on addr, host:port with any host name; port 0 takes a
// free one, which Addr tells. The network's name is not looked at.
func (n *Network) Listen(network, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		port = n.freePort(host)
	}
	key := canonical(net.JoinHostPort(host, port))
	if _, taken := n.listeners[key]; taken {
		return nil, opError("listen", pipeAddr(key), syscall.EADDRINUSE)
	}
	l := &listener{net: n, addr: pipeAddr(key), queue: make(chan *Conn, backlog), closed: make(chan struct{})}
	n.listeners[key] = l
	return l, nil
}

// freePort picks the next port that nobody listens on. Callers hold mu.
func (n *Network) freePort(host string) string {
	for {
		port := strconv.Itoa(n.nextPort)
		n.nextPort++
		if _, taken := n.listeners[canonical(net.JoinHostPort(host, port))]; !taken {
			return port
		}
	}
}

// Dial connects to the listener on addr. As with TCP, it returns as soon as the
// listener's queue has room, before Accept. Without a listener it is refused;
// into a blackhole it waits until ctx ends or the fault is healed.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	key := canonical(addr)
	if err := n.waitReachable(ctx, key); err != nil {
		return nil, opError("dial", pipeAddr(key), err)
	}
	l, near, far, err := n.connect(key)
	if err != nil {
		return nil, opError("dial", pipeAddr(key), err)
	}
	select {
	case l.queue <- far:
		return near, nil
	case <-l.closed:
		err = syscall.ECONNREFUSED
	case <-ctx.Done():
		err = ctx.Err()
	}
	near.pair.reset()
	return nil, opError("dial", pipeAddr(key), err)
}

// connect makes a pair of connections to the listener of key and lists it.
func (n *Network) connect(key string) (l *listener, near, far *Conn, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.listeners[key]
	if !ok {
		return nil, nil, nil, syscall.ECONNREFUSED
	}
	local := pipeAddr("127.0.0.1:" + strconv.Itoa(n.nextDial))
	n.nextDial++
	p := newPair(n, key, local, n.faults[key])
	if n.pairs[key] == nil {
		n.pairs[key] = make(map[*pair]struct{})
	}
	n.pairs[key][p] = struct{}{}
	return l, p.near, p.far, nil
}

// forget takes a connection whose two ends are closed off the list.
func (n *Network) forget(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pairs[p.key], p)
}

// Conns counts the connections to addr that are still open on either end.
func (n *Network) Conns(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pairs[canonical(addr)])
}

// canonical lets "localhost" and an empty host mean the loopback address.
func canonical(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch host {
	case "", "localhost", "::1":
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// pipeAddr is an address on a Network: host:port.
type pipeAddr string

// Network calls itself tcp, since some clients look at the word.
func (pipeAddr) Network() string  { return "tcp" }
func (a pipeAddr) String() string { return string(a) }

func opError(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: addr, Err: err}
}
