package salesforce_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/pipenet"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
)

const (
	host = "127.0.0.1:8443"
	base = "http://" + host
)

// fakeOrg is the REST API of an org, as far as a test sets it.
type fakeOrg struct {
	*http.ServeMux
	client  *http.Client
	session *fakeSession
	reg     *prometheus.Registry
}

func newOrg(t *testing.T) *fakeOrg {
	t.Helper()
	f := &fakeOrg{ServeMux: http.NewServeMux(), session: &fakeSession{}, reg: prometheus.NewPedanticRegistry()}
	network := pipenet.New()
	l, err := network.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return network.Dial(ctx, "tcp", addr)
	}}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return f
}

func (f *fakeOrg) api(t *testing.T, change ...func(*salesforce.Config)) *salesforce.Client {
	t.Helper()
	cfg := salesforce.Config{Session: f.session, APIVersion: "64.0", ClientName: "sfbridge-crm", HTTPClient: f.client, Registerer: f.reg}
	for _, c := range change {
		c(&cfg)
	}
	c, err := salesforce.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fakeSession gives tokens token-1, token-2, ...
type fakeSession struct {
	mu sync.Mutex
	n  int // reports of refused tokens
}

func (s *fakeSession) Token(context.Context) (auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return auth.Token{AccessToken: auth.Secret(fmt.Sprintf("token-%d", s.n+1)), InstanceURL: base, OrgID: "00DKX00000000012AA"}, nil
}

func (s *fakeSession) Invalidate(auth.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// text answers with JSON as it is.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func expired(w http.ResponseWriter) {
	reply(w, http.StatusUnauthorized, []map[string]string{{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}})
}
