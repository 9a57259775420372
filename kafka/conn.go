package kafka

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// conn is one connection to a broker, used by one request at a time.
type conn struct {
	addr     string
	clientID string
	nc       net.Conn // TLS, or the same as raw
	raw      net.Conn
	rw       readWriter
	versions map[protocol.ApiKey]int16
	lastID   int32 // correlation id of the last request
	// stableOffsets tells that the broker can be asked for decided offsets only (OffsetFetch version 7).
	stableOffsets bool
	lastUsed      time.Time
	expires       time.Time // when the broker ends the login (KIP-368), or zero
	broken        atomic.Bool
	closing       atomic.Bool // closed by us
}

// readWriter is what kafka-go's protocol functions want.
type readWriter struct {
	*bufio.Reader
	net.Conn
}

func (rw readWriter) Read(b []byte) (int, error) { return rw.Reader.Read(b) }

// connect opens a connection, encrypts it, learns the broker's versions and logs in.
func (c *Client) connect(ctx context.Context, addr string) (_ *conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer func() { c.metrics.connects.WithLabelValues(outcomeOf(err)).Inc() }()

	raw, err := c.cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, &connError{addr: addr, step: "dial", err: err}
	}
	cn := &conn{addr: addr, clientID: c.cfg.ClientID, raw: raw, nc: raw}
	if c.cfg.TLS != nil {
		cn.nc = tls.Client(raw, tlsFor(c.cfg.TLS, addr))
	}
	cn.rw = readWriter{bufio.NewReaderSize(cn.nc, 16<<10), cn.nc}
	if err := cn.do(ctx, func() error { return c.greet(ctx, cn) }); err != nil {
		cn.close()
		return nil, err
	}
	return cn, nil
}

func outcomeOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// greet does what comes before the first request.
func (c *Client) greet(ctx context.Context, cn *conn) error {
	if t, ok := cn.nc.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return &connError{addr: cn.addr, step: "TLS handshake with", err: err}
		}
	}
	if err := cn.negotiate(); err != nil {
		return during("greet", err)
	}
	return during("log in at", c.login(ctx, cn))
}

// during renames the step that a connection broke in.
func during(step string, err error) error {
	if ce, ok := errors.AsType[*connError](err); ok {
		ce.step = step
	}
	return err
}

// negotiate learns which version of each request both sides speak (ApiVersions, KIP-35).
func (cn *conn) negotiate() error {
	m, err := cn.roundTrip(&apiversions.Request{})
	if err != nil {
		return err
	}
	res := m.(*apiversions.Response)
	if err := brokerError(res.ErrorCode); err != nil {
		return fmt.Errorf("negotiate versions with %s: %w", cn.addr, err)
	}
	cn.versions = make(map[protocol.ApiKey]int16, len(res.ApiKeys))
	for _, k := range res.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		cn.versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
		if key == protocol.OffsetFetch {
			cn.stableOffsets = k.MinVersion <= stableFetchVersion && k.MaxVersion >= stableFetchVersion
		}
	}
	// The first two are read by our own parser (heartbeat.go), which stops before the flexible versions; of the third
	// kafka-go writes the flexible version with a length of the other kind.
	for key, newest := range map[protocol.ApiKey]int16{protocol.Heartbeat: 3, protocol.LeaveGroup: 3, protocol.AddOffsetsToTxn: 2} {
		cn.versions[key] = min(cn.versions[key], newest)
	}
	return nil
}

// do runs fn while ctx lasts. Any error of the connection leaves it broken: a response may still be on its way, and would
// be taken for that of the next request.
func (cn *conn) do(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, limited := ctx.Deadline()
	if err := cn.nc.SetDeadline(deadline); err != nil {
		return cn.fail("use", err)
	}
	stop := context.AfterFunc(ctx, func() { cn.nc.SetDeadline(time.Unix(1, 0)) })
	err := fn()
	if !stop() {
		cn.broken.Store(true) // its deadline is, or soon will be, in the past
	}
	if err == nil {
		return nil
	}
	// The connection's timer may be a moment ahead of the context's.
	cause := ctx.Err()
	if cause == nil && limited && errors.Is(err, os.ErrDeadlineExceeded) {
		cause = context.DeadlineExceeded
	}
	if cause == nil {
		return err
	}
	step := "wait for"
	if ce, ok := errors.AsType[*connError](err); ok {
		step = ce.step
	}
	return &connError{addr: cn.addr, step: step, err: cause}
}

// roundTrip sends a request in the newest version that both sides know and reads its response. It is called inside do.
func (cn *conn) roundTrip(req protocol.Message) (protocol.Message, error) {
	version := cn.versions[req.ApiKey()]
	if p, ok := req.(protocol.PreparedMessage); ok {
		p.Prepare(version)
	}
	cn.lastID++
	res, err := protocol.RoundTrip(cn.rw, version, cn.lastID, cn.clientID, req)
	if err != nil {
		return nil, cn.fail("call", err)
	}
	return res, nil
}

// fail marks the connection as broken and wraps its error.
func (cn *conn) fail(step string, err error) error {
	if cn.closing.Load() {
		return ErrClosed
	}
	cn.broken.Store(true)
	return &connError{addr: cn.addr, step: step, err: err}
}

func (cn *conn) stale(now time.Time) bool {
	return now.Sub(cn.lastUsed) > idleTimeout || !cn.expires.IsZero() && now.After(cn.expires)
}

// close ends the connection. A broken one is reset rather than closed, so that what the kernel still holds of a request
// that its caller gave up on is thrown away instead of being delivered later.
func (cn *conn) close() {
	cn.closing.Store(true)
	if cn.broken.Load() {
		if tcp, ok := cn.raw.(interface{ SetLinger(sec int) error }); ok {
			tcp.SetLinger(0)
		}
		cn.raw.Close()
		return
	}
	cn.nc.Close()
}

// tlsFor fills in the server's name, which must be that of the broker connected to.
func tlsFor(cfg *tls.Config, addr string) *tls.Config {
	if cfg.ServerName != "" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr)
	return cfg
}
