package orgsim

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// faultCredentials wrap each connection, after its TLS handshake, so that
// faults can act on HTTP/2 frames and on the connection itself.
type faultCredentials struct {
	credentials.TransportCredentials
}

func newFaultCredentials(cfg *tls.Config) credentials.TransportCredentials {
	if cfg == nil {
		return faultCredentials{insecure.NewCredentials()}
	}
	return faultCredentials{credentials.NewTLS(cfg)}
}

// ServerHandshake implements credentials.TransportCredentials.
func (c faultCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	fc := &faultConn{Conn: conn, closed: make(chan struct{})}
	return fc, connInfo{AuthInfo: info, conn: fc}, nil
}

// Clone implements credentials.TransportCredentials.
func (c faultCredentials) Clone() credentials.TransportCredentials {
	return faultCredentials{c.TransportCredentials.Clone()}
}

// connInfo lets a handler find the connection that its call came on.
type connInfo struct {
	credentials.AuthInfo
	conn *faultConn
}

// connOf is the connection of a call; nil on servers that are not ours.
func connOf(ctx context.Context) *faultConn {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(connInfo); ok {
			return info.conn
		}
	}
	return nil
}

// HTTP/2 frames: nine bytes of head (length of three bytes, type, flags,
// stream of four bytes), then the payload.
const (
	frameHead      = 9
	frameRSTStream = 3
	frameGoAway    = 7
)

// faultConn is a connection that can fall silent, and into whose stream of
// frames others can be put.
type faultConn struct {
	net.Conn
	closeOnce sync.Once
	closed    chan struct{}

	mu     sync.Mutex // guards all below, and the order of writes
	frozen bool
	head   []byte // of the frame being written, while incomplete
	left   int    // bytes of its payload still to come
	inject []byte // frames to write at the next boundary
	marker []byte // a frame that holds this is replaced by a reset of its stream
	held   []byte // a whole frame being collected while there is a marker
	passes bool   // the frame being written goes out as it comes
}

// freeze makes the connection half-open: what is written goes nowhere, and
// nothing is read any more.
func (c *faultConn) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = true
}

func (c *faultConn) isFrozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}

// resetOn replaces the next frame that holds the marker by a RST_STREAM.
func (c *faultConn) resetOn(marker []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marker = marker
}

// goAway puts a GOAWAY frame in, as soon as the frame being written is over.
func (c *faultConn) goAway(code uint32, debug string) error {
	f := make([]byte, frameHead+8, frameHead+8+len(debug))
	f[2], f[3] = byte(8+len(debug)), frameGoAway
	binary.BigEndian.PutUint32(f[frameHead:], 1<<31-1)
	binary.BigEndian.PutUint32(f[frameHead+4:], code)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inject = append(c.inject, append(f, debug...)...)
	return c.flushInjected()
}

// flushInjected writes what was put in, when between two frames.
func (c *faultConn) flushInjected() error {
	if len(c.inject) == 0 || c.left > 0 || len(c.head) > 0 {
		return nil
	}
	frames := c.inject
	c.inject = nil
	_, err := c.Conn.Write(frames)
	return err
}

// Write implements net.Conn: it follows the frames that pass.
func (c *faultConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen {
		return len(b), nil
	}
	if len(c.held) == 0 && c.marker == nil && len(c.inject) == 0 {
		c.follow(b)
		return c.Conn.Write(b)
	}
	for rest := b; len(rest) > 0; {
		n, end := c.step(rest)
		if err := c.writePart(rest[:n], end); err != nil {
			return len(b) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// step consumes bytes up to the end of the frame at most, and tells whether
// the frame ended there.
func (c *faultConn) step(b []byte) (n int, end bool) {
	if c.left == 0 {
		n = min(frameHead-len(c.head), len(b))
		c.head = append(c.head, b[:n]...)
		if len(c.head) < frameHead {
			return n, false
		}
		c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
		c.head = c.head[:0]
		if c.left == 0 {
			return n, true
		}
	}
	more := min(c.left, len(b)-n)
	c.left -= more
	return n + more, c.left == 0
}

// follow only keeps count of where frames begin and end.
func (c *faultConn) follow(b []byte) {
	for len(b) > 0 {
		n, end := c.step(b)
		b, c.passes = b[n:], !end
	}
}

// writePart writes a part of a frame, or holds it back until the frame is
// whole and can be compared with the marker.
func (c *faultConn) writePart(part []byte, end bool) error {
	if c.passes || c.marker == nil && len(c.held) == 0 {
		if _, err := c.Conn.Write(part); err != nil {
			return err
		}
		if c.passes = !end; end {
			return c.flushInjected()
		}
		return nil
	}
	c.held = append(c.held, part...)
	if !end {
		return nil
	}
	frame := c.held
	c.held = nil
	if c.marker != nil && bytes.Contains(frame, c.marker) {
		frame = resetFrame(frame)
		c.marker = nil
	}
	if _, err := c.Conn.Write(frame); err != nil {
		return err
	}
	return c.flushInjected()
}

// resetFrame is RST_STREAM with NO_ERROR for the stream of another frame.
func resetFrame(frame []byte) []byte {
	rst := make([]byte, frameHead+4)
	rst[2], rst[3] = 4, frameRSTStream
	copy(rst[5:frameHead], frame[5:frameHead])
	return rst
}

// Read implements net.Conn.
func (c *faultConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.isFrozen() {
		return n, err
	}
	<-c.closed
	return 0, net.ErrClosed
}

// Close implements net.Conn.
func (c *faultConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
