package kafkatest

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
)

// apiProduce is the protocol's key of Produce requests.
const apiProduce = 0

// Flaky breaks connections in ways that a rolled broker does. It wraps a dial function, so it needs no listener and the
// addresses that brokers advertise stay true.
type Flaky struct {
	// CloseAfterProduce closes the connection after every n-th Produce request has been passed on whole: the broker
	// carries it out and nobody hears of it. 0 for never.
	CloseAfterProduce int
	// CloseAfter does the same to requests of other kinds, by API key: 26 is EndTxn.
	CloseAfter map[int16]int
	// Deaf makes the client hear nothing more on the connection, instead of closing it: the broker surely carries the
	// request out.
	Deaf bool
	// OnClose, when not nil, is called after each time, with the API key.
	OnClose func(api int16)

	mu     sync.Mutex // guards what follows
	seen   map[int16]int
	closed int
}

// Closed counts the connections broken so far.
func (f *Flaky) Closed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// Dial wraps dial.
func (f *Flaky) Dial(dial DialFunc) DialFunc {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &flakyConn{Conn: c, flaky: f}, nil
	}
}

// count notes a request and tells whether the connection shall break after it.
func (f *Flaky) count(api int16) bool {
	every := f.CloseAfter[api]
	if api == apiProduce {
		every = f.CloseAfterProduce
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[int16]int{}
	}
	f.seen[api]++
	if every == 0 || f.seen[api]%every != 0 {
		return false
	}
	f.closed++
	return true
}

// flakyConn watches the requests that go by. Writes come from one goroutine at a time.
type flakyConn struct {
	net.Conn
	flaky *Flaky
	head  []byte // first six bytes of the request under way: length and API key
	left  int    // bytes of it still to come, once head is whole
	deaf  atomic.Bool
}

// Read passes on what the broker says, until the connection has gone deaf.
func (c *flakyConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.deaf.Load() {
			return n, err
		}
	}
}

// Write passes b on and breaks the connection when a request that is to be the last has gone out whole.
func (c *flakyConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	for rest := b[:n]; len(rest) > 0; {
		if len(c.head) < 6 {
			k := min(6-len(c.head), len(rest))
			c.head = append(c.head, rest[:k]...)
			rest = rest[k:]
			if len(c.head) < 6 {
				break
			}
			c.left = int(binary.BigEndian.Uint32(c.head)) - 2
		}
		k := min(c.left, len(rest))
		c.left -= k
		rest = rest[k:]
		if c.left == 0 {
			api := int16(binary.BigEndian.Uint16(c.head[4:]))
			c.head = c.head[:0]
			if c.flaky.count(api) {
				if c.flaky.Deaf {
					c.deaf.Store(true)
				} else {
					c.Conn.Close()
				}
				if c.flaky.OnClose != nil {
					c.flaky.OnClose(api)
				}
				if !c.flaky.Deaf {
					return n, net.ErrClosed
				}
			}
		}
	}
	return n, err
}
