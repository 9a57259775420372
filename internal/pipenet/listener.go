package pipenet

import (
	"net"
	"sync"
)

// listener hands out the far ends of dialled connections.
type listener struct {
	net    *Network
	addr   pipeAddr
	queue  chan *Conn
	closed chan struct{}
	once   sync.Once
}

// Accept waits for the next connection, or for Close.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, opError("accept", l.addr, net.ErrClosed)
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, opError("accept", l.addr, net.ErrClosed)
	}
}

// Close frees the address. Connections that nobody accepted are reset;
// accepted ones live on.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, string(l.addr))
		l.net.mu.Unlock()
		close(l.closed)
		l.resetQueued()
	})
	return nil
}

func (l *listener) resetQueued() {
	for {
		select {
		case c := <-l.queue:
			c.pair.reset()
		default:
			return
		}
	}
}

// Addr is the address with the port that was taken.
func (l *listener) Addr() net.Addr { return l.addr }
