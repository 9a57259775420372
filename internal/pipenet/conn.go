package pipenet

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pair is one connection: two ends and a stream each way.
type pair struct {
	net       *Network
	key       string
	near, far *Conn

	mu   sync.Mutex
	open int // ends not yet closed, guarded by mu
}

func newPair(n *Network, key string, local pipeAddr, f *fault) *pair {
	p := &pair{net: n, key: key, open: 2}
	out, in := newStream(f), newStream(f)
	p.near = &Conn{pair: p, in: in, out: out, local: local, remote: pipeAddr(key)}
	p.far = &Conn{pair: p, in: out, out: in, local: pipeAddr(key), remote: local}
	return p
}

// reset breaks both directions at once, as an RST does.
func (p *pair) reset() {
	p.near.in.breakWith(syscall.ECONNRESET)
	p.near.out.breakWith(syscall.ECONNRESET)
	p.net.forget(p)
}

func (p *pair) endClosed() {
	p.mu.Lock()
	p.open--
	last := p.open == 0
	p.mu.Unlock()
	if last {
		p.net.forget(p)
	}
}

// Conn is one end of a connection. Reads, writes and Close may run at once.
type Conn struct {
	pair          *pair
	in, out       *stream
	local, remote pipeAddr
	once          sync.Once
	abort         atomic.Bool // Close resets
}

// Read takes what has arrived, waiting if nothing has. It ends with io.EOF once
// the peer has closed and all is read, or with a net.Error on a reset, a
// deadline or a Close of this end.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// Write puts all of b on its way, waiting while the buffer is full.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// SetLinger with 0 makes Close throw away what is under way to the peer, and
// reset the connection, as TCP's SO_LINGER does.
func (c *Conn) SetLinger(seconds int) error {
	c.abort.Store(seconds == 0)
	return nil
}

// Close ends both directions: the peer reads what is under way and then io.EOF.
func (c *Conn) Close() error {
	c.once.Do(func() {
		if c.abort.Load() {
			c.out.breakWith(syscall.ECONNRESET)
		}
		c.out.closeWrite()
		c.in.closeRead()
		c.pair.endClosed()
	})
	return nil
}

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; the zero time takes them away.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

// SetReadDeadline sets the time after which Read gives up.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	return nil
}

// SetWriteDeadline sets the time after which Write gives up.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
