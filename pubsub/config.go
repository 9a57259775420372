package pubsub

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/salesforce/auth"
)

// DefaultEndpoint is the global endpoint; it routes to the org's region.
const DefaultEndpoint = "api.pubsub.salesforce.com:7443"

// session gives tokens; *auth.Session is one.
type session interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(auth.Token)
}

// Config says how to reach the Pub/Sub API for one org.
type Config struct {
	Endpoint  string      // host:port; default DefaultEndpoint
	TLS       *tls.Config // nil: the system's roots
	Plaintext bool        // no TLS; for a loopback endpoint only
	Session   session     // where tokens come from, shared with the org's other clients

	// StreamsPerConn is how many calls share one HTTP/2 connection before
	// another is opened; default 100, which servers commonly allow.
	StreamsPerConn int
	// KeepalivePeriod is the longest that the server stays silent on a stream
	// that has credit; default 270 s (Pub/Sub API guide). A stream that is
	// silent for two periods is reopened.
	KeepalivePeriod time.Duration
	// PingEvery is the time without traffic after which a connection with
	// open calls is probed by an HTTP/2 ping; default 60 s, at least 10 s,
	// negative for never. PingTimeout is how long the answer may take; default
	// 20 s.
	PingEvery   time.Duration
	PingTimeout time.Duration
	// OpenTimeout bounds how long opening one stream may take, connecting
	// included, and one attempt of a unary call; default 30 s.
	OpenTimeout time.Duration

	// Dial connects to the endpoint; nil uses TCP, through the proxy that the
	// environment names, if any.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	MaxMessageBytes int // of one response; default 8 MiB, the service sends up to about 3 MB
	// WindowBytes is how much of one stream the transport holds for a caller
	// that does not ask; default 256 KiB, at least 64 KiB.
	WindowBytes int

	ClientTraceID string // sent as x-client-trace-id, if not empty
	Logger        *slog.Logger
	// Registerer takes the client's metrics; nil keeps none. With several
	// orgs, wrap it so that each has a label of its own.
	Registerer prometheus.Registerer
}

// check fills in defaults and refuses what cannot work.
func (c *Config) check() error {
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	host, _, err := net.SplitHostPort(c.Endpoint)
	if err != nil {
		return fmt.Errorf("pubsub endpoint %q: want host:port, such as %s", c.Endpoint, DefaultEndpoint)
	}
	if c.Plaintext && !auth.Loopback(host) {
		return fmt.Errorf("pubsub endpoint %q: without TLS only a loopback address is allowed, since the token would be shown to the network", c.Endpoint)
	}
	if c.Session == nil {
		return fmt.Errorf("pubsub: Session is missing")
	}
	c.StreamsPerConn = orDefault(c.StreamsPerConn, 100)
	c.KeepalivePeriod = orDefault(c.KeepalivePeriod, 270*time.Second)
	if c.PingEvery == 0 {
		c.PingEvery = time.Minute
	}
	c.PingTimeout = orDefault(c.PingTimeout, 20*time.Second)
	c.OpenTimeout = orDefault(c.OpenTimeout, 30*time.Second)
	c.MaxMessageBytes = orDefault(c.MaxMessageBytes, 8<<20)
	c.WindowBytes = max(orDefault(c.WindowBytes, 256<<10), 64<<10)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
