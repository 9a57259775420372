package salesforce

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport returns a transport for the calls to an org that takes back what
// has not left this machine yet: when a call is given up, or the process ends,
// its connection is reset, so that the kernel throws away what waits in its
// buffers. An orderly close would send it still, after minutes perhaps, when
// the network is back and another process has written newer values.
//
// For the same reason a connection carries one call at a time: HTTP/1.1. A nil
// dial is net.Dialer's.
func NewTransport(dial func(ctx context.Context, network, address string) (net.Conn, error), conf *tls.Config) *http.Transport {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
				tcp.SetLinger(0) // on failure the close is an orderly one
			}
			return conn, err
		},
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   10 * time.Second,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}
