package pubsub

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// pool spreads calls over connections. An HTTP/2 peer allows a number of
// streams at once, and grpc-go lets the next one wait for ever: so a connection
// takes StreamsPerConn calls and then another connection is opened.
type pool struct {
	cfg     *Config
	metrics *metrics

	mu     sync.Mutex // guards what follows
	conns  []*pooled
	closed bool
}

// pooled is one connection and the calls on it.
type pooled struct {
	cc    *grpc.ClientConn
	calls int
	room  int       // calls that it takes; sinks when the peer turns out to allow fewer
	sunk  time.Time // when it last sank
}

// forgetRoom is the age at which a lower limit is tried anew: the peer of a
// connection changes each time that it reconnects.
const forgetRoom = 10 * time.Minute

// better tells whether a call should rather go to c than to best: one that is
// not failing right now, and of those the one with the fewest calls.
func (c *pooled) better(best *pooled) bool {
	if best == nil {
		return true
	}
	failing := func(p *pooled) bool { return p.cc.GetState() == connectivity.TransientFailure }
	if a, b := failing(c), failing(best); a != b {
		return b
	}
	return c.calls < best.calls
}

// take returns the best connection that has room, or a new one if all are
// full. Each take needs one give.
func (p *pool) take() (*pooled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	var best *pooled
	for _, c := range p.conns {
		if c.room < p.cfg.StreamsPerConn && time.Since(c.sunk) > forgetRoom {
			c.room = p.cfg.StreamsPerConn
		}
		if c.calls < c.room && c.better(best) {
			best = c
		}
	}
	if best == nil {
		cc, err := dial(p.cfg)
		if err != nil {
			return nil, err
		}
		best = &pooled{cc: cc, room: p.cfg.StreamsPerConn}
		p.conns = append(p.conns, best)
		p.metrics.conns.Inc()
	}
	best.calls++
	p.metrics.streams.Inc()
	return best, nil
}

// give ends a call. full says that the call got no stream although it waited
// on a live connection: the peer allows fewer than was thought.
func (p *pool) give(c *pooled, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.calls--
	p.metrics.streams.Dec()
	if full && c.calls > 0 {
		c.room, c.sunk = min(c.room, c.calls), time.Now()
	}
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.cc.Close())
		p.metrics.conns.Dec()
	}
	p.conns = nil
	return errors.Join(errs...)
}

// dial prepares a connection; it connects when the first call needs it.
func dial(cfg *Config) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if !cfg.Plaintext {
		creds = credentials.NewTLS(cfg.TLS)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		// A caller that does not ask leaves at most a window of its stream in
		// memory. The connection's window is given back as data arrives, so a
		// stream that waits does not hold up its neighbours.
		grpc.WithStaticStreamWindowSize(int32(cfg.WindowBytes)),
		grpc.WithStaticConnWindowSize(int32(max(4*cfg.WindowBytes, 1<<20))),
		// The codec enforces the real limit; this one keeps memory bounded.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(2 * cfg.MaxMessageBytes)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 10 * time.Second},
			MinConnectTimeout: 20 * time.Second,
		}),
	}
	if cfg.PingEvery > 0 {
		// Finds a path that was cut silently, as NATs and load balancers do. A
		// server that answers GOAWAY too_many_pings makes grpc-go ping half as
		// often.
		opts = append(opts, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cfg.PingEvery, Timeout: cfg.PingTimeout}))
	}
	target := "dns:///" + cfg.Endpoint
	if cfg.Dial != nil {
		target = "passthrough:///" + cfg.Endpoint
		opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return cfg.Dial(ctx, addr)
		}))
	}
	return grpc.NewClient(target, opts...)
}
