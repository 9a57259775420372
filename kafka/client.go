package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go/protocol"
)

// Config says how to reach a cluster.
type Config struct {
	// Brokers are the addresses (host:port) to start from; the cluster tells the others.
	Brokers []string
	// ClientID names this program in the brokers' logs and quotas. Default "sfbridge".
	ClientID string
	// TLS, when not nil, encrypts every connection. An empty ServerName is filled with the broker's host name.
	TLS *tls.Config
	// SASL logs in on every connection.
	SASL SASLConfig
	// Compression of what is written: none, gzip, snappy, lz4 (the default) or zstd.
	Compression string
	// Dial opens connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Logger, nil for none.
	Logger *slog.Logger
	// Registerer of metrics, nil for none.
	Registerer prometheus.Registerer
}

const (
	dialTimeout    = 10 * time.Second
	requestTimeout = 10 * time.Second // for requests that the broker answers at once
)

// Client is a connection pool and what it knows about one cluster. It is safe for concurrent use.
type Client struct {
	cfg     Config
	pack    packer
	log     *slog.Logger
	metrics *metrics
	pool    *pool
	cluster *cluster
	limits  limits

	mu     sync.Mutex // guards closed and members
	closed bool
	groups map[*Group]struct{}
}

// New returns a client. It does not connect; Ping does.
func New(cfg Config) (*Client, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("kafka brokers: none given")
	}
	for _, b := range cfg.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return nil, fmt.Errorf("kafka broker %q: want host:port: %w", b, err)
		}
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "sfbridge"
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := parseCompression(cfg.Compression)
	if err != nil {
		return nil, err
	}
	if err := cfg.SASL.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:     cfg,
		pack:    packer{codec: codec},
		log:     cfg.Logger.With("component", "kafka"),
		metrics: newMetrics(cfg.Registerer),
		groups:  map[*Group]struct{}{},
	}
	c.pool = newPool(c.connect)
	c.cluster = newCluster()
	return c, nil
}

// Close ends every connection; calls in progress fail with ErrClosed. Groups of this client are left first. Close may be
// called twice.
func (c *Client) Close() error {
	c.mu.Lock()
	groups := make([]*Group, 0, len(c.groups))
	for g := range c.groups {
		groups = append(groups, g)
	}
	c.closed = true
	c.mu.Unlock()
	var errs []error
	for _, g := range groups {
		errs = append(errs, g.Close())
	}
	c.pool.close()
	return join(errs...)
}

// Ping connects to the cluster, logs in and asks for its brokers. A wrong address, a refused login and a TLS mismatch come
// back as an *Error with a hint.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.refreshBrokers(ctx); err != nil {
		return c.explain(fmt.Sprintf("reach kafka at %s", joinAddrs(c.cfg.Brokers)), err)
	}
	return nil
}

// call sends one request to addr and returns the response. A pooled connection that turns out to have been closed by the
// broker while it was idle is replaced once, so callers see connection errors only when a fresh connection fails too. That
// makes every request sent through call one that may be carried out twice.
func (c *Client) call(ctx context.Context, addr string, timeout time.Duration, req protocol.Message) (protocol.Message, error) {
	var res protocol.Message
	err := c.onConn(ctx, addr, timeout, func(cn *conn) (err error) {
		res, err = cn.roundTrip(req)
		return err
	})
	return res, err
}

// onConn runs fn on a connection to addr within timeout, and once more on a fresh one if a used one was found broken.
func (c *Client) onConn(ctx context.Context, addr string, timeout time.Duration, fn func(*conn) error) error {
	used, err := c.onConnOnce(ctx, addr, timeout, fn)
	if _, broken := errors.AsType[*connError](err); broken && used && ctx.Err() == nil {
		_, err = c.onConnOnce(ctx, addr, timeout, fn)
	}
	return err
}

// onConnOnce runs fn on one connection and tells whether that had been used before.
func (c *Client) onConnOnce(ctx context.Context, addr string, timeout time.Duration, fn func(*conn) error) (used bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cn, used, err := c.pool.get(ctx, addr)
	if err != nil {
		return used, err
	}
	err = cn.do(ctx, func() error { return fn(cn) })
	c.pool.put(cn)
	if err != nil && cn.broken.Load() {
		c.pool.dropIdle(addr)
	}
	return used, err
}
