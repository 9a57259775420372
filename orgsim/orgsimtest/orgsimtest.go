// Package orgsimtest starts simulated orgs for tests: on loopback sockets, or
// on an in-memory network inside of a testing/synctest bubble.
package orgsimtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"sfbridge/orgsim"
	"sfbridge/orgsim/memnet"
	"sfbridge/pubsub/pubsubpb"
)

// Token is an access token of the integration user that every started org
// accepts.
const Token = "00DSB!test-token"

// Running is an org that is being served.
type Running struct {
	Org        *orgsim.Org
	PubSubAddr string          // host:port of the Pub/Sub API, plain text
	HTTPURL    string          // base of login and REST; also the instance URL
	Net        *memnet.Network // nil for an org on loopback
}

// Start serves an org on loopback until the test ends.
func Start(t testing.TB, cfg orgsim.Config) *Running {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("listen: %v", err)
		}
		return l
	}
	pubsub, web := listen(), listen()
	return serve(t, cfg, pubsub, web, nil)
}

// StartMem serves an org on an in-memory network, at org.test:7443 (Pub/Sub)
// and org.test:80 (HTTP), until the test ends or Stop is called. It works
// inside a synctest bubble.
func StartMem(t testing.TB, cfg orgsim.Config) *Running {
	t.Helper()
	network := &memnet.Network{}
	listen := func(addr string) net.Listener {
		l, err := network.Listen(addr)
		if err != nil {
			t.Fatalf("listen: %v", err)
		}
		return l
	}
	return serve(t, cfg, listen("org.test:7443"), listen("org.test:80"), network)
}

func serve(t testing.TB, cfg orgsim.Config, pubsub, web net.Listener, network *memnet.Network) *Running {
	t.Helper()
	org, err := orgsim.New(cfg)
	if err != nil {
		t.Fatalf("new org: %v", err)
	}
	r := &Running{Org: org, PubSubAddr: pubsub.Addr().String(), HTTPURL: "http://" + web.Addr().String(), Net: network}
	org.SetInstanceURL(r.HTTPURL)
	r.Login()
	srv := &http.Server{Handler: org.HTTPHandler()}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := org.ServePubSub(pubsub, nil); err != nil {
			t.Errorf("serve pub/sub: %v", err)
		}
	})
	wg.Go(func() { _ = srv.Serve(web) }) // ends with ErrServerClosed
	t.Cleanup(func() {
		org.Close()
		_ = srv.Close()
		wg.Wait()
	})
	return r
}

// Login makes Token good again, after it expired or was revoked.
func (r *Running) Login() { r.Org.AddToken(Token, r.Org.IntegrationUser()) }

// Dial opens a gRPC connection to the org.
func (r *Running) Dial(t testing.TB) *grpc.ClientConn {
	t.Helper()
	opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	target := r.PubSubAddr
	if r.Net != nil {
		target = "passthrough:///" + target
		opts = append(opts, grpc.WithContextDialer(r.Net.DialAddr))
	}
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Client is a bare Pub/Sub client of the org.
func (r *Running) Client(t testing.TB) pubsubpb.PubSubClient {
	t.Helper()
	return pubsubpb.NewPubSubClient(r.Dial(t))
}

// Context carries the metadata that every call needs.
func (r *Running) Context(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "accesstoken", Token, "instanceurl", r.HTTPURL, "tenantid", r.Org.OrgID())
}

// HTTPClient reaches the org's REST API.
func (r *Running) HTTPClient() *http.Client {
	if r.Net == nil {
		return &http.Client{}
	}
	return &http.Client{Transport: &http.Transport{DialContext: r.Net.Dial}}
}
